// A code as buttons: one is pressed where the bit is one; arrow keys go from bit to bit.
import { bitsOf } from "../format.js";
import { html, useRef } from "../html.js";

const COLUMNS = 16;
/** @type {Record<string, (at: number, columns: number) => number>} */
const KEYS = {
  ArrowRight: (at) => at + 1,
  ArrowLeft: (at) => at - 1,
  ArrowDown: (at, columns) => at + columns,
  ArrowUp: (at, columns) => at - columns,
  Home: () => 0,
  End: () => Infinity,
};

/**
 * @param {{code: string, flipped: number[], confidences?: number[], differing?: number[], current: number,
 *   onFlip: (bit: number) => void, onShow: (bit: number) => void}} props
 */
export function BitGrid({ code, flipped, confidences, differing = [], current, onFlip, onShow }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  const bits = bitsOf(code);
  const move = (/** @type {KeyboardEvent} */ event) => {
    const next = KEYS[event.key];
    if (!next || !element.current) return;
    event.preventDefault();
    const columns = getComputedStyle(element.current).gridTemplateColumns.split(" ").length || COLUMNS;
    const wanted = next(current, columns);
    const bit = wanted < 0 ? current : wanted < bits.length ? wanted : event.key === "End" ? bits.length - 1 : current;
    onShow(bit);
    /** @type {HTMLElement | undefined} */ (element.current.children[bit])?.focus();
  };
  return html`<div ref=${element} class="bits-grid" role="group" aria-label=${`The ${bits.length} bits; arrow keys go from one to the next`} onKeyDown=${move}>
    ${bits.map((value, bit) => {
      const confidence = flipped.includes(bit) ? undefined : confidences?.[bit];
      const classes = ["bits-bit", flipped.includes(bit) && "flipped", differing.includes(bit) && "differs", bit === current && "shown"];
      return html`<button
        key=${bit} type="button" class=${classes.filter(Boolean).join(" ")} aria-pressed=${value === 1} tabindex=${bit === current ? 0 : -1}
        aria-label=${said(bit, value, confidence, flipped.includes(bit), differing.includes(bit))} title=${`Bit ${bit}`}
        onClick=${() => onFlip(bit)} onFocus=${() => bit !== current && onShow(bit)}
      >
        <span class="bits-number" aria-hidden="true">${bit}</span>
        <span class="bits-sure" aria-hidden="true">${confidence !== undefined && html`<span style=${{ width: `${confidence * 100}%` }}></span>`}</span>
      </button>`;
    })}
  </div>`;
}

/** @param {number} bit @param {number} value @param {number | undefined} confidence @param {boolean} isFlipped @param {boolean} differs */
function said(bit, value, confidence, isFlipped, differs) {
  const parts = [`Bit ${bit}: ${value ? "one" : "zero"}`];
  if (isFlipped) parts.push("flipped");
  else if (confidence !== undefined) parts.push(`${Math.round(confidence * 100)} % sure`);
  if (differs) parts.push("the document beside it has the other");
  return parts.join(", ");
}
