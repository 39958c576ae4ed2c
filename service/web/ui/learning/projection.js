// Codes as points in the plane: the two directions in which they differ the most, which turn slowly while codes change.

const ROUNDS = 12;

/** The bits of codes in base64, as rows of -1 and 1. @param {string} text @param {number} n_bits @returns {Float32Array[]} */
export function rowsOf(text, n_bits) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const n_bytes = n_bits / 8;
  return Array.from({ length: bytes.length / n_bytes }, (_, row) =>
    Float32Array.from({ length: n_bits }, (__, bit) => ((bytes[row * n_bytes + (bit >> 3)] >> (7 - (bit & 7))) & 1) * 2 - 1),
  );
}

/**
 * The first two principal axes of rows.
 * @param {Float32Array[]} rows
 * @param {Float32Array[] | null} before axes to start from, so that the picture turns no more than it must
 * @returns {Float32Array[]}
 */
export function axesOf(rows, before) {
  const d = rows[0].length;
  const mean = meanOf(rows);
  const axes = before?.[0].length === d ? before.map((axis) => axis.slice()) : [start(d, 1), start(d, 2)];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [n, axis] of axes.entries()) {
      const next = new Float32Array(d);
      for (const row of rows) {
        let along = 0;
        for (let i = 0; i < d; i++) along += (row[i] - mean[i]) * axis[i];
        for (let i = 0; i < d; i++) next[i] += along * (row[i] - mean[i]);
      }
      if (n === 1) removePart(next, axes[0]);
      const size = Math.hypot(...next) || 1;
      for (let i = 0; i < d; i++) axis[i] = next[i] / size;
    }
  }
  return axes;
}

/** How far rows lie along the axes, from their middle. @param {Float32Array[]} rows @param {Float32Array[]} axes @returns {[number, number][]} */
export function placesOf(rows, axes) {
  const mean = meanOf(rows);
  const along = (/** @type {Float32Array} */ row, /** @type {Float32Array} */ axis) =>
    axis.reduce((sum, part, i) => sum + part * (row[i] - mean[i]), 0);
  return rows.map((row) => [along(row, axes[0]), along(row, axes[1])]);
}

/** @param {Float32Array[]} rows */
function meanOf(rows) {
  const mean = new Float32Array(rows[0].length);
  for (const row of rows) for (let i = 0; i < mean.length; i++) mean[i] += row[i] / rows.length;
  return mean;
}

/** @param {Float32Array} vector @param {Float32Array} axis */
function removePart(vector, axis) {
  let along = 0;
  for (let i = 0; i < axis.length; i++) along += vector[i] * axis[i];
  for (let i = 0; i < axis.length; i++) vector[i] -= along * axis[i];
}

/** @param {number} d @param {number} seed */
const start = (d, seed) => Float32Array.from({ length: d }, (_, i) => Math.sin((i + 1) * (seed * 12.9898)));
