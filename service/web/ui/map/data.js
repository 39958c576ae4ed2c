// What the service knows of a map, as arrays: places, codes, values of a field, words of the regions, documents by number.
import { Problem, bytes, collectionPath, json } from "../api.js";
import { indicesIn, rowsAt } from "./align.js";
import { categoryColumn, numberColumn } from "./coloring.js";
import { NO_CLASS } from "./palette.js";

/**
 * @typedef {object} MapData
 * @property {ArrayLike<number>} numbers  (n) of the documents, ascending
 * @property {Float32Array} positions     (n * 2)
 * @property {number} version             of the code space
 * @property {"tsne" | "pca"} method      how the places were found
 * @property {number} trustworthiness     0 to 1; NaN if it is not known
 * @property {number} n_missing           documents that have no place yet
 * @property {string} etag
 */

/** @param {string} collection @param {string} [space] version of another code space than the active one @returns {import("../api.js").Call} */
export const mapCall = (collection, space = "") => ({ path: collectionPath(collection, "map"), params: { space } });

/**
 * @param {string} collection
 * @param {string} space empty for the active one
 * @param {string} etag of the map that is there already; empty for none
 * @param {AbortSignal} [signal]
 * @returns {Promise<MapData | null>} null if it has not changed
 */
export async function readMap(collection, space, etag, signal) {
  /** @type {Record<string, string>} */
  const known = etag ? { "If-None-Match": etag } : {};
  const answer = await bytes({ ...mapCall(collection, space), headers: known }, signal).catch((error) => {
    if (error instanceof Problem && error.status === 304) return null;
    throw error;
  });
  if (!answer) return null;
  const { buffer, headers } = answer;
  const numbers = numbersOf(buffer, headers);
  return {
    numbers,
    positions: new Float32Array(buffer, 4 * numbers.length, 2 * numbers.length),
    version: Number(headers.get("Nearbit-Space")),
    method: headers.get("Nearbit-Method") === "tsne" ? "tsne" : "pca",
    trustworthiness: Number(headers.get("Nearbit-Trustworthiness") ?? NaN),
    n_missing: Number(headers.get("Nearbit-Missing") ?? 0),
    etag: headers.get("ETag") ?? "",
  };
}

/**
 * All codes in the order of the map.
 * @param {string} collection @param {MapData} map @param {AbortSignal} [signal]
 * @returns {Promise<{ codes: Uint8Array, nBits: number }>} (n * nBits / 8) zeros for a document that was just deleted
 */
export async function readCodes(collection, map, signal) {
  const call = { path: collectionPath(collection, "codes"), params: { space: map.version } };
  const { buffer, headers } = await bytes(call, signal);
  const numbers = numbersOf(buffer, headers), nBits = Number(headers.get("Nearbit-Bits"));
  const codes = new Uint8Array(buffer, 4 * numbers.length, (numbers.length * nBits) / 8);
  return { codes: rowsAt(codes, indicesIn(map.numbers, numbers), nBits / 8), nBits };
}

/** @param {string} collection @param {string} field @param {MapData} map @param {AbortSignal} [signal] @returns {Promise<import("./coloring.js").Column>} */
export async function readColumn(collection, field, map, signal) {
  const { buffer, headers } = await bytes({ path: collectionPath(collection, "columns", field) }, signal);
  const numbers = numbersOf(buffer, headers), n = numbers.length;
  const indices = indicesIn(map.numbers, numbers);
  if (headers.get("Nearbit-Kind") === "numbers") {
    const values = rowsAt(new Float32Array(buffer, 4 * n, n), indices, 1);
    return numberColumn(field, values.map((value, i) => (indices[i] < 0 ? NaN : value)));
  }
  const classes = rowsAt(new Uint8Array(buffer, 4 * n, n), indices, 1).map((one, i) => (indices[i] < 0 ? NO_CLASS : one));
  return categoryColumn(field, classes, JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 5 * n))));
}

/** @param {string} collection @param {number} version @param {AbortSignal} [signal] @returns {Promise<import("./labels_layer.js").Label[]>} */
export async function readLabels(collection, version, signal) {
  const { items } = await json({ path: collectionPath(collection, "map", "labels"), params: { space: version } }, signal);
  return items;
}

/**
 * Documents by number; those that are not there are left out. What is too much to read at once is read in halves.
 * @param {string} collection @param {number[]} numbers at most 1,000
 * @returns {Promise<import("./document_cache.js").Document[]>}
 */
export async function readDocuments(collection, numbers) {
  try {
    const { items } = await json({ ...numbersCall(collection), body: { numbers } });
    return items;
  } catch (error) {
    if (!(error instanceof Problem) || error.type !== "too-much-to-read" || numbers.length < 2) throw error;
    const half = numbers.length >> 1;
    return [...(await readDocuments(collection, numbers.slice(0, half))), ...(await readDocuments(collection, numbers.slice(half)))];
  }
}

/** The numbers of documents, in the order of their ids; those that are not there are left out. @param {string} collection @param {string[]} ids at most 1,000 @returns {Promise<number[]>} */
export async function readNumbers(collection, ids) {
  if (!ids.length) return [];
  const { items } = await json({ ...numbersCall(collection), body: { ids } });
  return items.map((/** @type {{ number: number }} */ item) => item.number);
}

/** @param {string} collection */
function numbersCall(collection) {
  return { path: collectionPath(collection, "documents", "numbers"), method: "POST" };
}

/** The numbers that an answer begins with. @param {ArrayBuffer} buffer @param {Headers} headers @returns {ArrayLike<number>} */
function numbersOf(buffer, headers) {
  const sent = new Uint32Array(buffer, 0, Number(headers.get("Nearbit-Count"))), base = Number(headers.get("Nearbit-Base") ?? 0);
  return base ? Float64Array.from(sent, (one) => one + base) : sent;
}
