"""Column: the values of one type that the rows have in one field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.index.bits import Bitmap
from service.index.columns.kernels.select import loops
from service.index.columns.selected import Interval, Selected, Table, Wanted

Rows = NDArray[np.integer]
_DENSE = 1.5
"""Values are kept one a row, and not as pairs of row and value, where that takes at most so many times as much memory:
conditions are computed faster then."""


class Dictionary(Protocol):
    """The texts of a column, each known by its code."""

    @property
    def memory_bytes(self) -> int:
        """Bytes that it takes."""

    def __len__(self) -> int: ...
    def __getitem__(self, code: int) -> str: ...
    def equal_to(self, texts: Sequence[str]) -> Selected:
        """The codes of some texts."""

    def between(self, gt: str | None, gte: str | None, lt: str | None, lte: str | None) -> Selected:
        """The codes of the texts between these, in the order of code points; None leaves a side open."""

    def dated(self, first: int, last: int) -> Selected:
        """The codes of the texts that are dates from one instant to another, both included."""

    def beginning_with(self, prefix: str) -> Selected:
        """The codes of the texts that begin so."""

    def containing(self, text: str) -> Selected:
        """The codes of the texts that have that one in them."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Values of one type, never changed.

    Attributes:
        n_rows: rows there are, with a value or without.
        rows: `(n,)` the row of each value, ascending; None where `values` has one for each row.
        present: the rows that have a value, where `values` has one for each row but not all count; else None.
        values: `(n,)` or `(n_rows,)`: integers, floats, booleans, or the codes of texts.
        texts: their dictionary.
    """

    n_rows: int
    rows: Rows | None
    present: Bitmap | None
    values: NDArray[Any]
    texts: Dictionary | None = None

    @property
    def n_values(self) -> int:
        """How many values there are."""
        return len(self.values) if self.present is None else int(np.bitwise_count(self.present).sum())

    @property
    def memory_bytes(self) -> int:
        """Bytes of the arrays, without the dictionary."""
        return sum(a.nbytes for a in (self.rows, self.present, self.values) if a is not None)

    def bitmap(self, wanted: Wanted) -> Bitmap:
        """The rows of some values.

        Cost: of an interval of a million integers with a row each some 60 us, of a table .5 ms; of two values a row,
        in rows of their own, 1 ms.
        """
        if isinstance(wanted, Interval):
            places = loops().now.between(self.values, *wanted)
        else:
            places = loops().now.chosen(self.values, *wanted) if isinstance(wanted, Table) else _packed(wanted)
        if self.rows is None:
            return places if self.present is None else places & self.present
        return loops().now.spread(self.rows, places, self.n_rows)

    def rows_present(self) -> Bitmap:
        """The rows that have a value."""
        if self.present is not None:
            return self.present
        return self.bitmap(np.ones(len(self.values), bool))

    def tally(self, rows: Bitmap, n: int) -> NDArray[np.int64]:
        """How often each code below `n` occurs in some rows, `(n,)`; of a column of texts."""
        shown = rows if self.rows is not None or self.present is None else rows & self.present
        return loops().now.tally(self.values, self.rows, shown, n)

    def pairs(self) -> tuple[Rows, NDArray[Any]]:
        """Row and value of each value, ascending by row."""
        if self.rows is not None:
            return self.rows, self.values
        if self.present is None:
            return np.arange(self.n_rows), self.values
        rows = np.flatnonzero(np.unpackbits(self.present, count=self.n_rows, bitorder="little"))
        return rows, self.values[rows]

    def in_rows(self, rows: Bitmap) -> NDArray[Any]:
        """The values of some rows."""
        if self.rows is not None:
            is_wanted = np.unpackbits(rows, count=self.n_rows, bitorder="little").view(bool)[self.rows]
        else:
            wanted = rows if self.present is None else rows & self.present
            is_wanted = np.unpackbits(wanted, count=self.n_rows, bitorder="little").view(bool)
        found: NDArray[Any] = self.values[is_wanted]
        return found

    def of_rows(self, wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Of `(m,)` rows, in any order, each once: the places among them of all values, ascending, and the values."""
        if self.rows is None:
            if self.present is None:
                return np.arange(len(wanted)), self.values[wanted]
            has = (self.present[wanted >> 3] >> (wanted & 7) & 1).astype(bool)
            return np.flatnonzero(has), self.values[wanted[has]]
        if len(wanted) * 16 < len(self.rows):
            left = np.searchsorted(self.rows, wanted.astype(self.rows.dtype), "left")
            right = np.searchsorted(self.rows, wanted.astype(self.rows.dtype), "right")
            counts = right - left
            places = np.repeat(np.arange(len(wanted)), counts)
            offsets = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
            return places, self.values[left[places] + offsets]
        place = np.full(self.n_rows, -1, np.int64)
        place[wanted] = np.arange(len(wanted))
        places = place[self.rows]
        among = places >= 0
        order = np.argsort(places[among], kind="stable")
        return places[among][order], self.values[among][order]


def laid_out(n_rows: int, pairs: tuple[Rows, NDArray[Any]], is_item: bool, texts: Dictionary | None) -> Column:
    """A column of rows and values that ascend by row, in the layout that takes little memory and time.

    Integers and codes are kept in as few bytes as the values of the column need.
    """
    rows, values = pairs
    if texts is not None or values.dtype.kind == "i":
        values = values.astype(_smallest(values), copy=False)
    n_bytes = values.dtype.itemsize
    if is_item or n_rows * n_bytes > _DENSE * len(rows) * (n_bytes + 4):
        return Column(n_rows, rows.astype(np.uint32), None, values, texts)
    if len(rows) == n_rows:
        return Column(n_rows, None, None, values, texts)
    every = np.zeros(n_rows, values.dtype)
    every[rows] = values
    has = np.zeros(n_rows, bool)
    has[rows] = True
    return Column(n_rows, None, np.packbits(has, bitorder="little"), every, texts)


def _packed(hits: NDArray[np.bool_]) -> Bitmap:
    return np.packbits(hits, bitorder="little")


def _smallest(values: NDArray[Any]) -> np.dtype[Any]:
    """The shortest type that holds some integers of 64 bits."""
    if not len(values):
        return np.dtype(np.int8)
    found = np.promote_types(np.min_scalar_type(values.min()), np.min_scalar_type(values.max()))
    return found if found.itemsize < 8 else np.dtype(np.int64)  # numpy would take floats for -1 and 2**40
