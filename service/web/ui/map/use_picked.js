// The document that is chosen, and the address that says so.
import { useEffect, useRef, useState } from "../html.js";
import { announce } from "../notices.js";
import { setParams } from "../router.js";
import { indexOf } from "./align.js";
import { readNumbers } from "./data.js";

/**
 * The point that is chosen, kept in the address by the id of its document.
 * @param {string} id @param {string} collection @param {ArrayLike<number>} numbers @param {import("./document_cache.js").DocumentCache} documents
 * @returns {[number, (index: number) => void]}
 */
export function usePicked(id, collection, numbers, documents) {
  const [picked, setPicked] = useState({ index: -1, number: -1, id: "" });
  useEffect(() => {
    if (id === picked.id && (id === "" || numbers[picked.index] === picked.number)) return undefined;
    if (!id) {
      setPicked({ index: -1, number: -1, id: "" });
      return undefined;
    }
    let isWanted = true;
    readNumbers(collection, [id]).then(([one]) => {
      if (isWanted) setPicked({ index: indexOf(numbers, one ?? -1), number: one ?? -1, id });
    }, () => {});
    return () => {
      isWanted = false;
    };
  }, [id, collection, numbers]);
  const last = useRef(0);
  const pick = async (/** @type {number} */ index) => {
    const turn = (last.current += 1);
    if (index < 0) {
      setPicked({ index: -1, number: -1, id: "" });
      setParams({ id: null }, { replace: true });
      return;
    }
    setPicked((before) => ({ ...before, index, number: numbers[index] }));
    const one = await documents.get(numbers[index]);
    if (!one || turn !== last.current) return; // another one was chosen meanwhile
    setPicked({ index, number: numbers[index], id: one.id });
    setParams({ id: one.id });
    announce(`Chosen: ${one.title || one.id}`);
  };
  return [picked.index, pick];
}
