// A time, relative, with the exact one when pointed at.
import { ago, date } from "../format.js";
import { html } from "../html.js";

/** @param {{at: string | null | undefined}} props */
export function Moment({ at }) {
  if (!at) return html`<span class="soft">never</span>`;
  return html`<time datetime=${at} title=${date(at)}>${ago(at)}</time>`;
}
