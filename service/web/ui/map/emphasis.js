// Which points stand out: those nearest to the chosen one, those found, those of a category.

const NEIGHBORS = 24;

/** The points nearest to the one that is chosen. @param {import("./use_distances.js").Compared | null} compared @param {number} picked @returns {number[]} */
export function neighborsOf(compared, picked) {
  if (picked < 0 || compared?.index !== picked) return [];
  const nearest = [...compared.answer.nearest];
  return (compared.n_flipped ? nearest : nearest.filter((index) => index !== picked)).slice(0, NEIGHBORS);
}

/** The points that are drawn larger, with a ring. @param {number} picked @param {number[]} neighbors @param {number[] | null} found */
export function markedOf(picked, neighbors, found) {
  return Uint32Array.from(picked >= 0 ? [...neighbors, picked] : found ?? []);
}

/**
 * Which points are not dimmed: of what was chosen last, or of one category; null where that is all of them.
 * @param {number} n
 * @param {{ chosen: Uint32Array | null, picked: number, neighbors: number[], found: number[] | null,
 *   column: import("./coloring.js").Column | null, only: string }} wanted
 */
export function litOf(n, { chosen, picked, neighbors, found, column, only }) {
  const indices = chosen ?? (picked >= 0 ? [picked, ...neighbors] : found);
  if (indices) {
    const lit = new Uint8Array(n);
    for (const index of indices) lit[index] = 1;
    return lit;
  }
  const place = only && column ? column.values.findIndex(({ value }) => String(value) === only) : -1;
  return place < 0 || !column ? null : column.classes.map((one) => (one === place ? 1 : 0));
}
