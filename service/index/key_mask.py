"""Key mask: which documents an answer may hold, one set of keys for codes, words and metadata alike."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidInput
from service.index.bits import Bitmap, are_in, count, remove

Keys = NDArray[np.int64]
"""`(n,)` int64 document keys."""

SPARSE = 64
"""Keys are kept as a bitmap where at least one of so many in their range is among them."""


class KeyMask:
    """The documents that an answer may hold: a bitmap over a range of keys, or keys that lie far apart.

    Args:
        first_key: the key that the first bit stands for.
        bits: `(n_bytes,)` uint8, bit `i % 8` of byte `i // 8` says whether `first_key + i` is allowed
            (`np.packbits(..., bitorder="little")`).
    """

    __slots__ = ("_n_keys", "bits", "first_key", "keys")

    def __init__(self, first_key: int, bits: Bitmap) -> None:
        if bits.ndim != 1 or bits.dtype != np.uint8:
            raise InvalidInput(f"bits must be (n_bytes,) uint8, got {bits.shape} {bits.dtype}")
        self.first_key, self.bits = first_key, np.ascontiguousarray(bits)
        self.keys: Keys | None = None
        """The allowed keys, ascending, where a bitmap would be longer; `bits` is empty then."""
        self._n_keys: int | None = None

    @classmethod
    def of_keys(cls, keys: Keys | Collection[int]) -> Self:
        """A mask of `(n,)` keys in any order."""
        given = keys if isinstance(keys, np.ndarray) else np.fromiter(keys, np.int64, len(keys))
        given = given.astype(np.int64, copy=False)
        if not len(given):
            return cls(0, np.empty(0, np.uint8))
        first = int(given.min()) & ~7  # masks whose first keys differ by whole bytes are combined fast
        span = int(given.max()) - first + 1
        if span <= SPARSE * len(given):
            shown = np.zeros(span, bool)
            shown[given - first] = True
            return cls(first, np.packbits(shown, bitorder="little"))
        mask = cls(first, np.empty(0, np.uint8))
        mask.keys = np.unique(given)
        return mask

    def __len__(self) -> int:
        """How many keys are allowed. A bitmap is counted at the first call: it must not change afterwards."""
        if self._n_keys is None:
            self._n_keys = len(self.keys) if self.keys is not None else count(self.bits)
        return self._n_keys

    def covers(self, keys: Keys) -> NDArray[np.bool_]:
        """Which of `(n,)` keys are allowed."""
        keys = np.asarray(keys, np.int64)
        if self.keys is not None:
            places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
            found: NDArray[np.bool_] = self.keys[places] == keys
            return found
        numbers = keys - self.first_key
        is_inside = (numbers >= 0) & (numbers < 8 * len(self.bits))
        is_inside[is_inside] = are_in(self.bits, numbers[is_inside])
        return is_inside

    def allowed_keys(self) -> Keys:
        """The allowed keys, ascending. Cost: linear in their range."""
        if self.keys is not None:
            return self.keys
        return np.flatnonzero(np.unpackbits(self.bits, bitorder="little")) + self.first_key

    def __and__(self, other: KeyMask) -> KeyMask:
        """The keys that both allow."""
        if self.keys is not None or other.keys is not None:
            few, rest = (self, other) if self.keys is not None else (other, self)
            keys = few.allowed_keys()
            return KeyMask.of_keys(keys[rest.covers(keys)])
        first = max(self.first_key, other.first_key)
        if (self.first_key - other.first_key) % 8:
            keys = self.allowed_keys()
            return KeyMask.of_keys(keys[other.covers(keys)])
        begins = [(first - mask.first_key) // 8 for mask in (self, other)]
        n = max(0, min(len(mask.bits) - begin for mask, begin in zip((self, other), begins, strict=True)))
        return KeyMask(first, self.bits[begins[0] : begins[0] + n] & other.bits[begins[1] : begins[1] + n])

    def without(self, keys: Keys) -> KeyMask:
        """The same but for some keys."""
        if self.keys is not None:
            return KeyMask.of_keys(np.setdiff1d(self.keys, keys))
        numbers = np.asarray(keys, np.int64) - self.first_key
        bits = self.bits.copy()
        remove(bits, numbers[(numbers >= 0) & (numbers < 8 * len(bits))])
        return KeyMask(self.first_key, bits)
