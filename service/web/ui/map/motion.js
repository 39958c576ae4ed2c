// What moves on its own, for a moment: the view to another, and the points from an old map to a new one.

/** @typedef {import("./renderer.js").View} View */

const GLIDE_MS = 180, MORPH_MS = 900;

/** Whether the person has asked the system for less motion. */
export function wantsStillness() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** A view on its way to another. */
export class Glide {
  /** @param {View} from @param {View} to */
  constructor(from, to) {
    this.from = { ...from };
    this.to = { ...to };
    this.began = performance.now();
  }

  /** Move `view` to where it is at `now`. @param {View} view @param {number} now @returns {boolean} whether it has arrived */
  apply(view, now) {
    const { from, to } = this;
    const share = Math.min(1, (now - this.began) / GLIDE_MS), eased = share * (2 - share);
    view.scale = from.scale * (to.scale / from.scale) ** eased;
    // The middle moves with the scale, so that what is approached comes nearer on a straight line.
    const way = Math.abs(to.scale - from.scale) < 1e-9 * from.scale ? eased
      : (1 / from.scale - 1 / view.scale) / (1 / from.scale - 1 / to.scale);
    view.x = from.x + (to.x - from.x) * way;
    view.y = from.y + (to.y - from.y) * way;
    return share === 1;
  }
}

/** Points on their way from old places. */
export class Morph {
  /** @param {Float32Array} from (n * 2) */
  constructor(from) {
    this.from = from;
    this.began = performance.now();
  }

  /** @param {number} now @returns {number} 0 to 1, slowly at both ends */
  progress(now) {
    const share = Math.min(1, (now - this.began) / MORPH_MS);
    return share * share * (3 - 2 * share);
  }
}
