// Draws the points of the map with WebGL2: one call for all points, colors looked up in a palette of 256.

/** @typedef {import("./renderer.js").Look} Look */
/** @typedef {import("./renderer.js").Frame} Frame */

const VERTEX = `#version 300 es
in vec2 position;
in vec2 origin;
in uint color;
in uint lit;
uniform float progress;
uniform vec2 middle;
uniform vec2 zoom;
uniform float size;
uniform float opacity;
uniform float dimmed;
uniform sampler2D palette;
flat out vec4 fill;
void main() {
  vec2 place = (mix(origin, position, progress) - middle) * zoom;
  gl_Position = vec4(place, 0.0, 1.0);
  gl_PointSize = size;
  fill = texelFetch(palette, ivec2(int(color), 0), 0);
  fill.a *= lit == 0u ? dimmed : opacity;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
flat in vec4 fill;
uniform float size;
uniform float ring;
uniform vec3 ringColor;
out vec4 pixel;
void main() {
  float alpha = fill.a;
  vec3 color = fill.rgb;
  if (size > 2.5) {
    float inside = size * 0.5 - length((gl_PointCoord - 0.5) * size);
    alpha *= clamp(inside + 0.5, 0.0, 1.0);
    if (inside < ring) color = ringColor;
  }
  pixel = vec4(color * alpha, alpha);
}`;

const UNIFORMS = ["progress", "middle", "zoom", "size", "opacity", "dimmed", "palette", "ring", "ringColor"];
/** Where each attribute of the vertex shader lies. */
const POSITION = 0, ORIGIN = 1, COLOR = 2, LIT = 3;
const DIMMED = 0.12;
/** Names that a WebGL gives itself when the CPU computes it. */
const COMPUTED = /swiftshader|llvmpipe|softpipe|software|basic render/i;

export class WebglRenderer {
  /**
   * @param {boolean} fastOnly  refuse a WebGL that is computed on the CPU
   * @param {() => void} onRestored
   * @returns {WebglRenderer | null} null where the browser has no such WebGL
   */
  static create(fastOnly, onRestored) {
    const canvas = document.createElement("canvas");
    const gl = canvas.getContext("webgl2", {
      alpha: false, antialias: false, depth: false, stencil: false, failIfMajorPerformanceCaveat: fastOnly,
    });
    if (!gl || (fastOnly && COMPUTED.test(nameOf(gl)))) return null;
    return new WebglRenderer(canvas, gl, onRestored);
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {WebGL2RenderingContext} gl
   * @param {() => void} onRestored
   */
  constructor(canvas, gl, onRestored) {
    /** @type {"webgl"} */
    this.kind = "webgl";
    this.canvas = canvas;
    this.gl = gl;
    /** @type {Float32Array} */
    this.positions = new Float32Array(0);
    /** @type {Float32Array | null} */
    this.from = null;
    /** @type {Look | null} */
    this.look = null;
    this.made = makeDrawing(gl);
    this.isUploaded = false;
    // Without this a browser never gives the context back.
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.made = makeDrawing(gl);
      this.isUploaded = false;
      this.setPositions(this.positions, this.from);
      if (this.look) this.setLook(this.look);
      onRestored();
    });
  }

  /** @param {Float32Array} positions @param {Float32Array | null} from */
  setPositions(positions, from) {
    this.positions = positions;
    this.from = from;
    this.#upload(this.made.buffers.position, positions);
    if (from) this.#upload(this.made.buffers.origin, from);
  }

  /** @param {Look} look */
  setLook(look) {
    const gl = this.gl;
    const before = this.look;
    this.look = { ...look };
    if (before?.classes !== look.classes || !this.isUploaded) this.#upload(this.made.buffers.color, look.classes);
    if (look.lit && (before?.lit !== look.lit || !this.isUploaded)) this.#upload(this.made.buffers.lit, look.lit);
    this.#upload(this.made.buffers.marked, look.marked, gl.ELEMENT_ARRAY_BUFFER);
    gl.bindTexture(gl.TEXTURE_2D, this.made.texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, look.palette);
    this.isUploaded = true;
  }

  /** @param {Frame} frame */
  draw(frame) {
    const { gl, look } = this;
    const { view } = frame;
    const width = Math.round(view.width * view.ratio), height = Math.round(view.height * view.ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    if (!look || gl.isContextLost()) return;
    const [red, green, blue] = look.background;
    gl.viewport(0, 0, width, height);
    gl.clearColor(red / 255, green / 255, blue / 255, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.#setView(frame);
    const step = Math.max(1, Math.min(16, frame.step));
    this.#attribute(POSITION, this.made.buffers.position, 2, step * 8);
    this.#attribute(ORIGIN, frame.progress < 1 && this.from ? this.made.buffers.origin : this.made.buffers.position, 2, step * 8);
    this.#bytes(COLOR, this.made.buffers.color, step);
    if (look.lit) this.#bytes(LIT, this.made.buffers.lit, step);
    else gl.disableVertexAttribArray(LIT);
    gl.drawArrays(gl.POINTS, 0, Math.floor((this.positions.length / 2 + step - 1) / step));
    if (look.marked.length) this.#drawMarked(frame, look);
  }

  /** Give the memory of the GPU back; the renderer is of no use afterwards. */
  dispose() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.canvas.remove();
  }

  /** @param {Frame} frame @param {Look} look */
  #drawMarked(frame, look) {
    const { gl } = this, { uniforms } = this.made;
    const [red, green, blue] = look.ring;
    this.#attribute(POSITION, this.made.buffers.position, 2, 8);
    this.#attribute(ORIGIN, frame.progress < 1 && this.from ? this.made.buffers.origin : this.made.buffers.position, 2, 8);
    this.#bytes(COLOR, this.made.buffers.color, 1);
    gl.disableVertexAttribArray(LIT);
    gl.uniform1f(uniforms.size, Math.max(9, frame.diameter + 5) * frame.view.ratio);
    gl.uniform1f(uniforms.ring, 1.75 * frame.view.ratio);
    gl.uniform3f(uniforms.ringColor, red / 255, green / 255, blue / 255);
    gl.uniform1f(uniforms.opacity, 1);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.made.buffers.marked);
    gl.drawElements(gl.POINTS, look.marked.length, gl.UNSIGNED_INT, 0);
  }

  /** @param {Frame} frame */
  #setView({ view, diameter, opacity, progress }) {
    const { gl } = this, { uniforms } = this.made;
    gl.useProgram(this.made.program);
    gl.uniform2f(uniforms.middle, view.x, view.y);
    gl.uniform2f(uniforms.zoom, (2 * view.scale) / view.width, (2 * view.scale) / view.height);
    gl.uniform1f(uniforms.size, Math.max(1, diameter * view.ratio));
    gl.uniform1f(uniforms.opacity, opacity);
    gl.uniform1f(uniforms.dimmed, opacity * DIMMED);
    gl.uniform1f(uniforms.progress, progress);
    gl.uniform1f(uniforms.ring, 0);
    gl.uniform1i(uniforms.palette, 0);
  }

  /** @param {number} place @param {WebGLBuffer} buffer @param {number} size @param {number} stride bytes */
  #attribute(place, buffer, size, stride) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, gl.FLOAT, false, stride, 0);
  }

  /** @param {number} place @param {WebGLBuffer} buffer @param {number} stride bytes */
  #bytes(place, buffer, stride) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribIPointer(place, 1, gl.UNSIGNED_BYTE, stride, 0);
  }

  /** @param {WebGLBuffer} buffer @param {ArrayBufferView} data @param {number} target */
  #upload(buffer, data, target = this.gl.ARRAY_BUFFER) {
    this.gl.bindBuffer(target, buffer);
    this.gl.bufferData(target, data, this.gl.DYNAMIC_DRAW);
  }
}

/** All that lives in the memory of the GPU; made again when the context was lost. @param {WebGL2RenderingContext} gl */
function makeDrawing(gl) {
  const program = makeProgram(gl);
  /** @type {Record<string, WebGLUniformLocation | null>} */
  const uniforms = Object.fromEntries(UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)]));
  const buffers = {
    position: gl.createBuffer(), origin: gl.createBuffer(), color: gl.createBuffer(),
    lit: gl.createBuffer(), marked: gl.createBuffer(),
  };
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  gl.vertexAttribI4ui(LIT, 1, 0, 0, 0);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  return { program, uniforms, buffers, texture };
}

/** @param {WebGL2RenderingContext} gl */
function makeProgram(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of /** @type {[number, string][]} */ ([[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]])) {
    const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  ["position", "origin", "color", "lit"].forEach((name, place) => gl.bindAttribLocation(program, place, name));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`the map's shaders do not link: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}

/** What the browser says draws. @param {WebGL2RenderingContext} gl @returns {string} */
function nameOf(gl) {
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  return String(gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
}
