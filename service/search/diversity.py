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
from service.search.fuse import signs


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

    Cost: `n` times the candidates.
    """
    bits = signs(codes) * has_code[:, None]  # (m, n_bits)
    relevant, likeness = (1 - diversity) * relevance, np.zeros(len(relevance), dtype=np.float64)
    taken = np.zeros(len(relevance), dtype=np.float64)
    """What the gain of a candidate loses that was chosen: 0 or everything."""
    chosen: list[int] = []
    for _ in range(min(n, len(relevance))):
        gain = np.round(relevant - diversity * likeness, 9) - taken
        best = int(gain.argmax())
        chosen.append(best)
        taken[best] = np.inf
        if has_code[best]:
            agreement = (bits @ bits[best] / bits.shape[1] + 1) / 2
            np.maximum(likeness, agreement * has_code, out=likeness)
    return np.concatenate([np.array(chosen, dtype=np.int64), np.flatnonzero(taken == 0)])
