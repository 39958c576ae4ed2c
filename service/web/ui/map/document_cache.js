// Documents of points that are pointed at: asked for together, kept for a while.

/** @typedef {{ number: number, id: string, title?: string | null, text?: string, metadata?: Record<string, unknown> }} Document */

const MOST_KEPT = 4_000;
const MOST_A_CALL = 1_000;
const WAIT_MS = 30;

export class DocumentCache {
  /** @param {(numbers: number[]) => Promise<Document[]>} read at most 1,000 at a time */
  constructor(read) {
    this.read = read;
    /** @type {Map<number, Promise<Document | null>>} */
    this.kept = new Map();
    /** @type {Map<number, (document: Document | null) => void>} */
    this.wanted = new Map();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** The document with a number; null if it is there no more. @param {number} number */
  get(number) {
    const kept = this.kept.get(number);
    if (kept) return kept;
    /** @type {Promise<Document | null>} */
    const promise = new Promise((resolve) => this.wanted.set(number, resolve));
    this.kept.set(number, promise);
    if (this.kept.size > MOST_KEPT) this.kept.delete(/** @type {number} */ (this.kept.keys().next().value));
    this.timer ??= setTimeout(() => this.#readWanted(), WAIT_MS);
    return promise;
  }

  /** @param {number[]} numbers @returns {Promise<Document[]>} those that are still there */
  async getAll(numbers) {
    const documents = await Promise.all(numbers.map((number) => this.get(number)));
    return documents.filter((document) => document !== null);
  }

  async #readWanted() {
    this.timer = undefined;
    const asked = [...this.wanted].slice(0, MOST_A_CALL);
    for (const [number] of asked) this.wanted.delete(number);
    if (this.wanted.size) this.timer = setTimeout(() => this.#readWanted());
    try {
      const documents = await this.read(asked.map(([number]) => number));
      const byNumber = new Map(documents.map((document) => [document.number, document]));
      for (const [number, resolve] of asked) resolve(byNumber.get(number) ?? null);
    } catch {
      // The notice bar says that the service is lost; what is pointed at again is asked for again.
      for (const [number, resolve] of asked) {
        this.kept.delete(number);
        resolve(null);
      }
    }
  }
}
