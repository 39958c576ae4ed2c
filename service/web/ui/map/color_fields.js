// The fields that the map can be colored by, and the one whose colors say most.
import { collectionPath } from "../api.js";
import { useCall } from "../calls.js";
import { useFields } from "../fields.js";
import { useMemo } from "../html.js";
import { MOST_CATEGORIES } from "./coloring.js";

/**
 * @param {string} collection
 * @returns {{ fields: string[], best: string | null }} best: null until it is known, or if there is none
 */
export function useColorFields(collection) {
  const fields = useFields(collection);
  const asked = fields?.map((field) => `${field}:${MOST_CATEGORIES}`).join(",");
  const { data } = useCall(asked ? { path: collectionPath(collection, "documents"), params: { limit: 1, facets: asked } } : null);
  return useMemo(() => ({ fields: fields ?? [], best: data ? bestOf(data.facets, data.total) : null }), [fields, data]);
}

/** The field most of whose documents would have a color of their own, if it tells them apart. @param {Record<string, any>} facets @param {number} total */
function bestOf(facets, total) {
  const shares = Object.entries(facets).map(([field, { distinct, other, missing }]) => ({
    field, share: distinct < 2 ? 0 : (total - other - missing) / Math.max(1, total),
  }));
  shares.sort((a, b) => b.share - a.share);
  return shares[0]?.share > 0 ? shares[0].field : null;
}
