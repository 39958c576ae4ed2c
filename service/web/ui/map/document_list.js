// A list of documents of the map: a click chooses one, hovering shows where it lies.
import { html, useEffect, useState } from "../html.js";

/** @typedef {import("./document_cache.js").Document} Document */

/**
 * @param {{ label: string, indices: number[], numbers: ArrayLike<number>, documents: import("./document_cache.js").DocumentCache,
 *   note: (index: number) => string, onPick: (index: number) => void, onHover: (index: number) => void }} props
 */
export function DocumentList({ label, indices, numbers, documents, note, onPick, onHover }) {
  const found = useDocuments(indices, numbers, documents);
  return html`<ol class="map-list" aria-label=${label} onMouseLeave=${() => onHover(-1)}>
    ${found.map(
      ([index, one]) => html`<li key=${index}>
        <button type="button" onClick=${() => onPick(index)} onMouseEnter=${() => onHover(index)} onFocus=${() => onHover(index)}>
          <span class="map-list-title">${one.title || one.text?.slice(0, 120) || one.id}</span><span class="map-list-note">${note(index)}</span>
        </button>
      </li>`,
    )}
  </ol>`;
}

/**
 * Documents of points, those that are still there.
 * @param {number[]} indices @param {ArrayLike<number>} numbers @param {import("./document_cache.js").DocumentCache} documents
 * @returns {[number, Document][]} the point with its document
 */
export function useDocuments(indices, numbers, documents) {
  const [found, setFound] = useState(/** @type {[number, Document][]} */ ([]));
  const wanted = indices.join(",");
  useEffect(() => {
    let isWanted = true;
    Promise.all(indices.map((index) => documents.get(numbers[index]))).then((all) => {
      const pairs = all.map((one, at) => /** @type {[number, Document | null]} */ ([indices[at], one]));
      if (isWanted) setFound(/** @type {[number, Document][]} */ (pairs.filter(([, one]) => one !== null)));
    });
    return () => {
      isWanted = false;
    };
  }, [wanted, documents, numbers]);
  return found;
}

/** The document of a point, once it is there. @param {number} index @param {ArrayLike<number>} numbers @param {import("./document_cache.js").DocumentCache} documents */
export function useDocument(index, numbers, documents) {
  const [found, setFound] = useState(/** @type {{ index: number, one: Document | null }} */ ({ index: -1, one: null }));
  useEffect(() => {
    let isWanted = true;
    if (index >= 0) void documents.get(numbers[index]).then((one) => isWanted && setFound({ index, one }));
    return () => {
      isWanted = false;
    };
  }, [index, numbers, documents]);
  return index >= 0 && found.index === index ? found.one : null;
}
