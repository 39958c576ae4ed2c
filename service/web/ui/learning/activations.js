// How the code units split: one column for each per cent of the training, from units near 0 below to units near 1 above.
import { percent } from "../format.js";
import { Component, html } from "../html.js";
import { Table } from "../parts/table.js";

const N_COLUMNS = 101;
const CELL = 8;

/**
 * @typedef {import("./follow.js").TrainingRecord} TrainingRecord
 * @param {{records: TrainingRecord[], shown: number}} props
 */
export function Activations({ records, shown }) {
  const now = records[shown];
  const n_bins = now.activations.length;
  const [low, high] = [shareOf(now, 0, 1), shareOf(now, n_bins - 1, n_bins)];
  return html`<figure class="learning-split">
    <figcaption>The units split towards 0 and 1</figcaption>
    <svg viewBox=${`0 0 ${N_COLUMNS * CELL} ${n_bins * CELL}`} preserveAspectRatio="none" role="img" aria-label="Histogram of the units over the training; the table has the numbers.">
      ${records.map((record) => html`<${Column} key=${record.number} record=${record} />`)}
      <rect class="learning-cursor" x=${now.number * CELL} y="0" width=${CELL} height=${n_bins * CELL} />
    </svg>
    <p class="hint">
      Each column is one per cent of the training, units near 1 above and near 0 below. At ${now.number} %: ${percent(low)} are within 0.05 of 0,
      ${" "}${percent(high)} of 1.
    </p>
    <details class="numbers">
      <summary>Numbers</summary>
      <${Table}
        caption="Units by activation" hideCaption
        columns=${[
          { title: "Activation", isHead: true, cell: (/** @type {number} */ bin) => `${(bin / n_bins).toFixed(2)} to ${((bin + 1) / n_bins).toFixed(2)}` },
          { title: `Units at ${now.number} %`, isNumber: true, cell: (/** @type {number} */ bin) => percent(shareOf(now, bin, bin + 1), 1) },
        ]}
        rows=${now.activations.map((_, bin) => bin)} rowKey=${String}
      />
    </details>
  </figure>`;
}

/** One column; it never changes, so it is drawn once. @extends {Component<{record: TrainingRecord}>} */
class Column extends Component {
  /** @param {{record: TrainingRecord}} next */
  shouldComponentUpdate(next) {
    return next.record !== this.props.record;
  }

  render() {
    const { record } = this.props;
    const n_bins = record.activations.length;
    const most = Math.max(...record.activations, 1);
    return html`<g>
      ${record.activations.map(
        (n, bin) =>
          n > 0 &&
          html`<rect class="learning-cell" x=${record.number * CELL} y=${(n_bins - 1 - bin) * CELL} width=${CELL} height=${CELL} fill-opacity=${Math.sqrt(n / most).toFixed(2)} />`,
      )}
    </g>`;
  }
}

/** @param {TrainingRecord} record @param {number} from @param {number} to */
function shareOf(record, from, to) {
  const all = record.activations.reduce((sum, n) => sum + n, 0);
  return record.activations.slice(from, to).reduce((sum, n) => sum + n, 0) / Math.max(all, 1);
}
