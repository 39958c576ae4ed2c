// Words over the regions of the map: broad ones from afar, finer ones nearer, none over another.
import { clamp } from "./camera.js";

/**
 * @typedef {object} Label
 * @property {number} x      units of the map
 * @property {number} y
 * @property {string} text
 * @property {number} level  0 is the broadest
 * @property {number} n      documents of the region; of two that would overlap the larger is shown
 */

const MOST = 40;
/** From which zoom on the labels of a level are shown. */
const SHOWN_FROM = [0, 1.7, 3.6, 8];
const LINE_PX = 20, CHARACTER_PX = 8;

export class LabelsLayer {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.element = document.createElement("div");
    this.element.className = "map-labels";
    this.element.ariaHidden = "true";
    host.append(this.element);
    /** @type {Label[]} */
    this.labels = [];
  }

  /** @param {Label[]} labels */
  set(labels) {
    this.labels = [...labels].sort((a, b) => b.n - a.n);
  }

  /** Place the labels for what the camera shows. @param {import("./camera.js").Camera} camera */
  draw(camera) {
    const deepest = SHOWN_FROM.filter((zoom) => camera.zoom >= zoom).length - 1;
    /** @type {[Label, number, number][]} */
    const placed = [];
    for (let level = deepest; level >= Math.max(0, deepest - 1); level--) {
      for (const label of this.labels) {
        if (label.level !== level || placed.length === MOST) continue;
        const [px, y] = camera.toScreen(label.x, label.y), { width, height } = camera.view;
        if (px < 0 || y < 0 || px > width || y > height) continue;
        const half = (label.text.length * CHARACTER_PX) / 2 + 4, x = clamp(px, half, Math.max(half, width - half));
        if (placed.every(([other, ox, oy]) => other.text !== label.text && !overlap(label, x, y, other, ox, oy))) placed.push([label, x, y]);
      }
    }
    this.#show(placed, deepest);
  }

  /** @param {[Label, number, number][]} placed @param {number} deepest */
  #show(placed, deepest) {
    const { element } = this;
    while (element.childElementCount < placed.length) element.append(document.createElement("span"));
    while (element.childElementCount > placed.length) element.lastElementChild?.remove();
    placed.forEach(([label, x, y], i) => {
      const span = /** @type {HTMLElement} */ (element.children[i]);
      if (span.textContent !== label.text) span.textContent = label.text;
      span.className = label.level < deepest ? "map-label broad" : "map-label";
      span.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px) translate(-50%, -50%)`;
    });
  }
}

/** @param {Label} a @param {number} ax @param {number} ay @param {Label} b @param {number} bx @param {number} by */
function overlap(a, ax, ay, b, bx, by) {
  const width = ((a.text.length + b.text.length) / 2) * CHARACTER_PX + 8;
  return Math.abs(ax - bx) < width && Math.abs(ay - by) < LINE_PX;
}
