// The state of a code space, in words.

/** @type {Record<string, string>} */
export const STATES = {
  training: "is being learned",
  encoding: "gives every document a code",
  evaluating: "is being judged",
  ready: "waits to take over",
  active: "answers now",
  retired: "answered before, can again",
  failed: "came to nothing",
};

/** @type {Record<string, "plain" | "good" | "bad" | "warn" | "accent">} */
export const TONES = { training: "accent", encoding: "accent", evaluating: "accent", ready: "warn", active: "good", retired: "plain", failed: "bad" };

/** Those that can take the place of the active one. @param {any} space */
export const canTakeOver = (space) => space.state === "ready" || space.state === "retired";
