// What the reports of one or two code spaces say, figure by figure.
import { counted, number, percent } from "../format.js";
import { html } from "../html.js";
import { Table } from "../parts/table.js";

/**
 * @typedef {object} Figure
 * @property {string} name
 * @property {string} hint
 * @property {(report: any, space: any) => number | null | undefined} value
 * @property {(value: number) => string} text
 * @property {"up" | "down"} [better] which way is better, where one is
 * @property {(report: any) => {low: number, high: number} | undefined} [range]
 */

const share = (/** @type {number} */ value) => percent(value, 1);
const plain = (/** @type {number} */ value) => number(Number(value.toPrecision(3)));

/** @type {Figure[]} */
const FIGURES = [
  { name: "True nearest found", hint: "of the 10 nearest by features, in the shortlist by code", value: (r) => r.found?.recall?.mean, text: share, better: "up", range: (r) => r.found?.recall },
  { name: "Same topic", hint: "of the shortlist", value: (r) => r.found?.topic?.mean, text: share, better: "up", range: (r) => r.found?.topic },
  { name: "Sure units", hint: "within 0.05 of 0 or 1", value: (r) => r.saturated, text: share, better: "up" },
  { name: "Distinct codes", hint: "of the documents that were judged", value: (r) => r.n_distinct_codes, text: number, better: "up" },
  { name: "Documents that share a code", hint: "with another", value: (r) => r.share_of_shared_codes, text: share, better: "down" },
  { name: "Dead bits", hint: "the same for nearly all", value: (r) => r.dead_bits?.length, text: number, better: "down" },
  { name: "Correlation of bits", hint: "0 is best", value: (r) => r.bit_correlation, text: plain, better: "down" },
  { name: "Fullest bucket", hint: "documents at one code", value: (r) => r.code_load?.largest, text: number, better: "down" },
  { name: "Mean bucket", hint: "documents at one code", value: (r) => r.code_load?.mean, text: plain, better: "down" },
  { name: "Fullest part", hint: "documents at one part of a code", value: (r) => r.substring_load?.largest, text: number, better: "down" },
  { name: "Loss", hint: "of held-out documents, in nats", value: (r) => r.reconstruction_loss, text: plain, better: "down" },
  { name: "Without a known word", hint: "of the documents that asked", value: (r) => r.without_features, text: share, better: "down" },
  { name: "Bits", hint: "of a code", value: (_, space) => space.n_bits, text: number },
  { name: "Learned from", hint: "documents", value: (r) => r.training?.n_documents?.train, text: number },
  { name: "Trained for", hint: "seconds", value: (r) => seconds(r.training?.seconds), text: number },
];

/** @param {{spaces: any[]}} props */
export function Figures({ spaces }) {
  const shown = FIGURES.filter((figure) => spaces.some((space) => valueOf(figure, space) !== null));
  const columns = [
    { title: "Figure", isHead: true, cell: (/** @type {Figure} */ figure) => html`${figure.name} <span class="hint spaces-hint">${figure.hint}</span>` },
    ...spaces.map((space) => ({
      title: `Code space ${space.version}`,
      isNumber: true,
      cell: (/** @type {Figure} */ figure) => html`<${Cell} figure=${figure} space=${space} spaces=${spaces} />`,
    })),
  ];
  return html`<div class="stack">
    <div class="spaces-figures"><${Table} caption="Figures of the reports" hideCaption columns=${columns} rows=${shown} rowKey=${(/** @type {Figure} */ figure) => figure.name} /></div>
    <div class="spaces-balances">
      ${spaces.map((space) => space.report?.bit_balance && html`<${Balance} key=${space.version} space=${space} />`)}
    </div>
    ${spaces.map((space) => (space.report?.advice || []).map((/** @type {any} */ one) => html`<p class="hint">Code space ${space.version}: ${one.finding}: ${one.remedy}.</p>`))}
  </div>`;
}

/** @param {{figure: Figure, space: any, spaces: any[]}} props */
function Cell({ figure, space, spaces }) {
  const value = valueOf(figure, space);
  if (value === null) return html`<span class="soft">–</span>`;
  const others = spaces.filter((one) => one !== space).map((one) => valueOf(figure, one));
  const range = figure.range?.(space.report || {});
  const isBetter = figure.better && others.every((other) => other !== null && (figure.better === "up" ? value > other : value < other));
  return html`<span class=${isBetter && others.length ? "spaces-better" : ""}>${figure.text(value)}${isBetter && others.length ? html`<span class="spoken"> (better)</span>` : ""}</span>
    ${range?.low !== undefined && html`<span class="hint spaces-range">${share(range.low)} to ${share(range.high)}</span>`}`;
}

/** @param {Figure} figure @param {any} space @returns {number | null} */
function valueOf(figure, space) {
  const value = figure.value(space.report || {}, space);
  return value === undefined || value === null || Number.isNaN(value) ? null : value;
}

/** @param {Record<string, number> | undefined} stages */
const seconds = (stages) => (stages ? Math.round(Object.values(stages).reduce((sum, one) => sum + one, 0)) : null);

const STEP = 10;
const HEIGHT = 70;

/** @param {{space: any}} props */
function Balance({ space }) {
  /** @type {number[]} */
  const shares = space.report.bit_balance;
  const [low, high] = [Math.min(...shares), Math.max(...shares)];
  return html`<figure>
    <figcaption>Balance of the bits of ${space.version} <span class="soft">${percent(low)} to ${percent(high)} ones</span></figcaption>
    <svg viewBox=${`0 0 ${shares.length * STEP} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${`${counted(shares.length, "bit")}, of which ${percent(low)} to ${percent(high)} are ones`}>
      ${shares.map((one, bit) => html`<rect key=${bit} class="spaces-ones" x=${bit * STEP + 1} width=${STEP - 2} y=${HEIGHT * (1 - one)} height=${HEIGHT * one} />`)}
      <line class="spaces-half" x1="0" x2=${shares.length * STEP} y1=${HEIGHT / 2} y2=${HEIGHT / 2} />
    </svg>
  </figure>`;
}
