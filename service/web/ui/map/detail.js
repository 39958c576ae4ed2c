// How much is drawn: size and opacity of the points, and how many of them while the map moves.
import { clamp } from "./camera.js";

/** Frames slower than this show fewer points while the map moves; faster than the second, more. */
const SLOW_MS = 45, FAST_MS = 22;
const MOST_STEP = 16;

/**
 * Points get larger as one comes nearer, and smaller and fainter the more of them share the screen.
 * @param {number} n points
 * @param {import("./renderer.js").View} view
 * @param {number} zoom 1 where everything fits
 * @returns {{ diameter: number, opacity: number }} CSS pixels; 0 to 1
 */
export function appearance(n, view, zoom) {
  const spacing = Math.sqrt((view.width * view.height) / Math.max(1, n));
  const diameter = clamp(0.55 * spacing * Math.sqrt(zoom), 1.5, 10);
  return { diameter, opacity: clamp(0.3 + 0.14 * spacing * Math.sqrt(zoom), 0.45, 0.88) };
}

/** Draws each `step`-th point only, as long as a frame of a moving map takes too long with all of them. */
export class Detail {
  constructor() {
    this.step = 1;
  }

  /** A frame of a moving map took so long, from its beginning to that of the next. @param {number} ms */
  took(ms) {
    if (ms < FAST_MS) this.step = Math.max(1, this.step / 2);
    for (let left = ms; left > SLOW_MS; left /= 2) this.step = Math.min(MOST_STEP, this.step * 2);
  }
}
