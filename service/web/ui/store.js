// A value that components follow: set it anywhere, and those who use it are drawn again.
import { useEffect, useState } from "./html.js";

/**
 * @template {object} T
 * @typedef {{get: () => T, set: (patch: Partial<T>) => void, follow: (listener: () => void) => () => void}} Store
 */

/**
 * @template {object} T
 * @param {T} initial
 * @returns {Store<T>}
 */
export function createStore(initial) {
  let value = initial;
  /** @type {Set<() => void>} */
  const listeners = new Set();
  return {
    get: () => value,
    set(patch) {
      value = { ...value, ...patch };
      for (const listener of [...listeners]) listener();
    },
    follow(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}

/**
 * The value of a store, now and whenever it changes.
 * @template {object} T
 * @param {Store<T>} store
 * @returns {T}
 */
export function useStore(store) {
  const [value, setValue] = useState(store.get());
  useEffect(() => {
    setValue(store.get());
    return store.follow(() => setValue(store.get()));
  }, [store]);
  return value;
}
