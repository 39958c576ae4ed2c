// How jobs are written: the tone of each state, and options in a line.

/** @type {Record<string, "plain" | "good" | "bad" | "warn" | "accent">} */
export const TONES = { queued: "plain", running: "accent", succeeded: "good", failed: "bad", cancelled: "warn" };

/** The options of a training as one line. @param {Record<string, unknown>} params */
export function optionsText(params) {
  const parts = Object.entries(params).map(([name, value]) =>
    value === true ? name : `${name} ${value && typeof value === "object" && !Array.isArray(value) ? JSON.stringify(value) : value}`,
  );
  return parts.length ? parts.join(", ") : "default options";
}
