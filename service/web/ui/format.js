// Numbers, times and codes as people read them.

const NUMBER = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const DATE = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];

/** 12,345 @param {number} n */
export const number = (n) => NUMBER.format(n);
/** 12.3K @param {number} n */
export const shortNumber = (n) => SHORT.format(n);
/** 12.3 % @param {number} share @param {number} [digits] */
export const percent = (share, digits = 0) => `${(share * 100).toFixed(digits)} %`;
/** "1 bit", "2 bits" @param {number} n @param {string} one @param {string} [many] */
export const counted = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;
/** Nov 30, 2026, 3:10 PM @param {string} at */
export const date = (at) => DATE.format(new Date(at));

/** "3 minutes ago", "in 2 days" @param {string} at */
export function ago(at) {
  const seconds = (Date.parse(at) - Date.now()) / 1_000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return RELATIVE.format(Math.round(seconds / size), unit);
  }
  return Math.abs(seconds) < 5 ? "just now" : RELATIVE.format(Math.round(seconds), "second");
}

/** "2 min 5 s" @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** 3.4 MB @param {number} n bytes */
export function size(n) {
  const step = n < 1_000 ? 0 : Math.min(4, Math.floor(Math.log10(n) / 3));
  return `${(n / 1_000 ** step).toFixed(step && n / 1_000 ** step < 10 ? 1 : 0)} ${["bytes", "KB", "MB", "GB", "TB"][step]}`;
}

/** The bits of a code in hexadecimal, most significant first. @param {string} code @returns {number[]} */
export function bitsOf(code) {
  return [...code].flatMap((digit) => {
    const value = Number.parseInt(digit, 16);
    return [value >> 3, value >> 2, value >> 1, value].map((bit) => bit & 1);
  });
}

/** A code in hexadecimal. @param {number[]} bits */
export function codeOf(bits) {
  let code = "";
  for (let n = 0; n < bits.length; n += 4) {
    code += ((bits[n] << 3) | (bits[n + 1] << 2) | (bits[n + 2] << 1) | bits[n + 3]).toString(16);
  }
  return code;
}
