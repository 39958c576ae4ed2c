// Pictures of documents, which answers of searches do not hold: they are read by their ids.
import { collectionPath } from "../api.js";
import { useCall } from "../calls.js";
import { html, useMemo } from "../html.js";

const JPEG = "/9j/"; // how base64 of a JPEG file begins

/**
 * The pictures of some documents, by id; empty for other kinds of collections.
 * @param {string} collection
 * @param {string | undefined} kind
 * @param {string[]} ids
 * @returns {Map<string, string>} base64 of PNG or JPEG
 */
export function usePictures(collection, kind, ids) {
  const path = collectionPath(collection, "documents", "get");
  const { data } = useCall(kind === "image" && ids.length > 0 ? { path, method: "POST", body: { ids } } : null);
  return useMemo(() => new Map((data?.items || []).map((/** @type {any} */ one) => [one.id, one.image])), [data]);
}

/** @param {{image: string | null | undefined, label: string}} props `label`: what it shows, for those who do not see it */
export function Picture({ image, label }) {
  if (!image) return null;
  const type = image.startsWith(JPEG) ? "jpeg" : "png";
  return html`<img class="picture" alt=${label} src=${`data:image/${type};base64,${image}`} />`;
}
