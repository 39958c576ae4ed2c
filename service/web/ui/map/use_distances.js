// The document that all others are compared with: its code, with bits that were flipped, and the distances of all codes to it.
import { useEffect, useRef, useState } from "../html.js";
import { flippedCode } from "./code_keys.js";

const K = 24;

/**
 * @typedef {object} Compared
 * @property {number} index        of the document on the map
 * @property {Uint8Array} code     as the document has it
 * @property {number} n_flipped    bits that were flipped for the answer
 * @property {import("./codes.js").Distances} answer
 */

/**
 * Distances to one document, computed again when it, or the flipped bits, change; while a computation runs, only the latest
 * wish waits.
 * @param {import("./codes.js").Codes} codes
 * @param {number} nBits 0 until the codes are there
 * @param {number} index of the document on the map; -1 for none
 * @param {Set<number>} flipped
 * @returns {Compared | null} of the last document that was asked for, until that of the next is there
 */
export function useDistances(codes, nBits, index, flipped) {
  const [compared, setCompared] = useState(/** @type {Compared | null} */ (null));
  const state = useRef({ busy: false, wish: /** @type {(() => Promise<void>) | null} */ (null), isOpen: true });
  const wished = [...flipped].join(",");

  useEffect(() => () => {
    state.current.isOpen = false;
  }, []);
  useEffect(() => {
    if (nBits === 0) setCompared(null);
    if (nBits === 0 || index < 0) return;
    state.current.wish = async () => {
      const code = await codes.code(index);
      const answer = await codes.distances(flippedCode(code, flipped), K + 1);
      if (state.current.isOpen) setCompared({ index, code, n_flipped: flipped.size, answer });
    };
    void run(state.current);
  }, [codes, nBits, index, wished]);
  return compared;
}

/** @param {{ busy: boolean, wish: (() => Promise<void>) | null, isOpen: boolean }} state */
async function run(state) {
  if (state.busy) return;
  state.busy = true;
  while (state.wish && state.isOpen) {
    const wish = state.wish;
    state.wish = null;
    await wish();
  }
  state.busy = false;
}
