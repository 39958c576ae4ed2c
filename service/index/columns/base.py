"""Base: the rows of all but the newest documents, ascending by key, in arrays that never change."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from service.index.bits import Bitmap
from service.index.columns.column import Column, laid_out
from service.index.columns.evaluate import remembered_as, rows_of
from service.index.columns.filters import Condition, Exists
from service.index.columns.new_texts import NewTexts
from service.index.columns.row_keys import RowKeys, are_set, set_rows
from service.index.columns.tail import Kind, Tail
from service.index.columns.texts import Texts
from service.index.columns.values import TEXT

_OF_A_COLUMN = 500
"""Bytes that a column takes beside its arrays, about."""
_REMEMBERED_LEAST, _REMEMBERED_BYTES = 16, 32 << 20
"""Conditions whose rows are remembered: so many bytes of them, but some however large they are."""


@dataclass(eq=False)
class Base:
    """Columns of rows that never change; a document that is deleted is no longer alive in the view.

    Attributes:
        row_keys: which document each row is of.
        alive: the rows of documents that were alive when it was made.
        fields: by the name of a field, its columns.
    """

    row_keys: RowKeys = field(default_factory=lambda: RowKeys.of_sorted(np.empty(0, np.int64)))
    alive: Bitmap = field(default_factory=lambda: np.empty(0, np.uint8))
    fields: dict[str, dict[Kind, Column]] = field(default_factory=dict)
    _found: dict[Hashable, Bitmap] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def n_rows(self) -> int:
        """Rows, holes included."""
        return self.row_keys.n_rows

    def columns(self, name: str) -> Iterable[tuple[Kind, Column]]:
        """The columns of a field."""
        return self.fields.get(name, {}).items()

    @cached_property
    def names(self) -> list[str]:
        """The names of the fields, ascending."""
        return sorted(self.fields)

    def below(self, name: str) -> list[str]:
        """The names of the fields below a field."""
        begin, end = bisect_left(self.names, f"{name}."), bisect_left(self.names, f"{name}/")  # "/" comes after "."
        return self.names[begin:end]

    def rows_of(self, condition: Condition) -> Bitmap:
        """The rows for which a condition holds, dead ones too; those of conditions that came lately are remembered."""
        asked = remembered_as(condition)
        with self._lock:
            bits = self._found.get(asked)
        if bits is None:
            names = [condition.name]
            if isinstance(condition, Exists):
                names += self.below(condition.name)
            bits = rows_of(condition, [one for name in names for one in self.columns(name)], self.n_rows)
            with self._lock:
                self._found[asked] = bits
                if len(self._found) > max(_REMEMBERED_LEAST, _REMEMBERED_BYTES // (len(bits) + 1_000)):
                    del self._found[next(iter(self._found))]
        return bits

    @property
    def memory_bytes(self) -> int:
        """Bytes that it takes. Cost: linear in the columns."""
        n_bytes = self.alive.nbytes + (0 if self.row_keys.keys is None else self.row_keys.keys.nbytes)
        for columns in self.fields.values():
            for column in columns.values():
                n_bytes += column.memory_bytes + _OF_A_COLUMN
                n_bytes += 0 if column.texts is None else column.texts.memory_bytes
        return n_bytes

    @classmethod
    def merged(cls, base: Base, alive: Bitmap, tail: Tail, tail_alive: NDArray[np.bool_]) -> Self:
        """A base of the rows of another and of a tail that are alive; no key is alive twice.

        Cost: linear in the values.
        """
        rows = set_rows(alive, base.n_rows)
        tail_rows = np.flatnonzero(tail_alive)
        keys = np.concatenate([base.row_keys.keys_of(rows), tail.keys(len(tail_alive))[tail_rows]])
        row_keys = RowKeys.of_sorted(np.sort(keys, kind="stable"))
        n_rows = row_keys.n_rows
        places, _ = row_keys.rows_of(keys)
        moved = np.zeros(base.n_rows, np.int64), np.zeros(len(tail_alive), np.int64)
        moved[0][rows], moved[1][tail_rows] = places[: len(rows)], places[len(rows) :]
        shown = np.zeros(n_rows, bool)
        shown[places] = True
        fields: dict[str, dict[Kind, Column]] = {}
        for name in dict.fromkeys((*base.fields, *tail.fields)):
            newest = dict(tail.columns(name, len(tail_alive)))
            before = base.fields.get(name, {})
            columns = {}
            for kind in sorted({*before, *newest}):
                old = _moved(before[kind], alive, moved[0]) if kind in before else None
                new = _moved_tail(newest[kind], tail_alive, moved[1]) if kind in newest else None
                column = _merged(kind, n_rows, old, new)
                if column is not None:
                    columns[kind] = column
            if columns:
                fields[name] = columns
        return cls(row_keys, np.packbits(shown, bitorder="little"), fields)


Moved = tuple[NDArray[np.int64], NDArray[Any], Any]
"""The new rows of the values that are alive, the values, and their dictionary."""


def _moved(column: Column, alive: Bitmap, moved: NDArray[np.int64]) -> Moved:
    rows, values = column.pairs()
    kept = are_set(alive, rows)
    return moved[rows[kept]], values[kept], column.texts


def _moved_tail(column: Column, alive: NDArray[np.bool_], moved: NDArray[np.int64]) -> Moved:
    rows, values = column.pairs()
    kept = alive[rows]
    return moved[rows[kept]], values[kept], column.texts


def _merged(kind: Kind, n_rows: int, old: Moved | None, new: Moved | None) -> Column | None:
    """One column of the values of a base and of a tail, ascending by row; None if there is no value."""
    texts = None
    if kind[0] == TEXT:
        texts, old, new = _with_one_dictionary(old, new)
    parts = [part for part in (old, new) if part is not None and len(part[0])]
    if not parts:
        return None
    rows = np.concatenate([part[0] for part in parts])
    values = np.concatenate([part[1] for part in parts])
    if (rows[1:] < rows[:-1]).any():
        order = np.argsort(rows, kind="stable")
        rows, values = rows[order], values[order]
    return laid_out(n_rows, rows, values, kind[1], texts)


def _with_one_dictionary(old: Moved | None, new: Moved | None) -> tuple[Texts, Moved | None, Moved | None]:
    before = Texts.of_sorted([], np.empty(0, np.int64)) if old is None else old[2]
    used = np.zeros(len(before), bool)
    if old is not None:
        used[old[1]] = True
    texts: list[str] = []
    codes, instants = np.empty(0, np.int64), np.empty(0, np.int64)
    if new is not None:
        dictionary: NewTexts = new[2]
        codes = np.unique(new[1])
        texts = [dictionary[code] for code in codes.tolist()]
        by_text = sorted(range(len(texts)), key=texts.__getitem__)
        texts, codes = [texts[i] for i in by_text], codes[by_text]
        instants = dictionary.instants()[codes]
    merged, mine, theirs = before.merged(used, texts, instants)
    if old is not None:
        old = old[0], mine[old[1]], merged
    if new is not None:
        numbers = np.zeros(len(new[2]), np.int64)
        numbers[codes] = theirs
        new = new[0], numbers[new[1]], merged
    return merged, old, new
