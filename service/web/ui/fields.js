// The metadata fields of a collection that are worth counting, as far as its first documents tell.
import { collectionPath } from "./api.js";
import { useCall } from "./calls.js";
import { useMemo } from "./html.js";

const SAMPLE = 50;
const MOST_FIELDS = 8;
const MOST_CHARS = 60;

/**
 * Names of fields that hold short texts, numbers or booleans, nested ones joined by dots; null until they are known.
 * @param {string} collection
 * @returns {string[] | null}
 */
export function useFields(collection) {
  const { data } = useCall({ path: collectionPath(collection, "documents"), params: { limit: SAMPLE } });
  return useMemo(() => (data ? fieldsOf(data.items) : null), [data]);
}

/** @param {{metadata?: object}[]} documents */
function fieldsOf(documents) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { metadata } of documents) {
    for (const name of names(metadata || {}, "")) counts.set(name, (counts.get(name) || 0) + 1);
  }
  return [...counts.keys()].sort((a, b) => (counts.get(b) || 0) - (counts.get(a) || 0)).slice(0, MOST_FIELDS);
}

/** @param {object} value @param {string} prefix @returns {Generator<string>} */
function* names(value, prefix) {
  for (const [name, member] of Object.entries(value)) {
    const items = Array.isArray(member) ? member : [member];
    if (items.some((item) => isShort(item))) yield prefix + name;
    else if (member && typeof member === "object" && !Array.isArray(member)) yield* names(member, `${prefix}${name}.`);
  }
}

/** @param {unknown} value */
function isShort(value) {
  return typeof value === "number" || typeof value === "boolean" || (typeof value === "string" && value.length <= MOST_CHARS);
}
