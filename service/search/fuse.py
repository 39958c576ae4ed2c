"""Words and codes together: what the documents that words have found tell a code where to look, and one score of both.

    p = (1 - s) q + s c      q: the query's logits, c: the mean of the bits (+-1) of the best documents by words,
                             weighed by their squared scores; each divided by its mean absolute value
    score = BM25 / best BM25 + a sum_j p_j s_j(d) / sum_j |p_j|        s(d): the bits (+-1) of a document

The code that is searched is the sign of p, |p| is its confidence.

Source: Rocchio (1971), "Relevance feedback in information retrieval", here without a judge and in the space of codes.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from service.hashing.codes import Codes, pack, unpack

Direction = NDArray[np.float32]
"""`(n_bits,)` float32: towards which side each bit is looked for, and how surely; zeros where nothing is known."""

FEEDBACK_DOCUMENTS = 5
"""Documents found by words whose codes tell where to look: few, or who looks for one thing gets its whole topic."""
FEEDBACK_SHARE = 0.6
"""How much they tell beside the query's own code."""
CODE_WEIGHT = 0.5
"""What the agreement of codes counts where the best document by words counts 1; for 64 bits."""


def code_weight(n_bits: int, is_trained: bool) -> float:
    """What the agreement of codes counts: the more the more bits there are, and nothing if they learned nothing.

    The agreement of codes that have nothing to do with each other has a deviation of about `1 / sqrt(n_bits)`.
    """
    return CODE_WEIGHT * sqrt(n_bits / 64) if is_trained else 0.0


def signs(codes: Codes) -> NDArray[np.float32]:
    """Bits as +-1: `(n, n_bits)` float32 of `(n, n_bits // 8)` codes."""
    doubled = unpack(codes).view(np.int8) * np.int8(2)  # in place of np.where, which takes ten times as long
    return (doubled - np.int8(1)).astype(np.float32)  # (n, n_bits)


def direction_of(code: Codes, confidence: NDArray[np.uint8]) -> Direction:
    """The query's logits, up to a factor: `(n_bits,)` of its code `(n_bytes,)` and confidence `(n_bits,)`."""
    return np.asarray(signs(code[None])[0] * confidence.astype(np.float32), dtype=np.float32)


def feedback(codes: Codes, scores: NDArray[np.float32]) -> Direction:
    """The mean of the bits of documents `(n, n_bytes)`, weighed by their squared scores `(n,)`; zeros if none."""
    weights = np.square(scores, dtype=np.float32)
    total = float(weights.sum())
    if not total:
        return np.zeros(codes.shape[1] * 8, dtype=np.float32)
    return np.asarray(weights @ signs(codes) / total, dtype=np.float32)


def blend(query: Direction, found: Direction, share: float = FEEDBACK_SHARE) -> Direction:
    """Where to look, of the query's own direction and that of what words have found; either may be zeros."""
    scaled = [_scaled(query), _scaled(found)]
    if not scaled[0].any() or not scaled[1].any():
        return scaled[0] + scaled[1]
    return (1 - share) * scaled[0] + share * scaled[1]


def code_to_search(direction: Direction) -> tuple[Codes, NDArray[np.uint8]]:
    """The code `(n_bytes,)` that lies there, and the confidence of its bits, `(n_bits,)` uint8."""
    size = np.abs(direction)
    largest = float(size.max(initial=0))
    confidence = np.rint(size * (255 / largest)).astype(np.uint8) if largest else np.zeros(len(size), np.uint8)
    return pack(direction[None] > 0)[0], confidence


def agreement(direction: Direction, codes: Codes) -> NDArray[np.float32]:
    """How far the bits of documents `(n, n_bytes)` agree with a direction: `(n,)` float32, from -1 to 1."""
    total = float(np.abs(direction).sum())
    if not total:
        return np.zeros(len(codes), dtype=np.float32)
    return np.asarray(signs(codes) @ direction / total, dtype=np.float32)


def _scaled(direction: Direction) -> Direction:
    mean = float(np.abs(direction).mean())
    return direction / mean if mean else direction
