// The map of a collection as it is loaded: places first, so that something is seen, then words of regions, then all codes.
import { Problem, ServiceLost } from "../api.js";
import { connection } from "../connection.js";
import { useEffect, useMemo, useRef, useState } from "../html.js";
import { useStore } from "../store.js";
import { changeBetween, placesBefore } from "./align.js";
import { boundsOf } from "./camera.js";
import { Codes } from "./codes.js";
import { readCodes, readColumn, readLabels, readMap } from "./data.js";

/**
 * @typedef {object} Loaded
 * @property {import("./data.js").MapData | null} map
 * @property {import("./grid.js").Cells | null} cells
 * @property {Float32Array | null} from       places that the points come from, where there was a map before
 * @property {import("./labels_layer.js").Label[]} labels
 * @property {number} nBits                   of the codes in the page; 0 until they are there
 * @property {Problem | null} problem
 */

/** @type {Loaded} */
const NOTHING = { map: null, cells: null, from: null, labels: [], nBits: 0, problem: null };

/**
 * @param {string} collection
 * @param {string} space version of the code space whose map it is; empty for the active one
 * @param {number} generation another number looks whether the map has changed
 * @returns {Loaded & { codes: Codes }}
 */
export function useMap(collection, space, generation) {
  const [loaded, setLoaded] = useState(NOTHING);
  const codes = useMemo(() => new Codes(), [collection]);
  const last = useRef(/** @type {import("./data.js").MapData | null} */ (null));
  const { generation: connected } = useStore(connection);

  useEffect(() => () => codes.close(), [codes]);
  useEffect(() => {
    const controller = new AbortController();
    const set = (/** @type {Partial<Loaded>} */ patch) => {
      if (!controller.signal.aborted) setLoaded((before) => ({ ...before, ...patch }));
    };
    load(collection, space, codes, last, set, controller.signal).catch((error) => {
      if (error instanceof Problem) set({ problem: error });
      else if (!controller.signal.aborted && !(error instanceof ServiceLost)) throw error;
    });
    return () => controller.abort();
  }, [collection, space, generation, connected]);
  return { ...loaded, codes };
}

/**
 * @param {string} collection @param {string} space @param {Codes} codes @param {{ current: import("./data.js").MapData | null }} last
 * @param {(patch: Partial<Loaded>) => void} set @param {AbortSignal} signal
 */
async function load(collection, space, codes, last, set, signal) {
  const map = await readMap(collection, space, last.current?.etag ?? "", signal);
  if (!map) return;
  const cells = await codes.grid(map.positions, boundsOf(map.positions));
  if (signal.aborted) return;
  const before = last.current;
  last.current = map;
  const change = before && changeBetween(boundsOf(before.positions), cells.bounds);
  set({ map, cells, from: change && placesBefore(before, map, change), nBits: 0, problem: null });
  if (!map.numbers.length) return;
  set({ labels: await readLabels(collection, map.version, signal).catch(ignored(signal, [])) });
  const { codes: all, nBits } = await readCodes(collection, map, signal);
  await codes.load(all, nBits);
  set({ nBits });
}

/** What stands in for an answer that the map can do without. @template T @param {AbortSignal} signal @param {T} instead @returns {(error: unknown) => T} */
function ignored(signal, instead) {
  return (error) => {
    if (signal.aborted || !(error instanceof Problem)) throw error;
    return instead;
  };
}

/**
 * The values of a field for each point of the map; null until they are there.
 * @param {string} collection @param {string} field empty for none @param {import("./data.js").MapData | null} map
 * @returns {{ column: import("./coloring.js").Column | null, problem: Problem | null }}
 */
export function useColumn(collection, field, map) {
  const [found, setFound] = useState(/** @type {{ column: any, problem: Problem | null }} */ ({ column: null, problem: null }));
  useEffect(() => {
    setFound({ column: null, problem: null });
    if (!field || !map) return undefined;
    const controller = new AbortController();
    readColumn(collection, field, map, controller.signal).then(
      (column) => setFound({ column, problem: null }),
      (error) => {
        if (error instanceof Problem) setFound({ column: null, problem: error });
        else if (!controller.signal.aborted && !(error instanceof ServiceLost)) throw error;
      },
    );
    return () => controller.abort();
  }, [collection, field, map]);
  return found;
}
