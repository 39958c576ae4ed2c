// A code as a strip of small squares: filled ones, hollow zeros, and where it differs from another code.
import { bitsOf } from "../format.js";
import { html } from "../html.js";

const SIDE = 6;
const GAP = 1.5;
const IN_ROW = 32;

/** @param {{code: string, against?: string, label?: string}} props codes in hexadecimal */
export function CodeStrip({ code, against, label }) {
  const bits = bitsOf(code);
  const others = against && against.length === code.length ? bitsOf(against) : null;
  const n_rows = Math.ceil(bits.length / IN_ROW);
  const step = SIDE + GAP;
  const n_differing = others ? bits.filter((bit, n) => bit !== others[n]).length : 0;
  const said = label || `Code ${code}${others ? `, ${n_differing} bits differ` : ""}`;
  return html`<svg
    class="strip"
    role="img"
    aria-label=${said}
    viewBox=${`0 0 ${Math.min(IN_ROW, bits.length) * step} ${n_rows * step}`}
    width=${Math.min(IN_ROW, bits.length) * step}
    height=${n_rows * step}
  >
    ${bits.map((bit, n) => {
      const differs = others && bit !== others[n];
      const [x, y] = [(n % IN_ROW) * step + 0.5, Math.floor(n / IN_ROW) * step + 0.5];
      return html`<rect x=${x} y=${y} width=${SIDE - 1} height=${SIDE - 1} class=${`${bit ? "one" : "zero"} ${differs ? "differ" : ""}`} />`;
    })}
  </svg>`;
}
