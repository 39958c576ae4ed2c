// What the colors show: a field, or the distance to a document; and the legend.
import { html } from "../html.js";
import { setParams } from "../router.js";
import { Categories, Gradient } from "./legend.js";
import { NO_CLASS } from "./palette.js";

/** Choices that are no fields. */
export const NONE = "~none", DISTANCE = "~distance";

/**
 * @param {{ fields: string[], color: string, column: import("./coloring.js").Column | null, only: string, palette: Uint8Array,
 *   nBits: number, isCompared: boolean }} props
 */
export function ColorChoice({ fields, color, column, only, palette, nBits, isCompared }) {
  const choose = (/** @type {any} */ event) => setParams({ color: event.target.value, only: null }, { replace: true });
  return html`<section class="map-part" aria-label="Colors">
    <label class="map-color">
      <span>Color by</span>
      <select value=${color} onChange=${choose}>
        ${fields.map((field) => html`<option value=${field}>${field}</option>`)}
        ${![NONE, DISTANCE, ...fields].includes(color) && html`<option value=${color}>${color}</option>`}
        <option value=${DISTANCE}>distance to a document</option>
        <option value=${NONE}>nothing</option>
      </select>
    </label>
    ${color === DISTANCE && nBits > 0 &&
    html`<${Gradient} palette=${palette} last=${Math.min(NO_CLASS, nBits / 2)} from="0 bits" to=${`${nBits / 2} or more`} label="differ" />
      ${!isCompared && html`<p class="hint">Point at a document: all others take the color of their distance to it.</p>`}`}
    ${color === DISTANCE && nBits === 0 && html`<p class="hint">Loading all codes …</p>`}
    ${column?.kind === "categories" && html`<${Categories} column=${column} palette=${palette} only=${only} onOnly=${(/** @type {string} */ value) => setParams({ only: value || null }, { replace: true })} />`}
    ${column?.kind === "numbers" && html`<${Gradient} palette=${palette} last=${NO_CLASS - 1} from=${format(column.low)} to=${format(column.high)} label=${column.field} />`}
  </section>`;
}

/** @param {number} value */
function format(value) {
  return Number.isInteger(value) && Math.abs(value) < 10_000 ? String(value) : value.toLocaleString("en", { maximumSignificantDigits: 4 });
}
