// The contract of the two renderers of the map, and which of them a browser gets.
import { CanvasRenderer } from "./renderer_canvas.js";
import { WebglRenderer } from "./renderer_webgl.js";

/**
 * Which part of the map is seen: a point (x, y) of the map lies at
 * `((x - view.x) * view.scale + view.width / 2, view.height / 2 - (y - view.y) * view.scale)` on the screen.
 * @typedef {object} View
 * @property {number} x       middle, in units of the map
 * @property {number} y       middle, in units of the map; up is positive
 * @property {number} scale   CSS pixels per unit of the map
 * @property {number} width   CSS pixels
 * @property {number} height  CSS pixels
 * @property {number} ratio   device pixels per CSS pixel
 */

/**
 * How the points look. Kept by reference, never written to by a renderer.
 * @typedef {object} Look
 * @property {Uint8Array} classes     (n) the color of each point, as an index of the palette
 * @property {Uint8Array} palette     (256 * 4) RGBA
 * @property {Uint8Array | null} lit  (n) 0 for a point that is dimmed; null when none is
 * @property {Uint32Array} marked     numbers of the points drawn last, larger and with a ring
 * @property {number[]} background    RGB, 0 to 255
 * @property {number[]} ring          RGB, 0 to 255
 */

/**
 * @typedef {object} Frame
 * @property {View} view
 * @property {number} diameter  of a point, CSS pixels
 * @property {number} opacity   of a point, 0 to 1
 * @property {number} step      draw each `step`-th point only, 1 to 16
 * @property {number} progress  of a move from `from` to `positions`, 0 to 1
 */

/**
 * Draws points. `setPositions` and `setLook` copy nothing and may be called at any time; `draw` blocks for as long as the
 * drawing takes on this thread (canvas: about 15 ms for a million points; WebGL: below a millisecond, the rest is the GPU's).
 * @typedef {object} Renderer
 * @property {"webgl" | "canvas"} kind
 * @property {HTMLCanvasElement} canvas
 * @property {(positions: Float32Array, from: Float32Array | null) => void} setPositions  (n * 2) each
 * @property {(look: Look) => void} setLook
 * @property {(frame: Frame) => void} draw
 * @property {() => void} dispose
 */

/**
 * A renderer with a canvas of its own.
 *
 * WebGL where a GPU answers. Where WebGL is computed on the CPU, or absent, as on many virtual machines, a loop over the
 * pixels of a 2D canvas is faster than the CPU that plays a GPU: see docs/decisions/0027.
 * @param {"webgl" | "canvas" | "auto"} wanted  "webgl" also takes WebGL that is computed on the CPU
 * @param {() => void} onRestored  the canvas has lost what was drawn: draw again
 * @returns {Renderer}
 */
export function createRenderer(wanted, onRestored) {
  if (wanted !== "canvas") {
    const renderer = WebglRenderer.create(wanted === "auto", onRestored);
    if (renderer) return renderer;
  }
  return new CanvasRenderer();
}
