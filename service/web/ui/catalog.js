// Whether the collections that there are have changed: one was made here, or deleted.
import { createStore } from "./store.js";

export const catalog = createStore({ generation: 0 });

/** Have those who list the collections ask again. */
export function catalogChanged() {
  catalog.set({ generation: catalog.get().generation + 1 });
}
