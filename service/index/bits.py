"""Sets of numbers as bitmaps: bit `i % 8` of byte `i // 8` says whether i is in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bitmap = NDArray[np.uint8]


def full(n: int) -> Bitmap:
    """All numbers below n."""
    return np.full(n // 8 + 1, 255, np.uint8)


def of(n: int, numbers: NDArray[np.integer]) -> Bitmap:
    """Some numbers below n."""
    bitmap = np.zeros(n // 8 + 1, np.uint8)
    add(bitmap, numbers)
    return bitmap


def add(bitmap: Bitmap, numbers: NDArray[np.integer]) -> None:
    """Put numbers in, in place."""
    np.bitwise_or.at(bitmap, numbers >> 3, (1 << (numbers & 7)).astype(np.uint8))


def remove(bitmap: Bitmap, numbers: NDArray[np.integer]) -> None:
    """Take numbers out, in place."""
    np.bitwise_and.at(bitmap, numbers >> 3, ~(1 << (numbers & 7)).astype(np.uint8))


def are_in(bitmap: Bitmap, numbers: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which of some numbers are in."""
    found: NDArray[np.bool_] = (bitmap[numbers >> 3] >> (numbers & 7) & 1).astype(bool)
    return found


def count(bitmap: Bitmap) -> int:
    """How many numbers are in. Cost: 12 us for a million."""
    whole = len(bitmap) & -8
    words: NDArray[np.uint64] = bitmap[:whole].view(np.uint64)
    return int(np.bitwise_count(words).sum()) + int(np.bitwise_count(bitmap[whole:]).sum())
