// What the colors of the map mean: nothing, the values of a field, or the distance to a code.
import { NO_CLASS, N_CATEGORIES, categoryPalette, distancePalette, numberPalette } from "./palette.js";

/**
 * Values of a field, one for each point.
 * @typedef {object} Column
 * @property {string} field
 * @property {"categories" | "numbers"} kind
 * @property {Uint8Array} classes  (n) of categories the place in `values`, of numbers the place between `low` and `high`; 255 for none
 * @property {{ value: string | number | boolean, count: number }[]} values  of categories, the commonest first
 * @property {number} low          of numbers
 * @property {number} high
 * @property {number} n_missing    points without a value
 */

/** How many categories of a field have a color. */
export const MOST_CATEGORIES = N_CATEGORIES;
/** Numbers outside these shares of the sorted ones have the colors of the ends, so that a few do not hide the others. */
const LOW_SHARE = 0.01, HIGH_SHARE = 0.99;
const SAMPLE = 20_000;

/**
 * A column of numbers as classes.
 * @param {string} field
 * @param {Float32Array} numbers (n) NaN for none
 * @returns {Column}
 */
export function numberColumn(field, numbers) {
  const step = Math.max(1, Math.floor(numbers.length / SAMPLE));
  const sample = numbers.filter((value, i) => i % step === 0 && !Number.isNaN(value)).sort();
  const low = sample[Math.floor(sample.length * LOW_SHARE)] ?? 0;
  const high = sample[Math.min(sample.length - 1, Math.floor(sample.length * HIGH_SHARE))] ?? 0;
  const classes = new Uint8Array(numbers.length), width = high - low || 1;
  let n_missing = 0;
  for (let i = 0; i < numbers.length; i++) {
    if (Number.isNaN(numbers[i])) n_missing++;
    const share = Math.max(0, Math.min(1, (numbers[i] - low) / width));
    classes[i] = Number.isNaN(numbers[i]) ? NO_CLASS : Math.round(share * (NO_CLASS - 1));
  }
  return { field, kind: "numbers", classes, values: [], low, high, n_missing };
}

/**
 * A column of categories, whose classes are made to follow how common each value is.
 * @param {string} field
 * @param {Uint8Array} classes (n) places in `values`; those outside it have no value
 * @param {(string | number | boolean)[]} values
 * @returns {Column}
 */
export function categoryColumn(field, classes, values) {
  const counts = new Uint32Array(256);
  for (let i = 0; i < classes.length; i++) counts[classes[i]]++;
  const order = values.map((_, i) => i).sort((a, b) => counts[b] - counts[a] || a - b);
  const places = new Uint8Array(256).fill(NO_CLASS);
  order.forEach((value, place) => {
    places[value] = place;
  });
  const sorted = classes.map((one) => places[one]);
  const named = order.map((value) => ({ value: values[value], count: counts[value] }));
  const n_named = named.reduce((sum, one) => sum + one.count, 0);
  return { field, kind: "categories", classes: sorted, values: named, low: 0, high: 0, n_missing: classes.length - n_named };
}

/**
 * @param {Column | null} column null: all points alike
 * @param {number} n
 * @param {boolean} dark
 */
export function columnLook(column, n, dark) {
  if (!column) return { classes: new Uint8Array(n), palette: categoryPalette(dark) };
  return { classes: column.classes, palette: column.kind === "numbers" ? numberPalette(dark) : categoryPalette(dark) };
}

/** @param {Uint8Array} distances (n) @param {number} nBits @param {boolean} dark */
export function distanceLook(distances, nBits, dark) {
  return { classes: distances, palette: distancePalette(nBits, dark) };
}

/**
 * A filter that describes chosen points, and how well: of numbers their range, of categories the values that are commoner among
 * them than among all.
 * @param {Column} column
 * @param {Uint32Array} chosen indices of points, ascending
 * @returns {{ filter: object, n_passing: number, n_chosen_passing: number } | null} null if none of them has a value
 */
export function filterOf(column, chosen) {
  const inside = new Uint32Array(256), all = new Uint32Array(256);
  for (const i of chosen) inside[column.classes[i]]++;
  for (let i = 0; i < column.classes.length; i++) all[column.classes[i]]++;
  let first = 0, last = NO_CLASS - 1;
  while (first < NO_CLASS && inside[first] === 0) first++;
  while (last >= 0 && inside[last] === 0) last--;
  if (first === NO_CLASS) return null;
  const usual = chosen.length / column.classes.length;
  const passes = (/** @type {number} */ one) =>
    column.kind === "numbers" ? one >= first && one <= last : inside[one] > 0 && inside[one] >= usual * all[one];
  let n_passing = 0, n_chosen_passing = 0;
  for (let one = 0; one < NO_CLASS; one++) {
    if (!passes(one)) continue;
    n_passing += all[one];
    n_chosen_passing += inside[one];
  }
  return { filter: { [column.field]: conditionOf(column, first, last, passes) }, n_passing, n_chosen_passing };
}

/** @param {Column} column @param {number} first @param {number} last @param {(place: number) => boolean} passes */
function conditionOf({ kind, values, low, high }, first, last, passes) {
  if (kind === "numbers") {
    const at = (/** @type {number} */ one) => low + ((high - low) * one) / (NO_CLASS - 1);
    const from = first > 0 ? { gte: rounded(at(first - 0.5)) } : {};
    const range = { ...from, ...(last < NO_CLASS - 1 ? { lte: rounded(at(last + 0.5)) } : {}) };
    return Object.keys(range).length ? range : { exists: true };
  }
  const chosen = values.filter((_, place) => passes(place)).map((one) => one.value);
  return chosen.length === 1 ? chosen[0] : { in: chosen };
}

/** @param {number} value */
function rounded(value) {
  return Number(value.toPrecision(6));
}
