// Where the page is: `#/COLLECTION/SCREEN?params`, or `#/SCREEN` for what is of the whole service. Each state is a link.
import { createStore, useStore } from "./store.js";

/**
 * @typedef {object} Route
 * @property {string | null} collection null on screens of the whole service
 * @property {string} screen empty where the address has none
 * @property {URLSearchParams} params
 * @typedef {Record<string, string | number | boolean | string[] | null | undefined>} Patch
 */

/** @type {import("./store.js").Store<{route: Route}>} */
const place = createStore({ route: routeOf(location.hash) });

addEventListener("hashchange", () => place.set({ route: routeOf(location.hash) }));

/** The route that the address names. @returns {Route} */
export function useRoute() {
  return useStore(place).route;
}

/** @param {string} hash @returns {Route} */
export function routeOf(hash) {
  const [path, query = ""] = hash.replace(/^#?\/?/, "").split(/\?(.*)/s);
  const segments = path.split("/").filter(Boolean).map(decoded);
  const params = new URLSearchParams(query);
  if (segments.length < 2) return { collection: null, screen: segments[0] || "", params };
  return { collection: segments[0], screen: segments[1], params };
}

/**
 * The address of a screen, for links.
 * @param {string | null} collection
 * @param {string} screen
 * @param {Patch | URLSearchParams} [params]
 */
export function href(collection, screen, params = {}) {
  const query = (params instanceof URLSearchParams ? params : patched(new URLSearchParams(), params)).toString();
  const path = [collection, screen].filter((part) => part !== null).map((part) => encodeURIComponent(String(part)));
  return `#/${path.join("/")}${query && `?${query}`}`;
}

/** Go to an address that `href` made. @param {string} address @param {{replace?: boolean}} [options] */
export function go(address, { replace = false } = {}) {
  if (address === location.hash) return;
  if (!replace) {
    location.hash = address;
    return;
  }
  history.replaceState(null, "", address);
  place.set({ route: routeOf(address) });
}

/**
 * Change parameters of the address: null, false and empty ones are taken away, a list becomes several. With `replace`
 * the way back leads to where it led before.
 * @param {Patch} patch
 * @param {{replace?: boolean}} [options]
 */
export function setParams(patch, options) {
  const { collection, screen, params } = place.get().route;
  go(href(collection, screen, patched(new URLSearchParams(params), patch)), options);
}

/** @param {URLSearchParams} params @param {Patch} patch */
function patched(params, patch) {
  for (const [name, value] of Object.entries(patch)) {
    params.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "" && one !== false) params.append(name, String(one));
    }
  }
  return params;
}

/** @param {string} segment */
function decoded(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
