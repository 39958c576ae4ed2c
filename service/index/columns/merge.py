"""Merging of a base and a tail into a base that holds their live rows and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.index.bits import Bitmap
from service.index.columns.base import Base
from service.index.columns.column import Column, laid_out
from service.index.columns.new_texts import NewTexts
from service.index.columns.rare import MOST, Entry, RareFields
from service.index.columns.row_keys import RowKeys
from service.index.columns.tail import Tail
from service.index.columns.texts import Texts, in_order
from service.index.columns.values import TEXT, Kind

Columns = dict[Kind, Column]


def merged(base: Base, alive: Bitmap, tail: Tail, tail_alive: NDArray[np.bool_]) -> Base:
    """A base of the rows of another and of a tail that are alive; no key is alive twice.

    Cost: linear in the values.
    """
    return _Merge(base, alive, tail, tail_alive).made()


class _Merge:
    """One merge.

    Attributes:
        row_keys: of the new base.
        moved: the new row of each row of the base.
        tail_moved: the new row of each row of the tail.
    """

    def __init__(self, base: Base, alive: Bitmap, tail: Tail, tail_alive: NDArray[np.bool_]) -> None:
        self.base, self.alive, self.tail, self.tail_alive = base, alive, tail, tail_alive
        self.base_alive = np.unpackbits(alive, count=base.n_rows, bitorder="little").view(bool)
        rows, tail_rows = np.flatnonzero(self.base_alive), np.flatnonzero(tail_alive)
        keys = np.concatenate([base.row_keys.keys_of(rows), tail.keys(len(tail_alive))[tail_rows]])
        self.row_keys = RowKeys.of_sorted(np.sort(keys, kind="stable"))
        self.places, _ = self.row_keys.rows_of(keys)
        self.moved, self.tail_moved = np.zeros(base.n_rows, np.int64), np.zeros(len(tail_alive), np.int64)
        self.moved[rows], self.tail_moved[tail_rows] = self.places[: len(rows)], self.places[len(rows) :]

    def made(self) -> Base:
        """The new base."""
        fields: dict[str, Columns] = {}
        entries: list[Entry] = []
        for name, before in self.base.fields.items():
            columns = self._columns(before, name)
            if sum(column.n_values for column in columns.values()) * 2 > MOST:
                fields[name] = columns
            else:
                entries += _entries(name, columns)
        no_more_rare = []
        for name in self.tail.names():
            if name in self.base.fields:
                continue
            few = self.tail.few(name, self.tail_alive)
            if few is not None:
                entries += [(name, kind, int(self.tail_moved[row]), value) for row, kind, value in few]
            else:
                columns = self._columns(dict(self.base.columns(name)), name)
                no_more_rare.append(name)
                if columns:
                    fields[name] = columns
        rare = self._rare(no_more_rare, entries, fields)
        shown = np.zeros(self.row_keys.n_rows, bool)
        shown[self.places] = True
        return Base(self.row_keys, np.packbits(shown, bitorder="little"), fields, rare)

    def _rare(self, no_more: list[str], entries: list[Entry], fields: dict[str, Columns]) -> RareFields:
        """The rare fields without some, with more entries; those of which that are too many get columns."""
        rare = self.base.rare.without(no_more, self.base.n_rows).merged(self.alive, self.moved, entries)
        n_rows = self.row_keys.n_rows
        common = np.flatnonzero(rare.n_values() > MOST)
        for number in common.tolist():
            fields[rare.names[number]] = {
                kind: laid_out(n_rows, column.pairs(), kind[1], column.texts)
                for kind, column in rare.columns_of(number, n_rows)
            }
        return rare.without([rare.names[number] for number in common.tolist()], n_rows)

    def _columns(self, before: Columns, name: str) -> Columns:
        """The columns of a field: those of the base and of the tail in one."""
        newest = dict(self.tail.columns(name, len(self.tail_alive)))
        columns = {}
        for kind in sorted({*before, *newest}):
            old = _moved(before[kind], self.base_alive, self.moved) if kind in before else None
            new = _moved(newest[kind], self.tail_alive, self.tail_moved) if kind in newest else None
            column = _merged(kind, self.row_keys.n_rows, old, new)
            if column is not None:
                columns[kind] = column
        return columns


def _entries(name: str, columns: Columns) -> list[Entry]:
    """The values of some columns one by one."""
    found: list[Entry] = []
    for kind, column in columns.items():
        rows, values = column.pairs()
        for row, value in zip(rows.tolist(), values.tolist(), strict=True):
            found.append((name, kind, row, value if column.texts is None else column.texts[value]))
    return found


Moved = tuple[NDArray[np.int64], NDArray[Any], Any]
"""The new rows of the values that are alive, the values, and their dictionary."""


def _moved(column: Column, alive: NDArray[np.bool_], moved: NDArray[np.int64]) -> Moved:
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
    return laid_out(n_rows, (rows, values), kind[1], texts)


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
        code_of = dict(zip(texts, codes.tolist(), strict=True))
        texts = in_order(texts)
        codes = np.array([code_of[text] for text in texts], np.int64)
        instants = dictionary.instants()[codes]
    merged, mine, theirs = before.merged(used, texts, instants)
    if old is not None:
        old = old[0], mine[old[1]], merged
    if new is not None:
        numbers = np.zeros(len(new[2]), np.int64)
        numbers[codes] = theirs
        new = new[0], numbers[new[1]], merged
    return merged, old, new
