// What lies around a code: how many documents at each distance, and the nearest ones.
import { useCall } from "../calls.js";
import { counted, number, shortNumber } from "../format.js";
import { html } from "../html.js";
import { Distance } from "../parts/distance.js";
import { Table } from "../parts/table.js";
import { Tag } from "../parts/tag.js";
import { href } from "../router.js";

const WIDTH = 640;
const HEIGHT = 150;
const BASE = 20;

/** @param {{collection: string, code: string, before: string, counts: any, isOld: boolean, call: import("../api.js").Call, own: string | null}} props `before`: the code before any bit was flipped */
export function Around({ collection, code, before, counts, isOld, call, own }) {
  const { data } = useCall(call);
  const unflipped = useCall(before === code ? null : { ...call, params: { ...call.params, code: before } });
  const known = unflipped.data && new Set(unflipped.data.matches.map((/** @type {any} */ match) => match.id));
  const n_bits = code.length * 4;
  return html`<div class="bits-around">
    <section class="card stack">
      <h2>How far the documents lie</h2>
      ${counts && html`<${Histogram} distances=${counts.distances} isOld=${isOld} />`}
    </section>
    <section class="card stack">
      <h2>The nearest to this code</h2>
      ${data &&
      html`<ol class="bits-nearest">
        ${data.matches.map(
          (/** @type {any} */ match) => html`<li key=${match.id}>
            <a href=${href(collection, "bits", { id: match.id })}>${match.title || match.id}</a>
            ${known && !known.has(match.id) && html`<${Tag} tone="warn">new here<//>`}
            <${Distance} distance=${match.distance} n_bits=${n_bits} />
            ${own && own !== match.id && html`<a class="hint" href=${href(collection, "bits", { id: own, with: match.id })}>side by side</a>`}
          </li>`,
        )}
      </ol>`}
      ${data?.matches.length === 0 && html`<p class="hint">No document has a code yet.</p>`}
    </section>
  </div>`;
}

/** @param {{distances: number[], isOld: boolean}} props */
function Histogram({ distances, isOld }) {
  const most = Math.max(...distances, 1);
  const step = WIDTH / distances.length;
  const near = distances.slice(0, Math.floor(distances.length / 8) + 1).reduce((sum, n) => sum + n, 0);
  const radius = Math.floor(distances.length / 8);
  const rows = distances.map((n, distance) => [distance, n]).filter(([, n]) => n > 0);
  return html`<figure class=${isOld ? "bits-old" : ""}>
    <p>
      ${distances[0] ? html`<b>${counted(distances[0], "document")}</b> with exactly this code` : "No document has exactly this code"},
      ${" "}<b>${number(near)}</b> within ${radius} bits.
    </p>
    <svg class="bits-histogram" viewBox=${`0 0 ${WIDTH} ${HEIGHT + BASE}`} role="img" aria-label="Documents at each distance; the table has the numbers.">
      ${distances.map(
        (n, distance) => html`<g key=${distance}>
          <rect class="bits-bar" x=${distance * step + 0.5} width=${step - 1} y=${HEIGHT * (1 - n / most)} height=${(HEIGHT * n) / most}>
            <title>${distance} bits: ${n}</title>
          </rect>
        </g>`,
      )}
      <line class="bits-axis" x1="0" x2=${WIDTH} y1=${HEIGHT} y2=${HEIGHT} />
      <text x="0" y=${HEIGHT + 15}>0 bits</text>
      <text x=${WIDTH / 2} y=${HEIGHT + 15} text-anchor="middle">${(distances.length - 1) / 2}: nothing in common</text>
      <text x=${WIDTH} y=${HEIGHT + 15} text-anchor="end">${distances.length - 1}</text>
    </svg>
    <details class="numbers">
      <summary>Numbers</summary>
      <${Table}
        caption="Documents by distance" hideCaption
        columns=${[
          { title: "Bits that differ", isHead: true, cell: (/** @type {number[]} */ row) => row[0] },
          { title: "Documents", isNumber: true, cell: (/** @type {number[]} */ row) => shortNumber(row[1]) },
        ]}
        rows=${rows} rowKey=${(/** @type {number[]} */ row) => row[0]}
      />
    </details>
  </figure>`;
}
