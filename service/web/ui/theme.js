// Light or dark: as the system says, until a person chooses.
import { createStore } from "./store.js";

/** @typedef {"system" | "light" | "dark"} Theme */

const NAME = "nearbit.theme";
const THEMES = /** @type {Theme[]} */ (["system", "light", "dark"]);

/** @type {import("./store.js").Store<{theme: Theme}>} */
export const theme = createStore({ theme: THEMES.find((one) => one === localStorage.getItem(NAME)) || "system" });

/** Have the document show the theme. */
export function applyTheme() {
  const chosen = theme.get().theme;
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}

/** The next theme in turn. */
export function nextTheme() {
  const next = THEMES[(THEMES.indexOf(theme.get().theme) + 1) % THEMES.length];
  localStorage.setItem(NAME, next);
  theme.set({ theme: next });
  applyTheme();
}
