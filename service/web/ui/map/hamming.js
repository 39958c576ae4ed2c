// Exact Hamming distances between one code and all codes of the index.

/** Distances above this are kept as this, so that one fits into a byte; the histogram counts the true ones. */
export const LARGEST = 255;

/** Codes of one code space, as 32-bit words in the order in which the bytes came. */
export class CodeTable {
  /** @param {Uint8Array} bytes (n * nBits / 8), most significant bit first @param {number} nBits */
  constructor(bytes, nBits) {
    this.nBits = nBits;
    this.nWords = Math.ceil(nBits / 32);
    this.n = (bytes.length * 8) / nBits;
    this.words = toWords(bytes, nBits / 8, this.nWords);
  }

  /** The code of one document. @param {number} number @returns {Uint8Array} (nBits / 8) */
  code(number) {
    const words = this.words.slice(number * this.nWords, (number + 1) * this.nWords);
    return new Uint8Array(words.buffer, 0, this.nBits / 8);
  }

  /**
   * Cost: one pass over the codes; about 10 ms for a million codes of 64 bits.
   * @param {Uint8Array} code (nBits / 8)
   * @returns {{ distances: Uint8Array, histogram: Uint32Array }} (n) at most 255; (nBits + 1) documents at each distance
   */
  distances(code) {
    const query = toWords(code, this.nBits / 8, this.nWords);
    const distances = new Uint8Array(this.n), histogram = new Uint32Array(this.nBits + 1);
    if (this.nWords === 2) countTwo(this.words, query[0], query[1], distances, histogram);
    else countAny(this.words, query, distances, histogram);
    return { distances, histogram };
  }

  /** How many documents have each bit. @returns {Uint32Array} (nBits) */
  bitCounts() {
    const counts = new Uint32Array(this.nBits);
    const bytes = new Uint8Array(this.words.buffer), stride = this.nWords * 4;
    for (let byte = 0; byte < this.nBits / 8; byte++) {
      const seen = new Uint32Array(256);
      for (let at = byte; at < bytes.length; at += stride) seen[bytes[at]]++;
      for (let value = 0; value < 256; value++) {
        for (let bit = 0; bit < 8; bit++) if (value & (128 >> bit)) counts[8 * byte + bit] += seen[value];
      }
    }
    return counts;
  }
}

/**
 * The numbers of the k nearest documents by (distance, number), which is exact as long as the k-th distance is below 255.
 * @param {Uint8Array} distances (n) @param {Uint32Array} histogram @param {number} k
 * @returns {Uint32Array} (min(k, n))
 */
export function nearestOf(distances, histogram, k) {
  let limit = 0, below = histogram[0];
  while (below < k && limit < histogram.length - 1) below += histogram[++limit];
  const places = new Uint32Array(limit + 1);
  for (let d = 1; d <= limit; d++) places[d] = places[d - 1] + histogram[d - 1];
  const nearest = new Uint32Array(Math.min(k, distances.length));
  for (let i = 0; i < distances.length; i++) {
    if (distances[i] > limit) continue;
    const place = places[distances[i]]++;
    if (place < nearest.length) nearest[place] = i;
  }
  return nearest;
}

/** @param {Uint8Array} bytes @param {number} nBytes of one code @param {number} nWords of one code @returns {Int32Array} */
function toWords(bytes, nBytes, nWords) {
  const padded = new Uint8Array((bytes.length / nBytes) * nWords * 4);
  if (nBytes === nWords * 4) padded.set(bytes);
  else for (let i = 0; i * nBytes < bytes.length; i++) padded.set(bytes.subarray(i * nBytes, (i + 1) * nBytes), i * nWords * 4);
  return new Int32Array(padded.buffer);
}

/**
 * Codes of two words, which most are: the bits of both are counted together from groups of four on, where they still fit.
 * Source: Warren, Hacker's Delight, 2nd edition, figure 5-2.
 * @param {Int32Array} words @param {number} first @param {number} second @param {Uint8Array} distances @param {Uint32Array} histogram
 */
function countTwo(words, first, second, distances, histogram) {
  for (let i = 0; i < distances.length; i++) {
    let a = words[2 * i] ^ first, b = words[2 * i + 1] ^ second;
    a -= (a >>> 1) & 0x55555555;
    b -= (b >>> 1) & 0x55555555;
    a = (a & 0x33333333) + ((a >>> 2) & 0x33333333) + (b & 0x33333333) + ((b >>> 2) & 0x33333333);
    const distance = Math.imul((a & 0x0f0f0f0f) + ((a >>> 4) & 0x0f0f0f0f), 0x01010101) >>> 24;
    distances[i] = distance;
    histogram[distance]++;
  }
}

/** Codes of any length. @param {Int32Array} words @param {Int32Array} query @param {Uint8Array} distances @param {Uint32Array} histogram */
function countAny(words, query, distances, histogram) {
  for (let i = 0, at = 0; i < distances.length; i++) {
    let distance = 0;
    for (let w = 0; w < query.length; w++) {
      let a = words[at++] ^ query[w];
      a -= (a >>> 1) & 0x55555555;
      a = (a & 0x33333333) + ((a >>> 2) & 0x33333333);
      distance += Math.imul((a + (a >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
    }
    distances[i] = distance > LARGEST ? LARGEST : distance;
    histogram[distance]++;
  }
}
