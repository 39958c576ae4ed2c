"""RowKeys: which document each row is of; rows ascend by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.index.bits import Bitmap, are_in
from service.index.key_mask import KeyMask, Keys

_HOLES = 8
"""There is a row for every key from the first to the last where one of so many is a document's."""
_SPARSE = 64
"""As of `KeyMask`: a bitmap of keys has one of so many set at least."""


@dataclass(frozen=True, slots=True, eq=False)
class RowKeys:
    """The keys of rows: one after the other from `first_key`, which is a multiple of 8; or each its own.

    Attributes:
        first_key: that of row 0.
        n_rows: how many rows.
        keys: `(n_rows,)` ascending; None where row i has the key `first_key + i`, holes included.
    """

    first_key: int
    n_rows: int
    keys: Keys | None

    @classmethod
    def of_sorted(cls, keys: Keys) -> Self:
        """Rows for `(n,)` different keys that ascend."""
        if not len(keys):
            return cls(0, 0, None)
        first = int(keys[0]) & ~7
        n_rows = int(keys[-1]) - first + 1
        return cls(first, n_rows, None) if n_rows <= _HOLES * len(keys) + 8 else cls(first, len(keys), keys)

    def rows_of(self, keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The rows of `(m,)` keys, and whether each has one; row 0 where it has none."""
        if not self.n_rows:
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), bool)
        if self.keys is None:
            # no difference of keys is taken before it is known to be small: they may be far apart
            has = (keys >= self.first_key) & (keys < self.first_key + self.n_rows)
            return np.where(has, keys, self.first_key) - self.first_key, has
        rows = np.minimum(np.searchsorted(self.keys, keys), self.n_rows - 1)
        has = self.keys[rows] == keys
        return np.where(has, rows, 0), has

    def keys_of(self, rows: NDArray[np.integer]) -> Keys:
        """The keys of some rows."""
        return rows.astype(np.int64) + self.first_key if self.keys is None else self.keys[rows]

    def bitmap(self, mask: KeyMask) -> Bitmap:
        """The rows whose keys a mask has."""
        n_bytes = -(-self.n_rows // 8)
        if self.keys is None and mask.keys is None and (mask.first_key - self.first_key) % 8 == 0:
            shift = (mask.first_key - self.first_key) // 8
            begin, end = max(shift, 0), min(shift + len(mask.bits), n_bytes)
            bits = np.zeros(n_bytes, np.uint8)
            if begin < end:
                bits[begin:end] = mask.bits[begin - shift : end - shift]
            return bits
        if self.keys is not None and len(mask) > self.n_rows // 8:
            return np.packbits(mask.covers(self.keys), bitorder="little")
        rows, has = self.rows_of(mask.allowed_keys())
        shown = np.zeros(self.n_rows, bool)
        shown[rows[has]] = True
        return np.packbits(shown, bitorder="little")

    def mask(self, bits: Bitmap, others: Keys) -> KeyMask:
        """The keys of some rows and `others`."""
        if self.keys is None and _is_near(others, self.first_key, self.n_rows):
            last = int(others.max()) if len(others) else self.first_key + self.n_rows - 1
            longer = np.zeros(max(len(bits), (last - self.first_key) // 8 + 1), np.uint8)
            longer[: len(bits)] = bits
            np.bitwise_or.at(longer, (others - self.first_key) >> 3, np.uint8(1) << (others & 7).astype(np.uint8))
            return KeyMask(self.first_key, longer)
        keys = self.keys_of(set_rows(bits, self.n_rows))
        if not len(keys) or not _is_near(others, int(keys[0]), _SPARSE * len(keys)):
            return KeyMask.of_keys(np.concatenate([keys, others]))
        first, last = int(keys[0]) & ~7, max(int(keys[-1]), int(others.max(initial=keys[-1])))
        if last - first >= _SPARSE * (len(keys) + len(others)):
            return KeyMask.of_keys(np.concatenate([keys, others]))
        shown = np.zeros(last - first + 1, bool)
        shown[keys - first] = True
        shown[others - first] = True
        return KeyMask(first, np.packbits(shown, bitorder="little"))


def set_rows(bits: Bitmap, n_rows: int) -> NDArray[np.int64]:
    """The rows that a bitmap has, ascending."""
    return np.flatnonzero(np.unpackbits(bits, count=n_rows, bitorder="little"))


def are_set(bits: Bitmap, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which of some rows a bitmap has."""
    return are_in(bits, rows) if len(bits) else np.zeros(len(rows), bool)


def _is_near(keys: Keys, first: int, span: int) -> bool:
    """Whether no key comes before the first, nor far behind a span after it."""
    return not len(keys) or (first <= int(keys.min()) and int(keys.max()) - first < 2 * span + _SPARSE * len(keys))
