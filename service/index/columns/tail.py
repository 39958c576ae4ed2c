"""Tail: the newest rows, in the order of arrival, that one thread appends to while others read."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.index.columns.column import Column
from service.index.columns.filters import Scalar
from service.index.columns.growing import Growing
from service.index.columns.new_texts import NewTexts
from service.index.columns.values import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    LONGEST_NAME,
    TEXT,
    Kind,
    by_kind,
    fields_of,
    is_flat,
)
from service.index.key_mask import Keys

_TYPES = {INTEGER: np.int64, FLOAT: np.float64, TEXT: np.int32, BOOLEAN: np.bool_}
Value = tuple[int, Kind, Scalar]
"""Row, type and value."""

_FEW = 16
"""Values of a field that are kept one by one; more get columns."""
_OF_A_COLUMN, _OF_A_VALUE = 1_000, 250


class GrowingColumn:
    """The values of one type in one field of the newest rows."""

    __slots__ = ("_rows", "_values", "texts")

    def __init__(self, kind: int) -> None:
        self._rows, self._values = Growing(np.uint32), Growing(_TYPES[kind])
        self.texts = NewTexts() if kind == TEXT else None

    def append(self, rows: Sequence[int], values: Sequence[Any]) -> None:
        """Add some values, whose rows ascend."""
        self._values.append(values if self.texts is None else self.texts.added(values))
        self._rows.append(rows)

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
        n_rows: how many rows; a reader takes those that its view counts.
        n_values: how many values they have in all.
        n_new_fields: how many fields that are not known.
        memory_bytes: what it takes, about.

    Args:
        known_fields: what fields are known.
    """

    def __init__(self, known_fields: Container[str] = ()) -> None:
        self._fields: dict[str, list[Value] | dict[Kind, GrowingColumn]] = {}
        self.n_rows = self.n_values = self.n_new_fields = self.memory_bytes = 0
        self._known_fields = known_fields
        self._keys = Growing(np.int64)

    def append(self, keys: Keys, metadata: Sequence[Mapping[str, Any]]) -> None:
        """Add a row for each document."""
        found: dict[str, tuple[list[int], list[Any]]] = {}
        for row, members in enumerate(metadata, self.n_rows):
            for name, value in (members if is_flat(members) else fields_of(members)).items():
                of_field = found.get(name)
                if of_field is None:
                    found[name] = [row], [value]
                else:
                    of_field[0].append(row)
                    of_field[1].append(value)
        for name, (rows, values) in found.items():
            if len(name) <= LONGEST_NAME:
                for kind, kind_rows, kind_values in by_kind(rows, values):
                    self._add(name, kind, kind_rows, kind_values)
        self._keys.append(keys)
        self.n_rows += len(keys)

    def _add(self, name: str, kind: Kind, rows: Sequence[int], values: Sequence[Any]) -> None:
        """Add values of one type to a field."""
        self.n_values += len(values)
        field = self._fields.get(name)
        if field is None:
            field = self._fields[name] = []
            self.n_new_fields += name not in self._known_fields
        if isinstance(field, list):
            if len(field) + len(values) <= _FEW:
                field += [(row, kind, value) for row, value in zip(rows, values, strict=True)]
                self.memory_bytes += _OF_A_VALUE * len(values)
                return
            field = self._fields[name] = _columns_of(field)
            self.memory_bytes += sum(_OF_A_COLUMN + one.memory_bytes for one in field.values())
        column = field.get(kind)
        if column is None:
            column = field[kind] = GrowingColumn(kind[0])
            self.memory_bytes += _OF_A_COLUMN
        before = column.memory_bytes
        column.append(rows, values)
        self.memory_bytes += column.memory_bytes - before

    def after(self, n_rows: int, known_fields: Container[str]) -> Tail:
        """A tail of the rows after the first `n_rows`, beside columns that have some fields."""
        rest = Tail(known_fields)
        for name in self.names():
            for kind, column in self.columns(name, self.n_rows):
                rows, values = column.pairs()
                later = rows >= n_rows
                if later.any():
                    found: list[Any] = values[later].tolist()
                    found = found if column.texts is None else [column.texts[code] for code in found]
                    rest._add(name, kind, (rows[later] - n_rows).tolist(), found)
        rest._keys.append(self.keys(self.n_rows)[n_rows:])
        rest.n_rows = self.n_rows - n_rows
        return rest

    def keys(self, n_rows: int) -> Keys:
        """The keys of the first rows."""
        keys: Keys = self._keys.now()[:n_rows]
        return keys

    def names(self) -> list[str]:
        """The names of the fields."""
        return list(self._fields)

    def few(self, name: str, alive: NDArray[np.bool_]) -> list[Value] | None:
        """The values of a field that has few, in rows that are alive; None where it has columns, or nothing."""
        found = self._fields.get(name)
        return [one for one in found if one[0] < len(alive) and alive[one[0]]] if isinstance(found, list) else None

    def columns(self, name: str, n_rows: int) -> Iterable[tuple[Kind, Column]]:
        """The columns of a field, of the first rows alone."""
        found = self._fields.get(name)
        if found is None:
            return ()
        columns = _columns_of(list(found)) if isinstance(found, list) else found
        return [(kind, one.column(n_rows)) for kind, one in list(columns.items())]


def _columns_of(values: list[Value]) -> dict[Kind, GrowingColumn]:
    """Columns of some values."""
    columns: dict[Kind, GrowingColumn] = {}
    for kind in dict.fromkeys(kind for _, kind, _ in values):
        columns[kind] = GrowingColumn(kind[0])
        of_kind = [(row, value) for row, its, value in values if its == kind]
        columns[kind].append([row for row, _ in of_kind], [value for _, value in of_kind])
    return columns
