// Palettes of 256 colors: for categories, for numbers, for Hamming distances; for light and dark backgrounds.

/** The class of a point that has no value, or one of too many. */
export const NO_CLASS = 255;

// Told apart by those who do not see red and green, too. Source: Paul Tol, Colour Schemes (2021), "bright" and "muted",
// in the order in which neighbors differ most; for dark backgrounds the dark ones are made lighter.
const LIGHT = ["#3366aa", "#e0631c", "#11875d", "#a8327f", "#8a7a00", "#1d9bc4", "#c33149", "#5a3fa0", "#7a5230", "#5f6b74"];
const DARK = ["#6fa3e8", "#ff9a57", "#45c99a", "#e77fc4", "#d9c94a", "#5fd0ef", "#ff7b8a", "#ab93f0", "#c99a70", "#a9b4bd"];

/** How many categories have a color of their own. */
export const N_CATEGORIES = LIGHT.length;

// Dark to light, equally far apart to the eye. Source: viridis (Smith and van der Walt), without its ends.
const NUMBERS = ["#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30"];
// From near, which stands out, to far, which is almost the background.
const NEAR_LIGHT = ["#7a0f3f", "#b3245a", "#dd5f4b", "#eba05c", "#d9c9a0", "#d5d6d0"];
const NEAR_DARK = ["#fff3b0", "#ffc857", "#f58a4b", "#c04f6a", "#5f4470", "#353c47"];

/** The color of points without a value. @param {boolean} dark */
const plain = (dark) => rgbOf(dark ? "#5d666f" : "#b4b8bb");

/** @param {boolean} dark @returns {Uint8Array} (256 * 4) the first ten classes each with a color, all others gray */
export function categoryPalette(dark) {
  const colors = (dark ? DARK : LIGHT).map(rgbOf);
  return paletteOf((i) => colors[i] ?? plain(dark));
}

/** @param {boolean} dark @returns {Uint8Array} (256 * 4) from the smallest to the largest; 255 is gray */
export function numberPalette(dark) {
  const stops = NUMBERS.map(rgbOf);
  return paletteOf((i) => (i === NO_CLASS ? plain(dark) : mixed(stops, i / (NO_CLASS - 1))));
}

/**
 * @param {number} nBits of a code
 * @param {boolean} dark
 * @returns {Uint8Array} (256 * 4) by distance; from half of the bits on, where two codes have nothing in common, all are equal
 */
export function distancePalette(nBits, dark) {
  const stops = (dark ? NEAR_DARK : NEAR_LIGHT).map(rgbOf);
  return paletteOf((i) => mixed(stops, Math.min(1, i / Math.max(1, nBits / 2))));
}

/** A color of a palette as CSS writes it. @param {Uint8Array} palette @param {number} index */
export function cssColor(palette, index) {
  return `rgb(${palette.subarray(4 * index, 4 * index + 3).join(" ")})`;
}

/** @param {string} css "#rrggbb" or "rgb(r, g, b)" @returns {number[]} RGB, 0 to 255 */
export function rgbOf(css) {
  const text = css.trim();
  if (text.startsWith("#")) return [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16));
  return (text.match(/[\d.]+/g) ?? ["0", "0", "0"]).slice(0, 3).map(Number);
}

/** @param {(index: number) => number[]} colorOf */
function paletteOf(colorOf) {
  const palette = new Uint8Array(1024);
  for (let i = 0; i < 256; i++) palette.set([...colorOf(i), 255], 4 * i);
  return palette;
}

/** @param {number[][]} stops @param {number} share 0 to 1 */
function mixed(stops, share) {
  const at = Math.min(stops.length - 1.000001, share * (stops.length - 1)), low = Math.floor(at);
  return stops[low].map((value, c) => Math.round(value + (stops[low + 1][c] - value) * (at - low)));
}
