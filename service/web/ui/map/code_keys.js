// The bits of a code as buttons: a click flips one, and the colors of the map move with it.
import { html } from "../html.js";

/** @param {{ code: Uint8Array, flipped: Set<number>, onFlip: (bit: number) => void, onReset: () => void }} props `code` as the document has it */
export function CodeKeys({ code, flipped, onFlip, onReset }) {
  const bits = Array.from({ length: 8 * code.length }, (_, bit) => (code[bit >> 3] >> (7 - (bit & 7))) & 1);
  return html`<div class="map-bits" role="group" aria-label="Bits of the code">
      ${bits.map((value, bit) => {
        const isFlipped = flipped.has(bit), now = isFlipped ? 1 - value : value;
        return html`<button
          type="button"
          class=${`${now ? "one" : "zero"} ${isFlipped ? "flipped" : ""}`}
          aria-pressed=${isFlipped}
          aria-label=${`Bit ${bit}: ${now}${isFlipped ? ", flipped" : ""}`}
          title=${`Bit ${bit}: ${now}${isFlipped ? ", flipped" : ""}`}
          onClick=${() => onFlip(bit)}
        ></button>`;
      })}
    </div>
    ${flipped.size > 0 && html`<button type="button" class="link" onClick=${onReset}>Flip ${flipped.size === 1 ? "it" : "them"} back</button>`}`;
}

/** A code with bits flipped. @param {Uint8Array} code @param {Set<number>} flipped */
export function flippedCode(code, flipped) {
  const other = code.slice();
  for (const bit of flipped) other[bit >> 3] ^= 128 >> (bit & 7);
  return other;
}
