// Where each document stands when words alone rank, and when codes alone do.
import { collectionPath } from "../../api.js";
import { useCall } from "../../calls.js";
import { useMemo } from "../../html.js";

const DEPTH = 100;

/** @typedef {{words: Map<string, number>, code: Map<string, number>}} Rankings places from 1, by id */

/** @param {string} collection @param {string | undefined} kind @param {import("../search.js").Asked} asked @returns {Rankings | null} */
export function useRankings(collection, kind, asked) {
  const wanted = kind === "text" && asked.q.trim() !== "" && !asked.like;
  const words = useCall(wanted ? callOf(collection, asked, "words") : null);
  const code = useCall(wanted ? callOf(collection, asked, "code") : null);
  return useMemo(() => {
    if (!words.data || !code.data) return null;
    return { words: placesOf(words.data), code: placesOf(code.data) };
  }, [words.data, code.data]);
}

/** @param {string} collection @param {import("../search.js").Asked} asked @param {string} rank */
function callOf(collection, asked, rank) {
  const params = { q: asked.q, rank, k: DEPTH, where: asked.where, fields: "id" };
  return { path: collectionPath(collection, "search"), params };
}

/** @param {{matches: {id: string}[]}} data */
function placesOf(data) {
  return new Map(data.matches.map((match, n) => [match.id, n + 1]));
}
