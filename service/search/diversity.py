"""Diversity: matches that are good and unlike one another.

Maximal marginal relevance: each next match is the one with the greatest

    (1 - diversity) * relevance - diversity * likeness        likeness: the greatest share of bits, among the matches
                                                              chosen before, in which its code agrees with theirs

Source: Carbonell, Goldstein (1998), "The use of MMR, diversity-based reranking for reordering documents and producing
summaries", with the codes in place of the texts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.hashing.codes import Codes

_UNITS = 1e9
"""Gains are compared in steps of one in so many, so that what is equal but for the rounding of floats is a tie."""


def diverse_order(
    relevance: NDArray[np.float64], codes: Codes, has_code: NDArray[np.bool_], diversity: float, n: int
) -> NDArray[np.int64]:
    """Places of candidates: the first `n` as they are chosen, of which the first is the most relevant; then the rest.

    Args:
        relevance: `(m,)`, 0 to 1, best first.
        codes: `(m, n_bytes)` of the candidates.
        has_code: `(m,)`; a candidate without a code resembles none.
        diversity: 0 keeps their order.
        n: how many are chosen.

    Cost: `n` times the candidates; .6 ms for 100 of 1,000 with 64 bits.
    """
    words, n_bits = _as_words(codes), 8 * codes.shape[1]
    # gain = (1 - diversity) * relevance - diversity * (1 - nearest / n_bits), in units of which floats are sure
    fixed = _UNITS * ((1 - diversity) * relevance - diversity * has_code)
    slopes = _UNITS * diversity / n_bits * has_code
    nearest = np.full(len(relevance), n_bits, np.uint16)  # bits to the nearest of those chosen
    gain, chosen = np.rint(fixed + slopes * nearest), list[int]()
    for _ in range(min(n, len(relevance))):
        best = int(gain.argmax())
        chosen.append(best)
        fixed[best] = -np.inf
        if has_code[best]:
            distances = np.bitwise_count(words ^ words[best])
            np.minimum(nearest, distances[:, 0] if words.shape[1] == 1 else distances.sum(axis=1), out=nearest)
        np.multiply(slopes, nearest, out=gain)
        gain += fixed
        np.rint(gain, out=gain)
    return np.concatenate([np.array(chosen, dtype=np.int64), np.flatnonzero(fixed > -np.inf)])


def _as_words(codes: Codes) -> NDArray[np.uint64]:
    """`(m, n_bytes)` codes as `(m, n_words)` words, the last one filled up with zeros."""
    n, n_bytes = codes.shape
    padded = np.zeros((n, -(-n_bytes // 8) * 8), np.uint8)
    padded[:, :n_bytes] = codes
    return padded.view(np.uint64)
