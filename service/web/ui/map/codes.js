// All codes of a code space, kept by a worker: promises for what `hamming_worker.js` answers.

/**
 * @typedef {object} Distances
 * @property {Uint8Array} distances   (n) to each document, at most 255
 * @property {Uint32Array} histogram  (n_bits + 1) documents at each distance
 * @property {Uint32Array} nearest    (k) numbers of the nearest documents, by distance, then number
 * @property {number} took_ms         in the worker
 */

export class Codes {
  constructor() {
    this.worker = new Worker(new URL("./hamming_worker.js", import.meta.url), { type: "module" });
    /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
    this.waiting = new Map();
    this.n = 0;
    this.nBits = 0;
    this.last = 0;
    this.worker.addEventListener("message", ({ data }) => {
      const { resolve, reject } = this.waiting.get(data.id) ?? {};
      this.waiting.delete(data.id);
      if (data.error) reject?.(new Error(data.error));
      else resolve?.(data.result);
    });
  }

  /** Hand all codes over; `bytes` is empty afterwards. @param {Uint8Array} bytes (n * nBits / 8) @param {number} nBits */
  async load(bytes, nBits) {
    const { n } = await this.#ask({ kind: "load", bytes, nBits }, [bytes.buffer]);
    this.n = n;
    this.nBits = nBits;
  }

  /** @param {Uint8Array} code (nBits / 8) @param {number} [k] @returns {Promise<Distances>} */
  distances(code, k = 0) {
    return this.#ask({ kind: "distances", code, k });
  }

  /** @param {number} number of a document on the map @returns {Promise<Uint8Array>} (nBits / 8) */
  code(number) {
    return this.#ask({ kind: "code", number });
  }

  /** How many documents have each bit. @returns {Promise<Uint32Array>} (nBits) */
  bitCounts() {
    return this.#ask({ kind: "bitCounts" });
  }

  /** @param {Float32Array} positions (n * 2) @param {import("./camera.js").Bounds} bounds @returns {Promise<import("./grid.js").Cells>} */
  grid(positions, bounds) {
    return this.#ask({ kind: "grid", positions, bounds });
  }

  close() {
    this.worker.terminate();
  }

  /** @param {object} request @param {Transferable[]} [handedOver] @returns {Promise<any>} */
  #ask(request, handedOver = []) {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...request, id }, handedOver);
    });
  }
}
