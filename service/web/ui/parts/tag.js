// A short word in a frame: a state, a kind, a value.
import { html } from "../html.js";

/** @param {{tone?: "plain" | "good" | "bad" | "warn" | "accent", title?: string, children?: import("../html.js").Node}} props */
export function Tag({ tone = "plain", title, children }) {
  return html`<span class=${`tag tag-${tone}`} title=${title}>${children}</span>`;
}
