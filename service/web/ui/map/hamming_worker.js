// The whole index in the page: keeps all codes and answers distances to all of them, off the thread that draws.
// Asked through `codes.js`; each message names its request by `id`, and the answer carries the same.
import { sortIntoCells } from "./grid.js";
import { CodeTable, nearestOf } from "./hamming.js";

/** @type {CodeTable | null} */
let table = null;

/**
 * @typedef {{ id: number, kind: "load", bytes: Uint8Array, nBits: number }
 *   | { id: number, kind: "distances", code: Uint8Array, k: number }
 *   | { id: number, kind: "code", number: number }
 *   | { id: number, kind: "bitCounts" }
 *   | { id: number, kind: "grid", positions: Float32Array, bounds: import("./camera.js").Bounds }} Request
 */

/** @param {Request} request @returns {[object, Transferable[]]} an answer, and what is handed over with it instead of copied */
function answer(request) {
  if (request.kind === "grid") {
    const cells = sortIntoCells(request.positions, request.bounds);
    return [cells, [cells.starts.buffer, cells.order.buffer]];
  }
  if (request.kind === "load") {
    table = new CodeTable(request.bytes, request.nBits);
    return [{ n: table.n }, []];
  }
  if (!table) throw new Error("there are no codes yet");
  if (request.kind === "code") return [table.code(request.number), []];
  if (request.kind === "bitCounts") return [table.bitCounts(), []];
  const started = performance.now();
  const { distances, histogram } = table.distances(request.code);
  const nearest = nearestOf(distances, histogram, request.k);
  return [{ distances, histogram, nearest, took_ms: performance.now() - started }, [distances.buffer]];
}

self.addEventListener("message", (/** @type {MessageEvent<Request>} */ { data }) => {
  try {
    const [result, handedOver] = answer(data);
    self.postMessage({ id: data.id, result }, { transfer: handedOver });
  } catch (error) {
    self.postMessage({ id: data.id, error: String(error) });
  }
});
