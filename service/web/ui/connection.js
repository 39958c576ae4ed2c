// Whether the service answers, and whether it takes the key: noticed at every call, and looked at now and then.
import { Problem, ServiceLost, json, listeners, send } from "./api.js";
import { key, setKey } from "./key.js";
import { createStore } from "./store.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;
const LOOK_EVERY_MS = 15_000;

/**
 * `generation` grows when what failed is worth asking again: the service is back, or the key is another.
 * @typedef {{state: "ok" | "lost" | "not ready", reason: string, retryAt: number, generation: number}} Connection
 */
export const connection = createStore(/** @type {Connection} */ ({ state: "ok", reason: "", retryAt: 0, generation: 0 }));

let waitMs = FIRST_WAIT_MS;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** Begin to watch; once, when the page starts. */
export function watchConnection() {
  listeners.onLost = () => {
    if (connection.get().state !== "lost") lose("lost", "");
  };
  listeners.onUnauthorized = (hadKey) => key.set({ state: hadKey ? "wrong" : "needed" });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") lookNow();
  });
  lookLater(LOOK_EVERY_MS);
  void checkKey();
}

/** Ask at once whether the service is ready. */
export function lookNow() {
  clearTimeout(timer);
  void look();
}

/** Use a key from now on, and ask again for all that is shown. @param {string} text */
export async function changeKey(text) {
  setKey(text);
  await checkKey();
  askAgain();
}

async function checkKey() {
  try {
    await json({ path: "/v1/collections", params: { limit: 1 } });
    key.set({ state: key.get().text ? "right" : "not needed" });
  } catch (error) {
    // A key that allows something, if not this, is one of the service's all the same.
    if (error instanceof Problem && error.status === 403) key.set({ state: "right" });
  }
}

async function look() {
  try {
    const response = await send({ path: "/readyz" });
    await response.body?.cancel();
    found();
    lookLater(LOOK_EVERY_MS);
  } catch (error) {
    if (error instanceof ServiceLost) lose("lost", "");
    else if (error instanceof Problem) lose("not ready", reasonOf(error.members.checks));
    else throw error;
  }
}

/** @param {Record<string, string> | undefined} checks */
function reasonOf(checks) {
  const failed = Object.entries(checks || {}).filter(([, result]) => result !== "ok");
  return failed.map(([name, result]) => `${name}: ${result}`).join("; ");
}

/** @param {"lost" | "not ready"} state @param {string} reason */
function lose(state, reason) {
  connection.set({ state, reason, retryAt: Date.now() + waitMs });
  lookLater(waitMs);
  waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
}

function found() {
  waitMs = FIRST_WAIT_MS;
  if (connection.get().state === "ok") return;
  connection.set({ state: "ok", reason: "" });
  if (key.get().state === "unknown") void checkKey();
  askAgain();
}

/** @param {number} ms */
function lookLater(ms) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (document.visibilityState === "visible" || connection.get().state !== "ok") void look();
    else lookLater(LOOK_EVERY_MS);
  }, ms);
}

function askAgain() {
  connection.set({ generation: connection.get().generation + 1 });
}
