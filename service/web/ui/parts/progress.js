// How far something is: a bar where that is known, and words.
import { percent } from "../format.js";
import { html } from "../html.js";

/** @param {{label: string, done?: number | null, total?: number | null, children?: import("../html.js").Node}} props */
export function Progress({ label, done, total, children }) {
  const share = total ? Math.min(1, (done || 0) / total) : null;
  return html`<div class="progress">
    <progress aria-label=${label} max="1" value=${share ?? undefined}>${share === null ? "" : percent(share)}</progress>
    <span class="progress-text">${children || (share === null ? label : percent(share))}</span>
  </div>`;
}
