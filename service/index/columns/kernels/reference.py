"""The loops of the columns in plain numpy: what `compiled` must equal, and its stand-in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.index.bits import Bitmap

Rows = NDArray[np.integer]
_BLOCK = 1 << 16
"""Values that are compared at once: the arrays between stay in the cache, and are not asked of the system each time."""


def between(values: NDArray[Any], least: float, most: float) -> Bitmap:
    """The places of the values from `least` to `most`, both included; of `(n,)` numbers or booleans.

    The bounds must be values of the type of the others, and not in the wrong order.
    """
    out = np.empty((len(values) + 7) // 8, np.uint8)
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        hits = (block >= least) & (block <= most)
        out[start // 8 : (start + len(block) + 7) // 8] = np.packbits(hits, bitorder="little")
    return out


def chosen(values: NDArray[Any], first: int, table: NDArray[np.bool_]) -> Bitmap:
    """The places of the integers of which `table`, `(m,)`, says so, at their distance from `first`; none beyond it.

    `first` must be a value of the type of the others.
    """
    if first == 0 and values.dtype.kind == "u":
        hits = np.take(np.append(table, False), values, mode="clip")
    else:  # no difference is taken before it is known to be small
        inside = (values >= first) & (values.astype(np.int64) <= first + len(table) - 1)
        hits = np.zeros(len(values), bool)
        hits[inside] = table[values[inside].astype(np.int64) - first]
    return np.packbits(hits, bitorder="little")


def spread(rows: Rows, places: Bitmap, n_rows: int) -> Bitmap:
    """The rows, below `n_rows`, of some places of `(n,)` ascending rows."""
    shown = np.zeros(n_rows, bool)
    shown[rows[np.unpackbits(places, count=len(rows), bitorder="little").view(bool)]] = True
    return np.packbits(shown, bitorder="little")


def tally(codes: NDArray[np.integer], rows: Rows | None, shown: Bitmap, n: int) -> NDArray[np.int64]:
    """How often each code below `n` occurs in some rows.

    Args:
        codes: `(m,)`, not negative; those that are not below `n` are not counted.
        rows: `(m,)` the row of each; None where code i is in row i.
        shown: the rows in which codes are counted.
    """
    marks = np.unpackbits(shown, bitorder="little").view(bool)
    wanted = codes[marks[: len(codes)] if rows is None else marks[rows]]
    return np.bincount(wanted, minlength=n)[:n].astype(np.int64)
