"""What a search of the inverted index is asked, and what it gives back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidInput
from service.index.words.bits import Bitmap

Keys = NDArray[np.int64]

_SPARSE = 64
"""Keys are kept as a bitmap where at least one of so many in their range is among them."""


@dataclass(frozen=True)
class Clause:
    """One concept of a query: a document scores the maximum over the alternatives of their weight times its BM25.

    Attributes:
        alternatives: terms with their weights, at least 0: a word and its synonyms, completions or corrections.
        is_required: an answer holds only documents that have one of the alternatives.
        is_excluded: an answer holds no document that has one of the alternatives; the weights do not matter.
        weight: what the clause counts among the others, at least 0.
    """

    alternatives: tuple[tuple[str, float], ...]
    is_required: bool = False
    is_excluded: bool = False
    weight: float = 1.0


class WordMatches(NamedTuple):
    """An answer, descending by score and, where scores are equal, ascending by key.

    `keys` `(n,)` int64, `scores` `(n,)` float32; `n_matching` documents match in all, and `n_dropped` clauses that are
    neither required nor excluded were left out because the query has too many.
    """

    keys: Keys
    scores: NDArray[np.float32]
    n_matching: int
    n_dropped: int = 0


class KeyMask:
    """The documents that an answer may hold: a bitmap over a range of keys, or keys that lie far apart.

    Args:
        first_key: the key that the first bit stands for.
        bits: `(n_bytes,)` uint8, bit `i % 8` of byte `i // 8` says whether `first_key + i` is allowed
            (`np.packbits(..., bitorder="little")`).
    """

    __slots__ = ("bits", "first_key", "keys")

    def __init__(self, first_key: int, bits: Bitmap) -> None:
        if bits.ndim != 1 or bits.dtype != np.uint8:
            raise InvalidInput(f"bits must be (n_bytes,) uint8, got {bits.shape} {bits.dtype}")
        self.first_key, self.bits = first_key, np.ascontiguousarray(bits)
        self.keys: Keys | None = None
        """The allowed keys, ascending, where a bitmap would be longer; `bits` is empty then."""

    @classmethod
    def of_keys(cls, keys: Keys | Collection[int]) -> Self:
        """A mask of `(n,)` keys in any order."""
        given = keys if isinstance(keys, np.ndarray) else np.fromiter(keys, np.int64, len(keys))
        wanted = np.unique(given.astype(np.int64))
        mask = cls(int(wanted[0]) if len(wanted) else 0, np.empty(0, np.uint8))
        span = int(wanted[-1]) - int(wanted[0]) + 1 if len(wanted) else 0
        if span > _SPARSE * len(wanted):
            mask.keys = wanted
        elif len(wanted):
            shown = np.zeros(span, bool)
            shown[wanted - wanted[0]] = True
            mask.bits = np.packbits(shown, bitorder="little")
        return mask
