"""Slow and obvious: what the fast code must agree with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
"""Named here anew: nothing in this module comes from the code that it checks."""

Match = tuple[int, int]
"""Distance in bits and key: sorting matches gives the total order."""


def distance(a: bytes, b: bytes) -> int:
    """Number of bits in which two codes differ."""
    return sum((x ^ y).bit_count() for x, y in zip(a, b, strict=True))


def distances(codes: Codes, code: Codes) -> NDArray[np.int64]:
    """The same for many codes at once; `codes` and `code` broadcast against each other but for the last axis."""
    differing: NDArray[np.int64] = np.unpackbits(codes ^ code, axis=-1).sum(axis=-1, dtype=np.int64)
    return differing


def flip_cost(code: bytes, query: bytes, confidence: NDArray[np.uint8]) -> int:
    """Sum of the confidence of the bits in which a code differs from a query; bit 0 is the highest of byte 0."""
    pairs = list(zip(code, query, strict=True))
    bits = [(x ^ y) >> (7 - position) & 1 for x, y in pairs for position in range(8)]
    return sum(sure for bit, sure in zip(bits, confidence.tolist(), strict=True) if bit)


def within(model: Mapping[int, bytes], code: bytes, radius: int) -> list[Match]:
    """Every (distance, key) within a radius, in the total order."""
    matches = [(distance(other, code), key) for key, other in model.items()]
    return sorted(match for match in matches if match[0] <= radius)


def nearest(model: Mapping[int, bytes], code: bytes, k: int) -> list[Match]:
    """The first `k` of every (distance, key), in the total order."""
    return within(model, code, 8 * len(code))[:k]


def clustered_codes(rng: np.random.Generator, n: int, n_bits: int, n_centers: int = 5, flip: float = 0.08) -> Codes:
    """Codes as learned ones are: `n` around a few centers, many alike; `flip` is the share of bits that differ."""
    centers = rng.integers(0, 2, (n_centers, n_bits), dtype=np.uint8)
    flips = rng.random((n, n_bits)) < flip
    return np.packbits(centers[rng.integers(0, n_centers, n)] ^ flips, axis=1)
