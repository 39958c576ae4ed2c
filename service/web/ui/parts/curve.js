// A line chart as SVG, with the same numbers as a table beside it for those who cannot see it.
import { html, useState } from "../html.js";
import { Table } from "./table.js";

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {[number, number][]} points by x, ascending
 */

const WIDTH = 600;
const PAD = { left: 46, right: 10, top: 8, bottom: 24 };
const N_TICKS = 4;
const MOST_ROWS = 50;

/**
 * @param {{caption: string, series: Series[], xTitle?: string, yFrom?: number, yTo?: number, height?: number,
 *   xRange?: [number, number], format?: (value: number) => string}} props
 *   `yFrom`, `yTo`, `xRange`: bounds of the axes, those of the points by default
 */
export function Curve({ caption, series, xTitle = "", yFrom, yTo, xRange, height = 180, format = tick }) {
  const all = series.flatMap((one) => one.points);
  if (all.length === 0) return null;
  const xs = xRange || bounds(all.map((point) => point[0]));
  const ys = bounds(all.map((point) => point[1]));
  const [low, high] = [yFrom ?? ys[0], yTo ?? ys[1]];
  const x = scale(xs[0], xs[1], PAD.left, WIDTH - PAD.right);
  const y = scale(low, high, height - PAD.bottom, PAD.top);
  return html`<figure class="curve">
    <figcaption>
      ${caption}
      ${series.length > 1 && series.map((one, n) => html`<span class=${`curve-key curve-${n % 4}`}>${one.name}</span>`)}
    </figcaption>
    <svg viewBox=${`0 0 ${WIDTH} ${height}`} role="img" aria-label=${`${caption}. The table below has the numbers.`}>
      ${ticks(low, high).map(
        (value) => html`<g>
          <line class="grid" x1=${PAD.left} x2=${WIDTH - PAD.right} y1=${y(value)} y2=${y(value)} />
          <text class="tick" x=${PAD.left - 6} y=${y(value) + 3.5} text-anchor="end">${format(value)}</text>
        </g>`,
      )}
      ${[xs[0], xs[1]].map(
        (value, n) => html`<text class="tick" x=${x(value)} y=${height - 8} text-anchor=${n ? "end" : "start"}>${tick(value)}</text>`,
      )}
      <text class="tick" x=${(PAD.left + WIDTH) / 2} y=${height - 8} text-anchor="middle">${xTitle}</text>
      ${series.map(
        (one, n) => html`<polyline
          class=${`line curve-${n % 4}`}
          points=${one.points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" ")}
        />`,
      )}
    </svg>
    <${Numbers} caption=${caption} series=${series} xTitle=${xTitle} format=${format} />
  </figure>`;
}

/** @param {{caption: string, series: Series[], xTitle: string, format: (value: number) => string}} props */
function Numbers({ caption, series, xTitle, format }) {
  const [isOpen, setOpen] = useState(false);
  const toggle = (/** @type {any} */ event) => setOpen(event.target.open);
  return html`<details class="numbers" onToggle=${toggle}>
    <summary>Numbers</summary>
    ${isOpen && html`<${Table} caption=${caption} hideCaption columns=${columns(series, xTitle, format)} rows=${rows(series)} rowKey=${String} />`}
  </details>`;
}

/** @param {Series[]} series @param {string} xTitle @param {(value: number) => string} format */
function columns(series, xTitle, format) {
  const of = (/** @type {Series} */ one, /** @type {number} */ x) => one.points.find((point) => point[0] === x)?.[1];
  return [
    { title: xTitle || "x", cell: tick, isHead: true },
    ...series.map((one) => ({
      title: one.name,
      isNumber: true,
      cell: (/** @type {number} */ x) => (of(one, x) === undefined ? "" : format(/** @type {number} */ (of(one, x)))),
    })),
  ];
}

/** Where some series has a point, thinned out to what a person reads. @param {Series[]} series */
function rows(series) {
  const xs = [...new Set(series.flatMap((one) => one.points.map((point) => point[0])))].sort((a, b) => a - b);
  const step = Math.ceil(xs.length / MOST_ROWS);
  return xs.filter((_, n) => n % step === 0 || n === xs.length - 1);
}

/** @param {number[]} values @returns {[number, number]} */
function bounds(values) {
  let [low, high] = [values[0], values[0]];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

/** @param {number} low @param {number} high @param {number} from @param {number} to */
function scale(low, high, from, to) {
  return (/** @type {number} */ value) => from + ((value - low) / (high - low || 1)) * (to - from);
}

/** Round numbers between two bounds. @param {number} low @param {number} high */
function ticks(low, high) {
  const rough = (high - low) / N_TICKS;
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) || 10);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(value);
  return found;
}

/** A number with as many digits as it needs. @param {number} value */
function tick(value) {
  return Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });
}
