// Documents that a lasso or a box chose: how many, their ids as a file, and a filter that their values make.
import { collectionPath } from "../api.js";
import { counted, number, percent } from "../format.js";
import { html, useState } from "../html.js";
import { Curl } from "../parts/curl.js";
import { filterOf } from "./coloring.js";

const MOST_A_CALL = 1_000;

/**
 * @param {{ collection: string, chosen: Uint32Array, numbers: ArrayLike<number>, column: import("./coloring.js").Column | null,
 *   documents: import("./document_cache.js").DocumentCache, onFit: () => void, onClear: () => void }} props
 */
export function Selection({ collection, chosen, numbers, column, documents, onFit, onClear }) {
  const [done, setDone] = useState(-1);
  const save = async () => {
    const ids = [];
    for (let at = 0; at < chosen.length; at += MOST_A_CALL) {
      setDone(at);
      const part = Array.from(chosen.subarray(at, at + MOST_A_CALL), (index) => numbers[index]);
      for (const { id } of await documents.read(part)) ids.push(id);
    }
    setDone(-1);
    download(`${collection}-ids.txt`, ids.join("\n"));
  };
  return html`<section class="map-part" aria-label="Chosen documents">
    <header><h2>${counted(chosen.length, "document")} chosen</h2><button type="button" class="quiet" onClick=${onClear}>Clear</button></header>
    ${chosen.length > 0 &&
    html`<div class="row">
      <button type="button" onClick=${save} disabled=${done >= 0}>${done >= 0 ? `${number(done)} of ${number(chosen.length)} …` : "Save ids"}</button>
      <button type="button" onClick=${onFit}>Zoom to them</button>
    </div>`}
    ${column && chosen.length > 0 && html`<${Filter} collection=${collection} column=${column} chosen=${chosen} />`}
    ${!column && chosen.length > 0 && html`<p class="hint">Color by a field to get a filter made of these documents.</p>`}
  </section>`;
}

/** @param {{ collection: string, column: import("./coloring.js").Column, chosen: Uint32Array }} props */
function Filter({ collection, column, chosen }) {
  const made = filterOf(column, chosen);
  if (!made) return html`<p class="hint">None of them has a value of ${column.field}.</p>`;
  const { filter, n_passing, n_chosen_passing } = made;
  const call = { path: collectionPath(collection, "documents"), params: { filter: JSON.stringify(filter) } };
  return html`<h3>A filter made of them</h3>
    <p class="hint">
      By what is commoner among them in ${column.field}: ${counted(n_passing, "document")} pass, and with them ${percent(n_chosen_passing / chosen.length)} of the chosen.
    </p>
    <${Curl} call=${call} />`;
}

/** @param {string} name @param {string} text */
function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}
