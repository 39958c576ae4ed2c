"""The loops of the columns, compiled by numba; `reference` says what each does.

Values are compared some thousand at a time, one byte of a buffer that stays in the fastest cache for each; eight bytes
become one of a bitmap by a multiplication. Both are what compilers make vector instructions of, on any processor.
Integers are taken as unsigned ones, so that there is one loop for each of their lengths: from `least` to `most` lie
those that, less `least`, are at most `most - least`, modulo two to the power of their length.

`service.index.columns.kernels.select` refuses this module if it answers otherwise than `reference`.
"""

# numba infers the types of what it compiles
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.index import compiler
from service.index.bits import Bitmap
from service.index.columns.kernels.reference import Rows

COMPILED_IN = tuple(Path(str(module)) for module in (__file__, compiler.__file__))
"""Every file of ours that the loops take something from, this one first."""
BLOCK = 8192
"""Values that are compared before their bits are packed."""

jit = compiler.compiling(compiler.cache_folder(COMPILED_IN))


@jit
def compare(values, least, span, hits):
    """Write whether each of some unsigned integers lies at most `span` above `least`."""
    for i in range(len(values)):
        hits[i] = values.dtype.type(values[i] - least) <= span


@jit
def compare_floats(values, least, most, hits):
    """Write whether each of some floats lies between two, or is one of them."""
    for i in range(len(values)):
        hits[i] = (values[i] >= least) & (values[i] <= most)


@jit
def look_up(values, first, table, hits):
    """Write what a table, whose last entry is that of all beyond it, has for each of some unsigned integers."""
    last = np.uint64(len(table) - 1)
    for i in range(len(values)):
        hits[i] = table[min(np.uint64(values.dtype.type(values[i] - first)), last)]


@jit
def pack(eights, out):
    """Pack bytes that are 0 or 1, eight to a word, into bits."""
    for i in range(len(out)):
        out[i] = (eights[i] * np.uint64(0x0102040810204080)) >> np.uint64(56)


@jit
def mark_between(values, least, span, hits, eights, out):
    """Write the bitmap of the unsigned integers that lie at most `span` above `least`."""
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        hits[len(block) :] = 0
        compare(block, least, span, hits)
        pack(eights, out[start >> 3 : (start + len(block) + 7) >> 3])


@jit
def mark_between_floats(values, least, most, hits, eights, out):
    """Write the bitmap of the floats between two."""
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        hits[len(block) :] = 0
        compare_floats(block, least, most, hits)
        pack(eights, out[start >> 3 : (start + len(block) + 7) >> 3])


@jit
def mark_chosen(values, first, table, hits, eights, out):
    """Write the bitmap of the unsigned integers that a table has."""
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        hits[len(block) :] = 0
        look_up(block, first, table, hits)
        pack(eights, out[start >> 3 : (start + len(block) + 7) >> 3])


@jit
def spread_bits(rows, places, words):
    """Set the bits of the rows, which ascend, of the places that a bitmap has; a word is written once."""
    current, word = np.int64(0), np.uint64(0)
    for byte in range(len(places)):
        marks = np.int64(places[byte])
        if marks == 0:
            continue
        for i in range(min(8, len(rows) - 8 * byte)):  # without a branch on the bit, which cannot be foreseen
            row = np.int64(rows[8 * byte + i])
            if row >> 6 != current:
                words[current] |= word
                current, word = row >> 6, np.uint64(0)
            word |= np.uint64(marks >> i & 1) << np.uint64(row & 63)
    words[current] |= word


@jit
def count_codes(codes, shown, counts):
    """Add up how often each code is in the rows of a bitmap, code i in row i; the last count is of all beyond."""
    last = np.uint64(len(counts) - 1)
    for byte in range((len(codes) + 7) >> 3):
        marks = np.int64(shown[byte])
        if marks == 0:
            continue
        for i in range(min(8, len(codes) - 8 * byte)):
            counts[min(np.uint64(codes[8 * byte + i]), last)] += marks >> i & 1


@jit
def count_codes_of_rows(codes, rows, shown, counts):
    """The same of codes in rows of their own."""
    last = np.uint64(len(counts) - 1)
    for i in range(len(codes)):
        row = np.int64(rows[i])
        counts[min(np.uint64(codes[i]), last)] += np.int64(shown[row >> 3]) >> (row & 7) & 1


def between(values: NDArray[Any], least: float, most: float) -> Bitmap:
    """The places of the values from `least` to `most`, both included."""
    hits, out = np.empty(BLOCK, np.uint8), np.empty((len(values) + 7) >> 3, np.uint8)
    if values.dtype.kind == "f":
        mark_between_floats(values, np.float64(least), np.float64(most), hits, hits.view(np.uint64), out)
        return out
    integers, lowest = _unsigned(values, int(least))
    mark_between(integers, lowest, lowest.dtype.type(int(most) - int(least)), hits, hits.view(np.uint64), out)
    return out


def chosen(values: NDArray[Any], first: int, table: NDArray[np.bool_]) -> Bitmap:
    """The places of the integers of which a table says so."""
    hits, out = np.empty(BLOCK, np.uint8), np.empty((len(values) + 7) >> 3, np.uint8)
    integers, lowest = _unsigned(values, first)
    inside = table[: int(np.iinfo(values.dtype).max) - first + 1]  # or what lies beyond would be taken for the least
    mark_chosen(integers, lowest, np.append(inside, False).view(np.uint8), hits, hits.view(np.uint64), out)
    return out


def spread(rows: Rows, places: Bitmap, n_rows: int) -> Bitmap:
    """The rows of some places."""
    words = np.zeros((n_rows + 63) >> 6, np.uint64)
    if len(rows):
        spread_bits(rows, places, words)
    return words.view(np.uint8)[: (n_rows + 7) >> 3]


def tally(codes: NDArray[np.integer], rows: Rows | None, shown: Bitmap, n: int) -> NDArray[np.int64]:
    """How often each code below `n` occurs in some rows."""
    counts, (integers, _) = np.zeros(n + 1, np.int64), _unsigned(codes, 0)
    if rows is None:
        count_codes(integers, shown, counts)
    else:
        count_codes_of_rows(integers, rows, shown, counts)
    return counts[:n]


def _unsigned(values: NDArray[Any], least: int) -> tuple[NDArray[Any], Any]:
    """Integers or booleans as unsigned integers of the same bits, and one more as such a number."""
    kind = np.dtype(f"u{values.dtype.itemsize}")
    return values.view(kind), kind.type(least % (1 << 8 * kind.itemsize))
