// What a screen says when there is nothing to show, and what to do about it.
import { html } from "../html.js";

/** @param {{title: string, children?: import("../html.js").Node}} props */
export function Empty({ title, children }) {
  return html`<section class="empty">
    <h2>${title}</h2>
    ${children}
  </section>`;
}
