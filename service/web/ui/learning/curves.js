// The curves of a training: losses, how sure the units are and the noise that makes them so, and the balance of the bits.
import { percent } from "../format.js";
import { html } from "../html.js";
import { Curve } from "../parts/curve.js";
import { Table } from "../parts/table.js";
import { Activations } from "./activations.js";

const X = "per cent of the steps";
/** @type {[number, number]} */
const ALL = [0, 100];

/**
 * @typedef {import("./follow.js").TrainingRecord} TrainingRecord
 * @param {{records: TrainingRecord[], shown: number}} props
 */
export function Curves({ records, shown }) {
  const points = (/** @type {(record: TrainingRecord) => number | null} */ value) =>
    /** @type {[number, number][]} */ (records.map((one) => [one.number, value(one)]).filter(([, y]) => y !== null));
  const losses = [
    { name: "training", points: points((one) => one.loss) },
    { name: "validation", points: points((one) => one.validation_loss) },
  ];
  return html`<div class="learning-charts">
    <div class="card">
      <${Curve} caption="Loss, in nats a document" series=${losses} xTitle=${X} xRange=${ALL} />
      <p class="hint">How badly documents can be told from their codes. Validation documents are not learned from.${secondText(records)}</p>
    </div>
    <div class="card">
      <${Curve}
        caption="Units that are sure of their bit"
        series=${[{ name: "saturated", points: points((one) => one.saturated) }]}
        xTitle=${X} xRange=${ALL} yFrom=${0} yTo=${1} format=${(/** @type {number} */ share) => percent(share)}
      />
      <p class="hint">Within 0.05 of 0 or 1: then cutting them to bits loses nothing.</p>
    </div>
    <div class="card"><${Activations} records=${records} shown=${shown} /></div>
    <div class="card">
      <${Curve} caption="Noise before the units" series=${[{ name: "noise", points: points((one) => one.noise) }]} xTitle=${X} xRange=${ALL} yFrom=${0} />
      <p class="hint">It grows, and only units near 0 or 1 carry a message through it.</p>
    </div>
    <div class="card learning-wide"><${Balance} record=${records[shown]} /></div>
  </div>`;
}

/** Where the curves jump. @param {TrainingRecord[]} records */
function secondText(records) {
  const second = records.find((one) => one.network === 2);
  return second && records[0].network === 1
    ? ` At ${second.number} % the network of ${second.n_bits} bits starts from the one of ${records[0].n_bits}.`
    : "";
}

const HEIGHT = 90;
const STEP = 10;

/** @param {{record: TrainingRecord}} props */
function Balance({ record }) {
  const shares = record.balance;
  const n_dead = shares.filter((share) => share < 0.02 || share > 0.98).length;
  return html`<figure class="learning-balance">
    <figcaption>Balance: the share of ones of each bit <span class="soft">at ${record.number} %</span></figcaption>
    <svg viewBox=${`0 0 ${shares.length * STEP} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${`Share of ones of ${shares.length} bits; the table has the numbers.`}>
      ${shares.map(
        (share, bit) => html`<g>
          <rect class="learning-bit" x=${bit * STEP + 1} width=${STEP - 2} y="0" height=${HEIGHT} />
          <rect class="learning-ones" x=${bit * STEP + 1} width=${STEP - 2} y=${HEIGHT * (1 - share)} height=${HEIGHT * share} />
        </g>`,
      )}
      <line class="learning-half" x1="0" x2=${shares.length * STEP} y1=${HEIGHT / 2} y2=${HEIGHT / 2} />
    </svg>
    <p class="hint">
      A bit that half of the documents have says the most.
      ${n_dead ? ` ${n_dead} of ${shares.length} bits are the same for nearly all.` : " None is the same for nearly all."}
    </p>
    <details class="numbers">
      <summary>Numbers</summary>
      <${Table}
        caption="Share of ones" hideCaption
        columns=${[
          { title: "Bit", isHead: true, cell: (/** @type {[number, number]} */ row) => row[0] },
          { title: "Ones", isNumber: true, cell: (/** @type {[number, number]} */ row) => percent(row[1], 1) },
        ]}
        rows=${shares.map((share, bit) => [bit, share])} rowKey=${(/** @type {[number, number]} */ row) => row[0]}
      />
    </details>
  </figure>`;
}
