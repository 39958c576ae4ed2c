// A training as it runs: pushed by the service, or asked for every two seconds where it cannot be pushed.
import { Problem, ServiceLost, events, json } from "../api.js";
import { connection } from "../connection.js";
import { useEffect, useState } from "../html.js";
import { useStore } from "../store.js";

/**
 * @typedef {object} TrainingRecord one per cent of a training, as `GET /v1/jobs/{id}/history` has it
 * @property {number} number
 * @property {string} at
 * @property {number} network
 * @property {number} networks
 * @property {number} epoch
 * @property {number} n_bits
 * @property {number | null} loss
 * @property {Record<string, number | null>} parts
 * @property {number | null} validation_loss
 * @property {number} saturated
 * @property {number} noise
 * @property {number} learning_rate
 * @property {number | null} documents_per_s
 * @property {number | null} eta_s
 * @property {number[]} activations
 * @property {number[]} balance
 * @property {string[]} [landmarks]
 * @property {string} codes
 *
 * @typedef {"pushed" | "asked" | "ended" | "lost"} How
 * @typedef {{job: any, records: TrainingRecord[], how: How, problem: Problem | null}} Followed
 */

const DRAW_MS = 120;
const ASK_MS = 2_000;
const AGAIN_MS = 1_000;

/** @param {any} job */
const hasEnded = (job) => Boolean(job?.state) && !["queued", "running"].includes(job.state);

/** The job and all its records, as they come. @param {string} id @returns {Followed} */
export function useTraining(id) {
  const { generation } = useStore(connection);
  const [followed, setFollowed] = useState(/** @type {Followed} */ ({ job: null, records: [], how: "pushed", problem: null }));
  useEffect(() => {
    const controller = new AbortController();
    const run = new Follower(id, setFollowed);
    void run.follow(controller.signal);
    return () => {
      controller.abort();
      run.stop();
    };
  }, [id, generation]);
  return followed;
}

/** Collects what comes, and has it drawn a few times a second at most. */
class Follower {
  /** @param {string} id @param {(followed: Followed) => void} draw */
  constructor(id, draw) {
    this.id = id;
    this.draw = draw;
    /** @type {Followed} */
    this.now = { job: null, records: [], how: "pushed", problem: null };
    this.timer = 0;
  }

  stop() {
    clearTimeout(this.timer);
  }

  get last() {
    return this.now.records.at(-1)?.number ?? -1;
  }

  /** @param {Partial<Followed>} change */
  set(change) {
    this.now = { ...this.now, ...change };
    this.timer ||= setTimeout(() => {
      this.timer = 0;
      this.draw(this.now);
    }, DRAW_MS);
  }

  /** @param {AbortSignal} signal */
  async follow(signal) {
    let isPushed = true;
    while (!signal.aborted && !hasEnded(this.now.job)) {
      try {
        await (isPushed ? this.listen(signal) : this.ask(signal));
        if (!hasEnded(this.now.job)) await rest(isPushed ? AGAIN_MS : ASK_MS);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Problem && error.status !== 503) {
          this.set({ problem: error });
          return;
        }
        if (!(error instanceof Problem || error instanceof ServiceLost || error instanceof TypeError)) throw error;
        isPushed = false; // too many listen, or what lies between cannot pass on a stream
        this.set({ how: error instanceof ServiceLost ? "lost" : "asked" });
        await rest(ASK_MS);
      }
    }
    if (hasEnded(this.now.job)) this.set({ how: "ended" });
  }

  /** @param {AbortSignal} signal */
  async listen(signal) {
    const call = { path: `/v1/jobs/${this.id}/events`, params: { after: this.last } };
    for await (const { event, data } of events(call, signal)) {
      this.set(event === "record" ? { records: [...this.now.records, data], how: "pushed" } : { job: data, how: "pushed" });
    }
  }

  /** @param {AbortSignal} signal */
  async ask(signal) {
    const job = await json({ path: `/v1/jobs/${this.id}` }, signal);
    for (let more = true; more; ) {
      const page = await json({ path: `/v1/jobs/${this.id}/history`, params: { after: this.last } }, signal);
      this.set({ records: [...this.now.records, ...page.items] });
      more = page.more;
    }
    this.set({ job, how: "asked" });
  }
}

/** @param {number} ms */
const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
