"""Tail: the newest rows, in the order of arrival, that one thread appends to while others read."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from service.index.columns.column import Column
from service.index.columns.growing import Growing
from service.index.columns.new_texts import NewTexts
from service.index.columns.values import BOOLEAN, FLOAT, INTEGER, TEXT, fields_of, typed
from service.index.key_mask import Keys

Kind = tuple[int, bool]
"""Type of values, and whether they are items of lists."""

_TYPES = {INTEGER: np.int64, FLOAT: np.float64, TEXT: np.int32, BOOLEAN: np.bool_}
_OF_A_COLUMN = 1_000


class GrowingColumn:
    """The values of one type in one field of the newest rows."""

    __slots__ = ("_rows", "_values", "new_rows", "new_values", "texts")

    def __init__(self, kind: int) -> None:
        self._rows, self._values = Growing(np.uint32), Growing(_TYPES[kind])
        self.texts = NewTexts() if kind == TEXT else None
        self.new_rows: list[int] = []
        self.new_values: list[Any] = []

    def flush(self) -> None:
        """Take over the new values."""
        values = self.new_values if self.texts is None else self.texts.added(self.new_values)
        self._values.append(values)
        self._rows.append(self.new_rows)
        self.new_rows, self.new_values = [], []

    def column(self, n_rows: int) -> Column:
        """The values of the first `n_rows` rows."""
        rows = self._rows.now()  # before the values, which are appended first
        if len(rows) and rows[-1] >= n_rows:
            rows = rows[: np.searchsorted(rows, np.uint32(n_rows))]
        return Column(n_rows, rows, None, self._values.now()[: len(rows)], self.texts)

    @property
    def memory_bytes(self) -> int:
        """Bytes of its arrays and texts, about."""
        n_bytes = self._rows.memory_bytes + self._values.memory_bytes
        return n_bytes + (0 if self.texts is None else self.texts.memory_bytes)


class Tail:
    """Rows that documents were put into, whether they are alive is said elsewhere.

    Attributes:
        fields: by the name of a field, its columns.
        n_rows: how many rows; a reader takes those that its view counts.
        n_values: how many values they have in all.
        n_columns: how many columns.
        n_new_fields: how many fields that are not among the known ones.
        memory_bytes: what the columns take, about.

    Args:
        known_fields: those that other columns have.
    """

    def __init__(self, known_fields: Container[str] = ()) -> None:
        self.fields: dict[str, dict[Kind, GrowingColumn]] = {}
        self.n_rows = self.n_values = self.n_columns = self.n_new_fields = self.memory_bytes = 0
        self._known_fields = known_fields
        self._keys = Growing(np.int64)

    def append(self, keys: Keys, metadata: Sequence[Mapping[str, Any]]) -> None:
        """Add a row for each document."""
        touched: list[GrowingColumn] = []
        for row, members in enumerate(metadata, self.n_rows):
            for name, found in fields_of(members).items():
                if type(found) is not list:
                    self._add(row, name, typed(found), False, touched)
                else:
                    for one in dict.fromkeys(map(typed, found)):
                        self._add(row, name, one, True, touched)
        for column in touched:
            before = column.memory_bytes
            column.flush()
            self.memory_bytes += column.memory_bytes - before
        self._keys.append(keys)
        self.n_rows += len(keys)

    def _add(
        self, row: int, name: str, value: tuple[int, Any] | None, is_item: bool, touched: list[GrowingColumn]
    ) -> None:
        if value is None:
            return
        kind = value[0], is_item
        columns = self.fields.get(name)
        column = None if columns is None else columns.get(kind)
        if column is None:
            column = GrowingColumn(value[0])
            self.n_columns += 1
            self.memory_bytes += _OF_A_COLUMN
            if columns is None:
                self.fields[name] = {kind: column}
                self.n_new_fields += name not in self._known_fields
            else:
                columns[kind] = column
        if not column.new_rows:
            touched.append(column)
        column.new_rows.append(row)
        column.new_values.append(value[1])
        self.n_values += 1

    def keys(self, n_rows: int) -> Keys:
        """The keys of the first rows."""
        keys: Keys = self._keys.now()[:n_rows]
        return keys

    def columns(self, name: str, n_rows: int) -> Iterable[tuple[Kind, Column]]:
        """The columns of a field, of the first rows alone."""
        found = self.fields.get(name)
        return () if found is None else [(kind, one.column(n_rows)) for kind, one in list(found.items())]
