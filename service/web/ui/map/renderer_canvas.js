// Draws the points of the map pixel by pixel into a 2D canvas, for browsers without a GPU.

/** @typedef {import("./renderer.js").Look} Look */
/** @typedef {import("./renderer.js").Frame} Frame */

const DIMMED = 0.12;

export class CanvasRenderer {
  constructor() {
    /** @type {"canvas"} */
    this.kind = "canvas";
    this.canvas = document.createElement("canvas");
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    this.image = new ImageData(1, 1);
    this.pixels = new Uint32Array(this.image.data.buffer);
    /** @type {Float32Array} */
    this.positions = new Float32Array(0);
    /** @type {Float32Array | null} */
    this.from = null;
    /** @type {Look | null} */
    this.look = null;
  }

  /** @param {Float32Array} positions @param {Float32Array | null} from */
  setPositions(positions, from) {
    this.positions = positions;
    this.from = from;
  }

  /** @param {Look} look */
  setLook(look) {
    this.look = { ...look };
  }

  /** @param {Frame} frame */
  draw(frame) {
    const { view } = frame;
    const width = Math.max(1, Math.round(view.width * view.ratio)), height = Math.max(1, Math.round(view.height * view.ratio));
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.image = new ImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    if (!this.look) return;
    this.pixels.fill(packed(this.look.background));
    this.#drawAll(frame, this.look, width, height);
    this.context.putImageData(this.image, 0, 0);
    this.#drawMarked(frame, this.look);
  }

  dispose() {
    this.canvas.remove();
  }

  /**
   * The loop over all points: place, cut off what is outside, blend a stamp of pixels.
   * @param {Frame} frame @param {Look} look @param {number} width @param {number} height
   */
  #drawAll({ view, diameter, opacity, step, progress }, look, width, height) {
    const { pixels, positions } = this;
    const { classes, lit } = look;
    const from = progress < 1 && this.from ? this.from : null;
    const stamp = makeStamp(Math.max(1, Math.round(diameter * view.ratio)), width);
    const { offsets, weights, side } = stamp;
    const [bright, faint] = [opacity, opacity * DIMMED].map((share) => colorsOf(look.palette, share));
    const scale = view.scale * view.ratio;
    const left = width / 2 - view.x * scale - side / 2, top = height / 2 + view.y * scale - side / 2;
    const right = width - side, bottom = height - side, n = positions.length;
    for (let i = 0, at = 0; at < n; i += step, at += 2 * step) {
      let x = positions[at], y = positions[at + 1];
      if (from) {
        x = from[at] + (x - from[at]) * progress;
        y = from[at + 1] + (y - from[at + 1]) * progress;
      }
      const column = (x * scale + left + 0.5) | 0, row = (top - y * scale + 0.5) | 0;
      if (column < 0 || row < 0 || column > right || row > bottom) continue;
      const shade = lit && lit[i] === 0 ? faint : bright;
      const color = shade.rgb[classes[i]], alpha = shade.alpha[classes[i]];
      const evens = color & 0xff00ff, green = color & 0xff00;
      const start = row * width + column;
      for (let s = 0; s < offsets.length; s++) {
        const weight = (alpha * weights[s]) >> 8, rest = 256 - weight;
        const under = pixels[start + offsets[s]];
        pixels[start + offsets[s]] = 0xff000000
          | (((Math.imul(evens, weight) + Math.imul(under & 0xff00ff, rest)) >>> 8) & 0xff00ff)
          | (((Math.imul(green, weight) + Math.imul(under & 0xff00, rest)) >>> 8) & 0xff00);
      }
    }
  }

  /** @param {Frame} frame @param {Look} look */
  #drawMarked({ view, diameter, progress }, look) {
    const { context, positions, from } = this;
    const radius = (Math.max(9, diameter + 5) / 2) * view.ratio, scale = view.scale * view.ratio;
    context.lineWidth = 1.75 * view.ratio;
    context.strokeStyle = `rgb(${look.ring.join(" ")})`;
    for (const i of look.marked) {
      const share = from ? progress : 1, before = from ?? positions;
      const x = before[2 * i] + (positions[2 * i] - before[2 * i]) * share;
      const y = before[2 * i + 1] + (positions[2 * i + 1] - before[2 * i + 1]) * share;
      const at = 4 * look.classes[i];
      context.beginPath();
      context.arc(this.canvas.width / 2 + (x - view.x) * scale, this.canvas.height / 2 - (y - view.y) * scale,
        radius - context.lineWidth / 2, 0, 2 * Math.PI);
      context.fillStyle = `rgb(${look.palette.subarray(at, at + 3).join(" ")})`;
      context.fill();
      context.stroke();
    }
  }
}

/** A color as the canvas keeps it in 32 bits. @param {ArrayLike<number>} rgb */
function packed(rgb) {
  return (0xff000000 | (rgb[2] << 16) | (rgb[1] << 8) | rgb[0]) >>> 0;
}

/** The palette as 32-bit colors, and how much each covers, 0 to 256. @param {Uint8Array} palette @param {number} share */
function colorsOf(palette, share) {
  const rgb = new Int32Array(256), alpha = new Int32Array(256);
  for (let i = 0; i < 256; i++) {
    rgb[i] = packed(palette.subarray(4 * i, 4 * i + 3));
    alpha[i] = Math.round(((palette[4 * i + 3] * share) / 255) * 256);
  }
  return { rgb, alpha };
}

/**
 * The pixels of one point: a square up to two pixels wide, from three on a disk with a smooth edge.
 * @param {number} side pixels @param {number} width of the canvas, pixels
 */
function makeStamp(side, width) {
  const offsets = [], weights = [];
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const inside = side / 2 - Math.hypot(column + 0.5 - side / 2, row + 0.5 - side / 2) + 0.5;
      const weight = side <= 2 ? 256 : Math.round(256 * Math.max(0, Math.min(1, inside)));
      if (weight === 0) continue;
      offsets.push(row * width + column);
      weights.push(weight);
    }
  }
  return { offsets: new Int32Array(offsets), weights: new Int32Array(weights), side };
}
