"""Placing: where documents lie in the plane, by their codes: near landmarks whose places are known, or by two axes.

Landmarks are the documents whose numbers have the smallest hash: while a collection grows, most of them stay.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.hashing.codes import Codes, unpack
from service.index.hamming.table import HammingTable

Keys = NDArray[np.int64]
Positions = NDArray[np.float32]
"""`(n, 2)` float32."""

MAX_LANDMARKS = 20_000
NEAREST = 10
"""Landmarks at whose median a document lies."""
_JITTER = 0.012
"""Radius of the disk around its place that a document lies in, in standard deviations of the map."""
_TOGETHER = 1 << 15


def landmark_rows(keys: Keys, n: int = MAX_LANDMARKS) -> NDArray[np.intp]:
    """The rows of up to `n` landmarks among `(m,)` documents, ascending."""
    if len(keys) <= n:
        return np.arange(len(keys))
    return np.sort(np.argpartition(_hashes(keys), n)[:n])


class Landmarks:
    """Documents whose places are known, and by which others are placed.

    Args:
        keys: `(n,)` documents, each once.
        codes: `(n, n_bytes)`.
        positions: `(n, 2)`, where they lie.
    """

    def __init__(self, keys: Keys, codes: Codes, positions: Positions) -> None:
        order = np.argsort(keys)
        self._keys, self._positions = keys[order], positions[order]
        self._table = HammingTable.build(codes, keys)
        self._radius = jitter_radius(positions)

    def place(self, codes: Codes, keys: Keys) -> Positions:
        """Where `(m,)` documents lie: at the median of the nearest landmarks, and a little aside.

        So equal codes do not hide one another. Blocks.

        Cost: of 20,000 landmarks some 10 us of a core for each.
        """
        positions = np.empty((len(codes), 2), np.float32)
        for start in range(0, len(codes), _TOGETHER):
            rows = slice(start, start + _TOGETHER)
            found = self._table.search(codes[rows], NEAREST).keys  # (m, NEAREST)
            near = np.sort(self._positions[np.searchsorted(self._keys, found)], axis=1)  # each axis for itself
            n = near.shape[1]
            positions[rows] = (near[:, (n - 1) // 2] + near[:, n // 2]) / 2
        return _aside(positions, keys, self._radius)


def by_axes(codes: Codes, keys: Keys) -> Positions:
    """Where `(n,)` documents lie on the two principal components of their codes, `(n, 2)`; a little aside, too.

    The components are those of the landmarks, so that they hardly change while the collection grows. Blocks.

    Cost: linear; .1 s for a million documents.
    """
    if not len(codes):
        return np.empty((0, 2), np.float32)
    bits = unpack(codes[landmark_rows(keys)]).astype(np.float64)  # (landmarks, n_bits)
    mean = bits.mean(axis=0)
    axes = _signed(np.linalg.eigh(np.cov(bits.T, bias=True))[1][:, -1:-3:-1])  # (n_bits, 2)
    of_byte = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float64)  # (256, 8)
    positions = np.tile((-mean @ axes).astype(np.float32), (len(codes), 1))
    for byte in range(codes.shape[1]):
        shares = (of_byte @ axes[8 * byte : 8 * byte + 8]).astype(np.float32)  # (256, 2)
        positions += shares[codes[:, byte]]
    return _aside(positions, keys, jitter_radius(positions))


def jitter_radius(positions: Positions) -> float:
    """How far aside a document may lie on a map with these positions."""
    return _JITTER * float(positions.std()) if len(positions) else 0.0


def _signed(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The axes, each turned so that its greatest entry is positive: a map is never the mirror image of another."""
    greatest: NDArray[np.float64] = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return axes * np.where(greatest < 0, -1.0, 1.0)


def _aside(positions: Positions, keys: Keys, distance: float) -> Positions:
    """The positions, each moved by up to that distance, always in the same way."""
    hashes = _hashes(keys)
    angle = (hashes >> np.uint64(32)).astype(np.float32) * np.float32(2 * np.pi / 2**32)
    radius = np.sqrt((hashes & np.uint64(0xFFFFFFFF)).astype(np.float32) / np.float32(2**32))
    moves = np.float32(distance) * np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    moved: Positions = positions + moves
    return moved


def _hashes(keys: Keys) -> NDArray[np.uint64]:
    """A number for each document that looks like chance. Source: Steele, Lea, Flood (2014), SplitMix64."""
    x = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
