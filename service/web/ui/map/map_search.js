// Search on the map: a box, and the documents found, which light up.
import { collectionPath, documentPath } from "../api.js";
import { useCall } from "../calls.js";
import { counted } from "../format.js";
import { html, useEffect, useState } from "../html.js";
import { setParams } from "../router.js";
import { indexOf } from "./align.js";
import { readNumbers } from "./data.js";

const MOST = 50;

/** The call that finds them, or null. @param {string} collection @param {URLSearchParams} params */
export function searchCall(collection, params) {
  const q = params.get("q")?.trim(), like = params.get("like"), where = params.getAll("where");
  const common = { k: MOST, where, fields: "id" };
  if (like) return { path: documentPath(collection, like, "/similar"), params: common };
  return q ? { path: collectionPath(collection, "search"), params: { q, rank: params.get("rank"), ...common } } : null;
}

/**
 * The points of what was found, the best first; null while nothing is looked for.
 * @param {string} collection @param {URLSearchParams} params @param {ArrayLike<number>} numbers of the map
 * @returns {{ found: number[] | null, problem: import("../api.js").Problem | null }}
 */
export function useFound(collection, params, numbers) {
  const { data, problem, isOld } = useCall(searchCall(collection, params));
  const [found, setFound] = useState(/** @type {number[] | null} */ (null));
  useEffect(() => {
    if (!data || isOld) {
      setFound(null);
      return undefined;
    }
    let isWanted = true;
    const ids = data.matches.map((/** @type {{ id: string }} */ match) => match.id);
    readNumbers(collection, ids).then(
      (all) => isWanted && setFound(all.map((/** @type {number} */ one) => indexOf(numbers, one)).filter((/** @type {number} */ index) => index >= 0)),
      () => isWanted && setFound([]),
    );
    return () => {
      isWanted = false;
    };
  }, [data, isOld, numbers]);
  return { found, problem };
}

/** @param {{ params: URLSearchParams, n_found: number | null }} props */
export function MapSearch({ params, n_found }) {
  const q = params.get("q") ?? "", like = params.get("like");
  const submit = (/** @type {any} */ event) => {
    event.preventDefault();
    setParams({ q: event.target.elements.q.value, like: null, id: null });
  };
  return html`<form class="map-search" role="search" onSubmit=${submit}>
      <input type="search" name="q" aria-label="Find on the map" placeholder="Find on the map" autocomplete="off" value=${q} />
      <button type="submit">Find</button>
    </form>
    ${(q || like) &&
    html`<p class="map-found">
      <span>${n_found === null ? "Looking …" : like ? `The ${counted(n_found, "document")} most like ${like} light up` : `The ${counted(n_found, "best document")} light up`}</span>
      <button type="button" class="link" onClick=${() => setParams({ q: null, like: null, where: null })}>Clear</button>
    </p>`}`;
}
