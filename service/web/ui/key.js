// The key that calls are sent with. It stays in this tab, and is gone when the tab is closed.
import { createStore } from "./store.js";

const NAME = "nearbit.key";

/** @typedef {"unknown" | "not needed" | "needed" | "wrong" | "right"} KeyState */

export const key = createStore({
  text: sessionStorage.getItem(NAME) || "",
  state: /** @type {KeyState} */ ("unknown"),
});

/** Use a key from now on; an empty one for none. @param {string} text */
export function setKey(text) {
  if (text) sessionStorage.setItem(NAME, text);
  else sessionStorage.removeItem(NAME);
  key.set({ text, state: "unknown" });
}
