// How far two codes lie apart, as a word and a small meter.
import { html } from "../html.js";

/** @param {{distance: number, n_bits: number}} props */
export function Distance({ distance, n_bits }) {
  const share = 1 - Math.min(1, (2 * distance) / n_bits); // two codes that have nothing to do with each other differ in half
  return html`<span class="distance" title=${`${distance} of ${n_bits} bits differ`}>
    <span class="distance-meter" aria-hidden="true"><span style=${{ width: `${share * 100}%` }}></span></span>
    <span class="distance-text"><b>${distance}</b> of ${n_bits} bits differ</span>
  </span>`;
}
