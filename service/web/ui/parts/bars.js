// Bars with their numbers beside them: a list that reads well without the bars, too.
import { html } from "../html.js";

/**
 * @typedef {object} Bar
 * @property {string} label
 * @property {number} value
 * @property {string} [text] in place of the number
 * @property {number} [low] begin of an interval to mark
 * @property {number} [high]
 * @property {"one" | "differ" | "plain"} [tone]
 */

/** @param {{caption: string, bars: Bar[], max?: number}} props `max`: the value of a full bar, the greatest by default */
export function Bars({ caption, bars, max = Math.max(...bars.map((bar) => bar.high ?? bar.value), 1e-12) }) {
  const share = (/** @type {number} */ value) => `${Math.max(0, Math.min(1, value / max)) * 100}%`;
  return html`<figure class="bars">
    <figcaption>${caption}</figcaption>
    <dl>
      ${bars.map(
        (bar) => html`<div class="bar-row">
          <dt>${bar.label}</dt>
          <dd>
            <span class="bar" aria-hidden="true">
              <span class=${`bar-fill bar-${bar.tone || "one"}`} style=${{ width: share(bar.value) }}></span>
              ${bar.low !== undefined &&
              bar.high !== undefined &&
              html`<span class="bar-range" style=${{ left: share(bar.low), right: `calc(100% - ${share(bar.high)})` }}></span>`}
            </span>
            <span class="bar-text">${bar.text ?? bar.value}</span>
          </dd>
        </div>`,
      )}
    </dl>
  </figure>`;
}
