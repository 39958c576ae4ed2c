// Documents by number: what two lists of ascending numbers have in common.

/**
 * Where each of `wanted` stands in `given`. Cost: one pass over both.
 * @param {ArrayLike<number>} wanted ascending
 * @param {ArrayLike<number>} given ascending
 * @returns {Int32Array} (wanted) indices into `given`; -1 for what it lacks
 */
export function indicesIn(wanted, given) {
  const indices = new Int32Array(wanted.length);
  for (let i = 0, at = 0; i < wanted.length; i++) {
    while (at < given.length && given[at] < wanted[i]) at++;
    indices[i] = at < given.length && given[at] === wanted[i] ? at : -1;
  }
  return indices;
}

/** The index of one number, or -1. @param {ArrayLike<number>} numbers ascending @param {number} number */
export function indexOf(numbers, number) {
  let low = 0, high = numbers.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] === number) return middle;
    if (numbers[middle] < number) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/**
 * Rows in another order; rows that are lacking are zeros.
 * @template {Uint8Array | Float32Array} T
 * @param {T} rows (n * width)
 * @param {Int32Array} indices
 * @param {number} width
 * @returns {T} (indices * width)
 */
export function rowsAt(rows, indices, width) {
  const Kind = /** @type {new (length: number) => T} */ (rows.constructor);
  const chosen = new Kind(indices.length * width);
  for (let i = 0; i < indices.length; i++) {
    if (indices[i] < 0) continue;
    for (let column = 0; column < width; column++) chosen[i * width + column] = rows[indices[i] * width + column];
  }
  return chosen;
}

/** From the units of one map to those of another: `place * scale + (x, y)`. @typedef {{ scale: number, x: number, y: number }} Change */

/**
 * How an old map lies on a new one: as it is, if their boxes nearly agree; else box on box, since maps of different methods
 * have different units.
 * @param {import("./camera.js").Bounds} before @param {import("./camera.js").Bounds} after @returns {Change}
 */
export function changeBetween(before, after) {
  const width = after.right - after.left, height = after.top - after.bottom;
  const scale = Math.min(width / (before.right - before.left), height / (before.top - before.bottom));
  const x = (after.left + after.right) / 2, y = (after.bottom + after.top) / 2;
  const oldX = (before.left + before.right) / 2, oldY = (before.bottom + before.top) / 2;
  const agree = scale > 0.7 && scale < 1.4 && Math.abs(x - oldX) < 0.2 * width && Math.abs(y - oldY) < 0.2 * height;
  return agree ? { scale: 1, x: 0, y: 0 } : { scale, x: x - oldX * scale, y: y - oldY * scale };
}

/**
 * Where the points of a new map come from: their places on the old one, or their own where they were not on it.
 * @param {{ numbers: ArrayLike<number>, positions: Float32Array }} before
 * @param {{ numbers: ArrayLike<number>, positions: Float32Array }} after
 * @param {Change} change from the units of the old map to those of the new one
 * @returns {Float32Array} (n * 2)
 */
export function placesBefore(before, after, { scale, x, y }) {
  const places = after.positions.slice(), indices = indicesIn(after.numbers, before.numbers);
  for (let i = 0; i < indices.length; i++) {
    if (indices[i] < 0) continue;
    places[2 * i] = before.positions[2 * indices[i]] * scale + x;
    places[2 * i + 1] = before.positions[2 * indices[i] + 1] * scale + y;
  }
  return places;
}
