// The screens, in the order of their tabs. Each is a module of its own, loaded with its style when it is first shown.

/**
 * @typedef {object} ScreenProps
 * @property {string} collection the name of the chosen collection; empty on screens of the whole service
 * @property {URLSearchParams} params of the address; change them with `setParams` of router.js
 * @typedef {(props: ScreenProps) => import("./html.js").Node} ScreenComponent
 *
 * @typedef {object} Screen
 * @property {string} id in the address
 * @property {string} title of the tab
 * @property {"collection" | "service"} of whether it shows one collection or the whole service
 * @property {() => Promise<{default: ScreenComponent}>} load
 * @property {string} [style] path of its style sheet
 */

/** @type {Screen[]} */
export const SCREENS = [
  { id: "search", title: "Search", of: "collection", load: () => import("./screens/search.js"), style: "style/search.css" },
  { id: "map", title: "Map", of: "collection", load: () => import("./map/screen.js"), style: "map/screen.css" },
  { id: "bits", title: "Bits", of: "collection", load: () => import("./bits/screen.js"), style: "bits/screen.css" },
  { id: "learning", title: "Learning", of: "collection", load: () => import("./learning/screen.js"), style: "learning/screen.css" },
  { id: "spaces", title: "Code spaces", of: "collection", load: () => import("./spaces/screen.js"), style: "spaces/screen.css" },
  { id: "documents", title: "Documents", of: "collection", load: () => import("./screens/documents.js"), style: "style/documents.css" },
  { id: "jobs", title: "Jobs", of: "collection", load: () => import("./screens/jobs.js"), style: "style/jobs.css" },
  { id: "collections", title: "Collections", of: "service", load: () => import("./screens/collections.js"), style: "style/collections.css" },
  { id: "service", title: "Service", of: "service", load: () => import("./screens/service.js"), style: "style/service.css" },
];

/** @type {Map<string, Promise<ScreenComponent>>} */
const loaded = new Map();

/** The component of a screen, once it and its style are there. @param {Screen} screen @returns {Promise<ScreenComponent>} */
export function loadScreen(screen) {
  let component = loaded.get(screen.id);
  if (!component) {
    const style = screen.style ? loadStyle(screen.style) : undefined;
    component = Promise.all([screen.load(), style]).then(([module]) => module.default);
    component.catch(() => loaded.delete(screen.id));
    loaded.set(screen.id, component);
  }
  return component;
}

/** @param {string} path @returns {Promise<void>} */
function loadStyle(path) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL(path, import.meta.url).href;
  return new Promise((resolve, reject) => {
    link.onload = () => resolve();
    link.onerror = () => reject(new Error(`${path} cannot be loaded`));
    document.head.append(link);
  });
}
