// The document that was clicked: its text, its code to play with, and the documents nearest to it.
import { counted, number } from "../format.js";
import { html } from "../html.js";
import { LongText } from "../parts/long_text.js";
import { Tag } from "../parts/tag.js";
import { href } from "../router.js";
import { CodeKeys } from "./code_keys.js";
import { DocumentList, useDocuments } from "./document_list.js";

const MOST_TAGS = 6;

/**
 * @param {{ collection: string, index: number, numbers: ArrayLike<number>, documents: import("./document_cache.js").DocumentCache,
 *   compared: import("./use_distances.js").Compared | null, neighbors: number[], flipped: Set<number>,
 *   onFlip: (bit: number) => void, onReset: () => void, onPick: (index: number) => void, onHover: (index: number) => void }} props
 */
export function Picked({ collection, index, numbers, documents, compared, neighbors, flipped, onFlip, onReset, onPick, onHover }) {
  const one = useDocuments([index], numbers, documents)[0]?.[1];
  const answer = compared?.answer;
  return html`<section class="map-part" aria-label="The chosen document">
    <header><h2>${one ? one.title || one.id : "…"}</h2><button type="button" class="quiet" onClick=${() => onPick(-1)}>Close</button></header>
    ${one?.text && html`<${LongText} text=${one.text} lines=${3} />`}
    ${one && html`<p class="row">${tagsOf(one.metadata).map(([field, value]) => html`<${Tag} title=${field}>${value}<//>`)}</p>`}
    ${one &&
    html`<p class="row">
      <a href=${href(collection, "search", { like: one.id })}>More like this</a>
      <a href=${href(collection, "bits", { id: one.id })}>Its bits</a>
      <a href=${href(collection, "documents", { id: one.id })}>Read it</a>
    </p>`}
    ${compared && html`<h3>Its code: flip a bit and watch the map</h3><${CodeKeys} code=${compared.code} flipped=${flipped} onFlip=${onFlip} onReset=${onReset} />`}
    ${answer &&
    html`<h3>${compared.n_flipped ? `Nearest to the code with ${counted(compared.n_flipped, "bit")} flipped` : "Nearest documents"}</h3>
      <${DocumentList} label="Nearest documents" indices=${neighbors} numbers=${numbers} documents=${documents} onPick=${onPick} onHover=${onHover}
        note=${(/** @type {number} */ i) => counted(answer.distances[i], "bit")} />
      <p class="hint">Of ${number(answer.distances.length)} documents, compared in this page in ${answer.took_ms < 1 ? "less than a millisecond" : `${answer.took_ms.toFixed(0)} ms`}.</p>`}
  </section>`;
}

/** @param {Record<string, unknown> | undefined} metadata @returns {[string, string][]} */
function tagsOf(metadata) {
  const short = Object.entries(metadata ?? {}).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  const values = short.map(([, value]) => value);
  return short.filter(([, value], at) => values.indexOf(value) === at).slice(0, MOST_TAGS).map(([field, value]) => [field, String(value)]);
}
