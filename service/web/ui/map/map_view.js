// The map itself, without a framework: points, labels, what the hand and the keyboard do, and one loop that draws when needed.
import { changeBetween } from "./align.js";
import { Camera, boundsOf } from "./camera.js";
import { Detail, appearance } from "./detail.js";
import { Grid, sortIntoCells } from "./grid.js";
import { LabelsLayer } from "./labels_layer.js";
import { Glide, Morph, wantsStillness } from "./motion.js";
import { Pointer } from "./pointer.js";
import { createRenderer } from "./renderer.js";
import { ShapeLayer } from "./shape_layer.js";

/**
 * @typedef {object} Listeners
 * @property {(number: number) => void} hover         the point under the pointer, or -1
 * @property {(number: number) => void} pick          the point that was clicked, or -1
 * @property {(numbers: Uint32Array) => void} select  the points inside a lasso or a box
 * @property {() => void} settle                      the view has come to rest
 */

/** The pointer picks what lies within so many pixels of it. */
const REACH_PX = 12, TOUCH_REACH_PX = 22;
const KEY_REACH_PX = 240;
const REST_MS = 140;
const KEY_PX = 60, KEY_ZOOM = 1.4;

export class MapView {
  /**
   * @param {HTMLElement} host      gets the canvas and its layers; must have a size of its own
   * @param {Listeners} listeners
   * @param {{ renderer?: "webgl" | "canvas" | "auto" }} [options]
   */
  constructor(host, listeners, { renderer = "auto" } = {}) {
    this.host = host;
    this.listeners = listeners;
    this.camera = new Camera();
    this.detail = new Detail();
    this.renderer = createRenderer(renderer, () => this.redraw());
    this.renderer.canvas.className = "map-canvas";
    host.append(this.renderer.canvas);
    this.shapes = new ShapeLayer(host);
    this.labels = new LabelsLayer(host);
    /** @type {Float32Array} */
    this.positions = new Float32Array(0);
    /** @type {Grid | null} */
    this.grid = null;
    /** @type {import("./renderer.js").Look} */
    this.look = {
      classes: new Uint8Array(0), palette: new Uint8Array(1024), lit: null, marked: new Uint32Array(0),
      background: [255, 255, 255], ring: [0, 0, 0],
    };
    /** @type {number[]} numbers of points that lines join: from the first to the others */
    this.linked = [];
    /** The point with a ring around it, or -1. */
    this.spot = -1;
    this.moving = false;
    this.frame = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.resting = undefined;
    /** @type {Morph | null} */
    this.morph = null;
    /** @type {Glide | null} */
    this.glide = null;
    this.pointer = new Pointer(host, this.#gestures());
    host.addEventListener("keydown", (event) => this.#key(event));
    host.addEventListener("focus", () => this.redrawLayers());
    host.addEventListener("blur", () => this.redrawLayers());
    this.sizes = new ResizeObserver(() => this.#resize());
    this.sizes.observe(host);
    this.#resize();
  }

  get n() {
    return this.positions.length / 2;
  }

  /**
   * Show other points. With `from`, each point moves from there to its place, unless motion is unwanted.
   * @param {Float32Array} positions (n * 2)
   * @param {{ from?: Float32Array | null, cells?: import("./grid.js").Cells, keepView?: boolean }} [options] cells: of a
   *   worker; otherwise they are made here, which blocks for 60 ms for a million points; keepView: unless the units are others
   */
  setPoints(positions, { from = null, cells, keepView = false } = {}) {
    this.positions = positions;
    this.morph = from && !wantsStillness() ? new Morph(from) : null;
    const bounds = cells?.bounds ?? boundsOf(positions);
    this.glide = null;
    const isSameUnit = changeBetween(this.camera.bounds, bounds).scale === 1;
    this.camera.bounds = bounds;
    this.grid = new Grid(positions, cells ?? sortIntoCells(positions, bounds));
    if (this.look.classes.length !== this.n) this.look = { ...this.look, classes: new Uint8Array(this.n), lit: null };
    this.renderer.setPositions(positions, this.morph?.from ?? null);
    this.renderer.setLook(this.look);
    if (!keepView || !isSameUnit) this.camera.fit(bounds);
    this.#move();
  }

  /** Change how the points look. @param {Partial<import("./renderer.js").Look>} look */
  setLook(look) {
    this.look = { ...this.look, ...look };
    this.renderer.setLook(this.look);
    this.redraw();
  }

  /** @param {import("./labels_layer.js").Label[]} labels */
  setLabels(labels) {
    this.labels.set(labels);
    this.redrawLayers();
  }

  /** Lines from the first point to each of the others. @param {number[]} numbers */
  setLinks(numbers) {
    this.linked = numbers;
    this.redrawLayers();
  }

  /** A ring around the point that is pointed at; -1 for none. @param {number} number */
  setSpot(number) {
    this.spot = number;
    this.redrawLayers();
  }

  /** Where a point is on the screen, CSS pixels from the upper left corner. @param {number} number @returns {[number, number]} */
  placeOf(number) {
    return this.camera.toScreen(this.positions[2 * number], this.positions[2 * number + 1]);
  }

  /** Show all points, or only these. @param {ArrayLike<number>} [numbers] */
  fit(numbers) {
    const chosen = numbers?.length ? Float32Array.from({ length: 2 * numbers.length },
      (_, i) => this.positions[2 * numbers[i >> 1] + (i & 1)]) : null;
    const target = this.camera.copy();
    target.fit(chosen ? boundsOf(chosen) : this.camera.bounds);
    if (chosen && chosen.length === 2) target.view.scale = this.camera.view.scale;
    this.#glideTo(target.view);
  }

  /** @param {number} factor */
  zoomBy(factor) {
    const target = this.#ahead();
    target.zoomAbout(target.view.width / 2, target.view.height / 2, factor);
    this.#glideTo(target.view);
  }

  /** The point within reach of a place on the screen, or -1. @param {number} x @param {number} y @param {number} [reach] CSS pixels */
  at(x, y, reach = REACH_PX) {
    const [mx, my] = this.camera.toMap(x, y);
    const { lit } = this.look;
    // A point that is not dimmed is taken before one that is, wherever it lies within reach.
    const shown = lit ? this.grid?.nearest(mx, my, reach / this.camera.view.scale, (i) => lit[i] === 1) ?? -1 : -1;
    return shown >= 0 ? shown : this.grid?.nearest(mx, my, reach / this.camera.view.scale) ?? -1;
  }

  /** How many points are seen, and at most `most` of their numbers. @param {number} most @returns {{ seen: number[], n: number }} */
  inView(most) {
    const { width, height } = this.camera.view;
    const [left, top] = this.camera.toMap(0, 0), [right, bottom] = this.camera.toMap(width, height);
    return this.grid?.inBox({ left, right, bottom, top }, most) ?? { seen: [], n: 0 };
  }

  /** Where the cross of the keyboard is, CSS pixels; null while the keyboard is elsewhere. */
  middle() {
    return this.host.matches(":focus-visible") ? [this.camera.view.width / 2, this.camera.view.height / 2] : null;
  }

  /** Draw soon, in the next frame. */
  redraw() {
    this.frame ||= requestAnimationFrame(() => this.#draw());
  }

  dispose() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.resting);
    this.sizes.disconnect();
    this.renderer.dispose();
    this.host.replaceChildren();
  }

  #draw() {
    this.frame = 0;
    const { camera } = this, began = performance.now();
    if (this.glide?.apply(camera.view, began)) this.glide = null;
    const progress = this.morph?.progress(began) ?? 1;
    if (progress === 1) this.morph = null;
    const step = this.moving ? this.detail.step : 1;
    this.renderer.draw({ view: camera.view, step, progress, ...appearance(this.n, camera.view, camera.zoom) });
    this.redrawLayers();
    if (this.glide || this.morph) this.#move();
    if (this.moving) this.#watch(began);
  }

  /** See how long this frame takes, and come to rest if none follows. A GPU draws later: only the next frame tells. @param {number} began */
  #watch(began) {
    requestAnimationFrame(() => {
      this.detail.took(performance.now() - began);
      if (this.frame === 0) this.#restSoon();
    });
  }

  /** Draw what lies over the points, which a layer of its own makes cheap. */
  redrawLayers() {
    const { camera, shapes } = this;
    this.labels.draw(camera);
    shapes.setCross(this.middle() !== null, camera.view);
    shapes.setLinks(this.morph ? [] : this.linked.map((i) => this.placeOf(i)));
    const isSpot = this.spot >= 0 && this.spot < this.n && !this.morph;
    shapes.setSpot(isSpot ? this.placeOf(this.spot) : null, appearance(this.n, camera.view, camera.zoom).diameter / 2 + 4);
  }

  /** The view changes now: draw fast, and draw everything once it rests. */
  #move() {
    this.moving = true;
    clearTimeout(this.resting);
    this.redraw();
  }

  #restSoon() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      if (!this.host.isConnected) return;
      this.moving = false;
      this.redraw();
      this.listeners.settle();
    }, REST_MS);
  }

  /** The camera as it will be once the view has come to rest. */
  #ahead() {
    const camera = this.camera.copy();
    if (this.glide) Object.assign(camera.view, this.glide.to);
    return camera;
  }

  /** @param {import("./renderer.js").View} to */
  #glideTo(to) {
    if (wantsStillness()) Object.assign(this.camera.view, { x: to.x, y: to.y, scale: to.scale });
    else this.glide = new Glide(this.camera.view, to);
    this.#move();
  }

  #resize() {
    const { width, height } = this.host.getBoundingClientRect();
    this.glide = null;
    this.camera.resize(width, height, Math.min(2, devicePixelRatio || 1));
    this.redraw();
  }

  /** @returns {import("./pointer.js").Gestures} */
  #gestures() {
    const { camera, listeners } = this;
    return {
      pan: (dx, dy) => {
        this.glide = null;
        camera.pan(dx, dy);
        this.#move();
      },
      zoom: (x, y, factor) => {
        this.glide = null;
        camera.zoomAbout(x, y, factor);
        this.#move();
      },
      hover: (x, y) => listeners.hover(this.at(x, y)),
      leave: () => listeners.hover(-1),
      pick: (x, y) => listeners.pick(this.at(x, y, matchMedia("(pointer: coarse)").matches ? TOUCH_REACH_PX : REACH_PX)),
      drawing: (corners) => this.shapes.setLine(corners),
      drawn: (corners) => {
        this.shapes.setLine([]);
        if (corners.length > 2) listeners.select(this.inside(corners));
      },
    };
  }

  /** Numbers of the points inside a line on the screen, ascending. @param {number[][]} corners CSS pixels */
  inside(corners) {
    return this.grid?.inside(corners.map(([x, y]) => this.camera.toMap(x, y))) ?? new Uint32Array(0);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.host) return;
    const { view } = this.camera;
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowLeft: () => this.#panBy(KEY_PX, 0), ArrowRight: () => this.#panBy(-KEY_PX, 0),
      ArrowUp: () => this.#panBy(0, KEY_PX), ArrowDown: () => this.#panBy(0, -KEY_PX),
      "+": () => this.zoomBy(KEY_ZOOM), "=": () => this.zoomBy(KEY_ZOOM), "-": () => this.zoomBy(1 / KEY_ZOOM),
      0: () => this.fit(),
      Enter: () => this.listeners.pick(this.at(view.width / 2, view.height / 2, KEY_REACH_PX)),
      Escape: () => this.pointer.giveUp() || this.listeners.pick(-1),
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  /** @param {number} dx @param {number} dy CSS pixels */
  #panBy(dx, dy) {
    const target = this.#ahead();
    target.pan(dx, dy);
    this.#glideTo(target.view);
  }
}
