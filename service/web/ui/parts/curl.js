// The command that gives the same as the screen.
import { curlOf } from "../api.js";
import { html, useState } from "../html.js";
import { key } from "../key.js";
import { announce } from "../notices.js";
import { useStore } from "../store.js";

/** @param {{call: import("../api.js").Call | null}} props */
export function Curl({ call }) {
  const [isCopied, setCopied] = useState(false);
  useStore(key);
  if (!call) return null;
  const command = curlOf(call);
  const copy = async () => {
    await navigator.clipboard.writeText(command);
    setCopied(true);
    announce("Copied");
    setTimeout(() => setCopied(false), 2_000);
  };
  return html`<div class="curl">
    <code tabindex="0" role="region" aria-label="The same as a command">${command}</code>
    ${navigator.clipboard && html`<button type="button" class="quiet" onClick=${copy}>${isCopied ? "Copied" : "Copy"}</button>`}
  </div>`;
}
