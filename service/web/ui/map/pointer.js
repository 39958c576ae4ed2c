// Mouse, pen and fingers on the map: drag to pan, wheel or two fingers to zoom, click to pick, draw a lasso or a box.

/** @typedef {"pan" | "lasso" | "box"} Tool */

/**
 * What gestures do; all places are CSS pixels from the upper left corner of the map.
 * @typedef {object} Gestures
 * @property {(dx: number, dy: number) => void} pan
 * @property {(x: number, y: number, factor: number) => void} zoom
 * @property {(x: number, y: number) => void} hover
 * @property {() => void} leave
 * @property {(x: number, y: number) => void} pick
 * @property {(corners: number[][]) => void} drawing  the line so far
 * @property {(corners: number[][]) => void} drawn    the finished line; empty if it was given up
 */

/** A press that moves less is a click. */
const CLICK_PX = 4;
/** Corners of a lasso lie at least so far apart. */
const CORNER_PX = 4;

export class Pointer {
  /** @param {HTMLElement} element @param {Gestures} gestures */
  constructor(element, gestures) {
    this.element = element;
    this.gestures = gestures;
    /** @type {Tool} */
    this.tool = "pan";
    /** @type {Map<number, number[]>} where each pressed pointer is */
    this.pressed = new Map();
    /** @type {number[]} */
    this.start = [];
    /** @type {number[][]} */
    this.line = [];
    this.moved = false;
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    element.addEventListener("pointerup", (event) => this.#up(event));
    element.addEventListener("pointercancel", (event) => this.#cancel(event));
    element.addEventListener("pointerleave", () => this.pressed.size || gestures.leave());
    element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  /** Give up the line that is being drawn. @returns {boolean} whether there was one */
  giveUp() {
    const drawing = this.line.length > 0;
    this.line = [];
    if (drawing) this.gestures.drawn([]);
    return drawing;
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button !== 0) return;
    this.element.setPointerCapture(event.pointerId);
    this.pressed.set(event.pointerId, this.#place(event));
    this.start = this.#place(event);
    this.moved = this.pressed.size > 1;
    if (this.pressed.size > 1) this.giveUp();
    else if (this.tool !== "pan" || event.shiftKey) this.line = [this.start];
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const place = this.#place(event), before = this.pressed.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") this.gestures.hover(place[0], place[1]);
      return;
    }
    if (distance(place, this.start) > CLICK_PX) this.moved = true;
    if (this.pressed.size === 2) this.#pinch(event.pointerId, place);
    else if (this.line.length) this.#draw(place);
    else if (this.moved) this.gestures.pan(place[0] - before[0], place[1] - before[1]);
    this.pressed.set(event.pointerId, place);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    if (!this.pressed.delete(event.pointerId)) return;
    const line = this.line;
    this.line = [];
    if (line.length && this.moved) this.gestures.drawn(line);
    else if (!this.moved) {
      if (line.length) this.gestures.drawn([]);
      this.gestures.pick(this.start[0], this.start[1]);
    }
  }

  /** @param {PointerEvent} event */
  #cancel(event) {
    this.pressed.delete(event.pointerId);
    this.giveUp();
  }

  /** Two fingers move the map with them and draw it apart. @param {number} id @param {number[]} place */
  #pinch(id, place) {
    const before = /** @type {number[]} */ (this.pressed.get(id));
    const other = [...this.pressed].find(([one]) => one !== id)?.[1] ?? before;
    const middle = [(place[0] + other[0]) / 2, (place[1] + other[1]) / 2];
    this.gestures.pan((place[0] - before[0]) / 2, (place[1] - before[1]) / 2);
    this.gestures.zoom(middle[0], middle[1], distance(place, other) / Math.max(1, distance(before, other)));
  }

  /** @param {number[]} place */
  #draw(place) {
    if (this.tool === "box") {
      const [x, y] = this.start;
      this.line = [[x, y], [place[0], y], place, [x, place[1]]];
    } else if (distance(place, this.line[this.line.length - 1]) >= CORNER_PX) this.line.push(place);
    this.gestures.drawing(this.line);
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 20 : event.deltaMode === 2 ? 400 : 1);
    const [x, y] = this.#place(event);
    this.gestures.zoom(x, y, Math.exp(-Math.max(-240, Math.min(240, pixels)) * (event.ctrlKey ? 0.01 : 0.0022)));
  }

  /** @param {MouseEvent} event @returns {number[]} */
  #place(event) {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
}

/** @param {number[]} a @param {number[]} b */
function distance(a, b) {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}
