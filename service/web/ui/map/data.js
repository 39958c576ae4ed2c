// What the service knows of a map, as arrays: places, codes, values of a field, words of the regions, documents by number.
import { bytes, collectionPath, json } from "../api.js";
import { indicesIn, rowsAt } from "./align.js";
import { categoryColumn, numberColumn } from "./coloring.js";

/**
 * @typedef {object} MapData
 * @property {ArrayLike<number>} numbers      (n) of the documents, ascending
 * @property {Float32Array} positions   (n * 2)
 * @property {number} version           of the code space
 * @property {string} method            how the places were found
 * @property {string} etag
 */

/** @typedef {{ path: string, params?: Record<string, string | number> }} Call */

/** @param {string} collection @returns {Call} */
export const mapCall = (collection) => ({ path: collectionPath(collection, "map") });

/** @param {string} collection @param {AbortSignal} [signal] @returns {Promise<MapData>} */
export async function readMap(collection, signal) {
  const { buffer, headers } = await bytes(mapCall(collection), signal);
  const n = Number(headers.get("Nearbit-Count"));
  return {
    numbers: new Uint32Array(buffer, 0, n),
    positions: new Float32Array(buffer, 4 * n, 2 * n),
    version: Number(headers.get("Nearbit-Space")),
    method: headers.get("Nearbit-Method") ?? "",
    etag: headers.get("ETag") ?? "",
  };
}

/**
 * All codes in the order of the map.
 * @param {string} collection @param {MapData} map @param {AbortSignal} [signal]
 * @returns {Promise<{ codes: Uint8Array, nBits: number, known: Int32Array }>} (n * nBits / 8); known: -1 for points without a code
 */
export async function readCodes(collection, map, signal) {
  const { buffer, headers } = await bytes({ path: collectionPath(collection, "codes") }, signal);
  const n = Number(headers.get("Nearbit-Count")), nBits = Number(headers.get("Nearbit-Bits"));
  const known = indicesIn(map.numbers, new Uint32Array(buffer, 0, n));
  return { codes: rowsAt(new Uint8Array(buffer, 4 * n), known, nBits / 8), nBits, known };
}

/** @param {string} collection @param {string} field @param {MapData} map @param {AbortSignal} [signal] @returns {Promise<import("./coloring.js").Column>} */
export async function readColumn(collection, field, map, signal) {
  const { buffer, headers } = await bytes({ path: collectionPath(collection, "columns", field) }, signal);
  const n = Number(headers.get("Nearbit-Count"));
  const indices = indicesIn(map.numbers, new Uint32Array(buffer, 0, n));
  if (headers.get("Nearbit-Kind") === "numbers") {
    const values = rowsAt(new Float32Array(buffer, 4 * n), indices, 1);
    return numberColumn(field, values.map((value, i) => (indices[i] < 0 ? NaN : value)));
  }
  const classes = rowsAt(new Uint8Array(buffer, 4 * n), indices, 1).map((one, i) => (indices[i] < 0 ? 255 : one));
  return categoryColumn(field, classes, JSON.parse(headers.get("Nearbit-Values") ?? "[]"));
}

/** @param {string} collection @param {AbortSignal} [signal] @returns {Promise<import("./labels_layer.js").Label[]>} */
export async function readLabels(collection, signal) {
  const { items } = await json({ path: collectionPath(collection, "map", "labels") }, signal);
  return items;
}

/** @param {string} collection @param {number[]} numbers at most 1,000 @returns {Promise<import("./document_cache.js").Document[]>} */
export async function readDocuments(collection, numbers) {
  const { items } = await json({ path: collectionPath(collection, "documents", "numbers"), method: "POST", body: { numbers } });
  return items;
}

/** The numbers of documents, in the order of their ids; those that are not there are left out. @param {string} collection @param {string[]} ids at most 1,000 */
export async function readNumbers(collection, ids) {
  if (!ids.length) return [];
  const { items } = await json({ path: collectionPath(collection, "documents", "numbers"), method: "POST", body: { ids } });
  return items.map((/** @type {{ number: number }} */ item) => item.number);
}
