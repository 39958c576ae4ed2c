"""Base: the rows of all but the newest documents, ascending by key, in arrays that never change."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import numpy as np

from service.index.bits import Bitmap
from service.index.columns.column import Column
from service.index.columns.evaluate import remembered_as, rows_of
from service.index.columns.filters import Condition, Exists
from service.index.columns.rare import RareFields
from service.index.columns.row_keys import RowKeys
from service.index.columns.values import Kind

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
        rare: the fields of few values, which have none.
    """

    row_keys: RowKeys = field(default_factory=lambda: RowKeys.of_sorted(np.empty(0, np.int64)))
    alive: Bitmap = field(default_factory=lambda: np.empty(0, np.uint8))
    fields: dict[str, dict[Kind, Column]] = field(default_factory=dict)
    rare: RareFields = field(default_factory=RareFields)
    _found: dict[Hashable, Bitmap] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def n_rows(self) -> int:
        """Rows, holes included."""
        return self.row_keys.n_rows

    def columns(self, name: str) -> Iterable[tuple[Kind, Column]]:
        """The columns of a field."""
        found = self.fields.get(name)
        return self.rare.columns(name, self.n_rows) if found is None else found.items()

    @property
    def n_fields(self) -> int:
        """How many fields have a value."""
        return len(self.fields) + len(self.rare)

    @cached_property
    def n_values(self) -> int:
        """How many values there are."""
        return len(self.rare.rows) + sum(column.n_values for one in self.fields.values() for column in one.values())

    @cached_property
    def _names(self) -> list[str]:
        """The names of the fields that have columns, ascending."""
        return sorted(self.fields)

    def rows_at_or_below(self, name: str) -> Bitmap:
        """The rows that have a value in a field or in one below it."""
        bits = self.rare.rows_at_or_below(name, self.n_rows)
        begin, end = bisect_left(self._names, f"{name}."), bisect_left(self._names, f"{name}/")  # "/" follows "."
        for one in (name, *self._names[begin:end]):
            for column in self.fields.get(one, {}).values():
                bits |= column.rows_present()
        return bits

    def rows_of(self, condition: Condition) -> Bitmap:
        """The rows for which a condition holds, dead ones too; those of conditions that came lately are remembered."""
        asked = remembered_as(condition)
        with self._lock:
            bits = self._found.get(asked)
        if bits is None:
            if isinstance(condition, Exists):
                bits = self.rows_at_or_below(condition.name)
            else:
                bits = rows_of(condition, self.columns(condition.name), self.n_rows)
            with self._lock:
                self._found[asked] = bits
                if len(self._found) > max(_REMEMBERED_LEAST, _REMEMBERED_BYTES // (len(bits) + 1_000)):
                    del self._found[next(iter(self._found))]
        return bits

    @cached_property
    def memory_bytes(self) -> int:
        """Bytes that it takes."""
        n_bytes = (
            self.alive.nbytes
            + self.rare.memory_bytes
            + (0 if self.row_keys.keys is None else self.row_keys.keys.nbytes)
        )
        for columns in self.fields.values():
            for column in columns.values():
                n_bytes += column.memory_bytes + _OF_A_COLUMN
                n_bytes += 0 if column.texts is None else column.texts.memory_bytes
        return n_bytes
