// What the colors mean: categories that can be clicked, or a gradient with its ends.
import { number } from "../format.js";
import { html } from "../html.js";
import { MOST_CATEGORIES } from "./coloring.js";
import { NO_CLASS, cssColor } from "./palette.js";

/**
 * Categories; a click shows one alone, another one all again.
 * @param {{ column: import("./coloring.js").Column, palette: Uint8Array, only: string, onOnly: (value: string) => void }} props
 */
export function Categories({ column, palette, only, onOnly }) {
  const named = column.values.slice(0, MOST_CATEGORIES).filter((one) => one.count > 0);
  const others = column.values.slice(MOST_CATEGORIES);
  const n_others = others.reduce((sum, one) => sum + one.count, 0);
  return html`<ul class="map-legend" aria-label=${`Colors: ${column.field}`}>
    ${named.map(({ value, count }, place) => {
      const text = String(value);
      return html`<li>
        <button type="button" aria-pressed=${only === text} onClick=${() => onOnly(only === text ? "" : text)}>
          <span class="map-swatch" style=${{ background: cssColor(palette, place) }}></span>
          <span class="map-legend-name">${text}</span><span class="map-legend-count">${number(count)}</span>
        </button>
      </li>`;
    })}
    ${n_others > 0 && html`<${Rest} palette=${palette} text=${`${number(others.length)} other values`} count=${n_others} />`}
    ${column.n_missing > 0 && html`<${Rest} palette=${palette} text="no value, or too rare" count=${column.n_missing} />`}
  </ul>`;
}

/** @param {{ palette: Uint8Array, text: string, count: number }} props */
function Rest({ palette, text, count }) {
  return html`<li class="map-legend-rest">
    <span class="map-swatch" style=${{ background: cssColor(palette, NO_CLASS) }}></span>
    <span class="map-legend-name">${text}</span><span class="map-legend-count">${number(count)}</span>
  </li>`;
}

/** @param {{ palette: Uint8Array, last: number, from: string, to: string, label: string }} props `last`: the class at the right end */
export function Gradient({ palette, last, from, to, label }) {
  const stops = Array.from({ length: 13 }, (_, i) => cssColor(palette, Math.round((last * i) / 12)));
  return html`<figure class="map-gradient">
    <div style=${{ background: `linear-gradient(90deg, ${stops.join(", ")})` }}></div>
    <figcaption><span>${from}</span><span class="soft">${label}</span><span>${to}</span></figcaption>
  </figure>`;
}
