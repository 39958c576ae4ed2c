// What the page has to say: notices that are seen until they are put away, and words for screen readers alone.
import { Problem } from "./api.js";
import { createStore } from "./store.js";

/** @typedef {{id: number, kind: "good" | "bad", title: string, detail: string}} Notice */

const GOOD_MS = 6_000;
const MOST = 4;
let lastId = 0;

/** @type {import("./store.js").Store<{items: Notice[], spoken: string}>} */
export const notices = createStore({ items: /** @type {Notice[]} */ ([]), spoken: "" });

/** Show a problem until it is put away, or a text for some seconds. @param {Problem | string} what */
export function notify(what) {
  const id = (lastId += 1);
  const isBad = what instanceof Problem;
  const [title, detail] = isBad ? [what.title, what.detail] : [what, ""];
  const kind = /** @type {"good" | "bad"} */ (isBad ? "bad" : "good");
  notices.set({ items: [...notices.get().items, { id, kind, title, detail }].slice(-MOST) });
  if (!isBad) setTimeout(() => putAway(id), GOOD_MS);
}

/** @param {number} id */
export function putAway(id) {
  notices.set({ items: notices.get().items.filter((notice) => notice.id !== id) });
}

/** Say something through the live region, which screen readers read out. @param {string} text */
export function announce(text) {
  notices.set({ spoken: "" });
  setTimeout(() => notices.set({ spoken: text }), 50);
}
