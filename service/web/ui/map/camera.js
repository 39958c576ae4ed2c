// Where the map is looked at from: pan, zoom about a point, fit, and the way between screen and map.

/** @typedef {import("./renderer.js").View} View */
/** @typedef {{ left: number, right: number, bottom: number, top: number }} Bounds  in units of the map */

/** How far one can zoom, as multiples of the scale at which everything fits. */
const NEAREST = 4000, FARTHEST = 0.5;
/** Share of the screen left empty around everything. */
const MARGIN = 0.06;

export class Camera {
  constructor() {
    /** @type {View} */
    this.view = { x: 0, y: 0, scale: 1, width: 1, height: 1, ratio: 1 };
    /** @type {Bounds} */
    this.bounds = { left: -1, right: 1, bottom: -1, top: 1 };
  }

  /** A camera that looks at the same, and may be moved without moving this one. */
  copy() {
    return Object.assign(new Camera(), { bounds: this.bounds, view: { ...this.view } });
  }

  /** How many times nearer than the view that fits everything. */
  get zoom() {
    return this.view.scale / this.#fitting(this.bounds);
  }

  /** @param {number} width CSS pixels @param {number} height CSS pixels @param {number} ratio device pixels per CSS pixel */
  resize(width, height, ratio) {
    const zoom = this.zoom;
    Object.assign(this.view, { width: Math.max(1, width), height: Math.max(1, height), ratio });
    this.view.scale = this.#fitting(this.bounds) * zoom;
  }

  /** Show all of `bounds`. @param {Bounds} bounds */
  fit(bounds) {
    this.view.x = (bounds.left + bounds.right) / 2;
    this.view.y = (bounds.bottom + bounds.top) / 2;
    this.view.scale = this.#bounded(this.#fitting(bounds));
  }

  /** @param {number} dx CSS pixels to the right @param {number} dy CSS pixels downwards */
  pan(dx, dy) {
    this.view.x = clamp(this.view.x - dx / this.view.scale, this.bounds.left, this.bounds.right);
    this.view.y = clamp(this.view.y + dy / this.view.scale, this.bounds.bottom, this.bounds.top);
  }

  /** Nearer by `factor`, while the point of the map under (px, py) stays where it is. @param {number} px @param {number} py @param {number} factor */
  zoomAbout(px, py, factor) {
    const [x, y] = this.toMap(px, py);
    this.view.scale = this.#bounded(this.view.scale * factor);
    this.view.x = x - (px - this.view.width / 2) / this.view.scale;
    this.view.y = y + (py - this.view.height / 2) / this.view.scale;
  }

  /** @param {number} px @param {number} py @returns {[number, number]} */
  toMap(px, py) {
    const { x, y, scale, width, height } = this.view;
    return [x + (px - width / 2) / scale, y - (py - height / 2) / scale];
  }

  /** @param {number} x @param {number} y @returns {[number, number]} CSS pixels from the upper left corner */
  toScreen(x, y) {
    const { view } = this;
    return [(x - view.x) * view.scale + view.width / 2, view.height / 2 - (y - view.y) * view.scale];
  }

  /** @param {number} scale */
  #bounded(scale) {
    const fitting = this.#fitting(this.bounds);
    return clamp(scale, fitting * FARTHEST, fitting * NEAREST);
  }

  /** @param {Bounds} bounds */
  #fitting({ left, right, bottom, top }) {
    const { width, height } = this.view;
    return (1 - 2 * MARGIN) * Math.min(width / Math.max(right - left, 1e-6), height / Math.max(top - bottom, 1e-6));
  }
}

/** The smallest box around all points. @param {Float32Array} positions (n * 2) @returns {Bounds} */
export function boundsOf(positions) {
  if (!positions.length) return { left: -1, right: 1, bottom: -1, top: 1 };
  let left = Infinity, right = -Infinity, bottom = Infinity, top = -Infinity;
  for (let i = 0; i < positions.length; i += 2) {
    const x = positions[i], y = positions[i + 1];
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < bottom) bottom = y;
    if (y > top) top = y;
  }
  const room = Math.max(right - left, top - bottom) > 0 ? 0 : 1;
  return { left: left - room, right: right + room, bottom: bottom - room, top: top + room };
}

/** @param {number} value @param {number} low @param {number} high */
export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
