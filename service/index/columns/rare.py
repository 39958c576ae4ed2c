"""Rare fields: those of which a base has a few values each, all of them together in a few arrays.

Metadata may have a field for every word of a text. A column of one value takes a thousand bytes, a value here about
forty, and a base with a million such fields is made in one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.index.bits import Bitmap
from service.index.columns.column import Column
from service.index.columns.dates import instant_of
from service.index.columns.filters import Scalar
from service.index.columns.row_keys import are_set
from service.index.columns.texts import Texts, encoded, in_order, starts_of
from service.index.columns.values import BOOLEAN, FLOAT, TEXT, Kind

MOST = 32
"""A field with more values has columns."""

Entry = tuple[str, Kind, int, Scalar]
"""A field, the type of a value, its row and the value."""


def _no_texts() -> Texts:
    return Texts.of_sorted([], np.empty(0, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class RareFields:
    """Values of fields, ascending by the name of the field, then by row.

    Attributes:
        names: of the fields.
        starts: `(n_fields + 1,)` where the values of each field begin.
        kinds: `(n,)` uint8 twice the type of each value, and one more for an item of a list.
        rows: `(n,)` uint32.
        values: `(n,)` int64: integers, the bits of floats, 0 and 1, or codes.
        texts: the dictionary of all texts among the values.
    """

    names: Texts = field(default_factory=_no_texts)
    starts: NDArray[np.integer] = field(default_factory=lambda: np.zeros(1, np.uint32))
    kinds: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))
    rows: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    values: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    texts: Texts = field(default_factory=_no_texts)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def memory_bytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (self.starts, self.kinds, self.rows, self.values)
        return sum(array.nbytes for array in arrays) + self.names.memory_bytes + self.texts.memory_bytes

    def columns(self, name: str, n_rows: int) -> list[tuple[Kind, Column]]:
        """The columns of a field, made for the moment."""
        places, found = self.names.places([encoded(name)])
        return self.columns_of(int(places[0]), n_rows) if found[0] else []

    def columns_of(self, number: int, n_rows: int) -> list[tuple[Kind, Column]]:
        """The columns of the field of that number."""
        its = slice(int(self.starts[number]), int(self.starts[number + 1]))
        kinds, rows, values = self.kinds[its], self.rows[its], self.values[its]
        columns = []
        for kind in np.unique(kinds).tolist():
            are_of = kinds == kind
            columns.append(((kind >> 1, bool(kind & 1)), self._column(kind >> 1, n_rows, rows[are_of], values[are_of])))
        return columns

    def _column(self, type: int, n_rows: int, rows: NDArray[np.uint32], values: NDArray[np.int64]) -> Column:
        if type == FLOAT:
            return Column(n_rows, rows, None, values.view(np.float64))
        if type == BOOLEAN:
            return Column(n_rows, rows, None, values.astype(bool))
        if type != TEXT:
            return Column(n_rows, rows, None, values)
        codes, numbers = np.unique(values, return_inverse=True)
        texts = self.texts.decoded(codes)
        instants = np.array([instant_of(text) for text in texts], np.int64)
        return Column(n_rows, rows, None, numbers.astype(np.uint8), Texts.of_sorted(texts, instants))

    def rows_at_or_below(self, name: str, n_rows: int) -> Bitmap:
        """The rows that have a value in a field or in one below it."""
        places, found = self.names.places([encoded(one) for one in (name, f"{name}.", f"{name}/")])  # "/" follows "."
        shown = np.zeros(n_rows, bool)
        for first, end in ((places[0], places[0] + found[0]), (places[1], places[2])):
            shown[self.rows[self.starts[first] : self.starts[end]]] = True
        return np.packbits(shown, bitorder="little")

    def n_documents(self, alive: Bitmap) -> NDArray[np.int64]:
        """In how many of the rows that are alive each field has a value: `(n_fields,)`."""
        fields = self.field_of_each()
        is_first = np.ones(len(fields), bool)
        is_first[1:] = (fields[1:] != fields[:-1]) | (self.rows[1:] != self.rows[:-1])
        return np.bincount(fields[is_first & are_set(alive, self.rows)], minlength=len(self))

    def n_values(self) -> NDArray[np.int64]:
        """How many values each field has: `(n_fields,)`."""
        starts = self.starts.astype(np.int64)
        return starts[1:] - starts[:-1]

    def field_of_each(self) -> NDArray[np.int64]:
        """The number of the field of each value: `(n,)`."""
        return np.repeat(np.arange(len(self)), self.n_values())

    def merged(self, alive: Bitmap, moved: NDArray[np.int64], entries: Sequence[Entry]) -> RareFields:
        """The values in rows that are alive, which have new numbers, and some more. Cost: that of sorting them."""
        kept = are_set(alive, self.rows)
        kinds, values = self.kinds[kept], self.values[kept]
        fields, rows = self.field_of_each()[kept], moved[self.rows[kept]]
        names, fields, new_fields = _merged_texts(self.names, fields, [entry[0] for entry in entries])
        are_texts = kinds >> 1 == TEXT
        new_texts = [str(value) for _, kind, _, value in entries if kind[0] == TEXT]
        texts, values[are_texts], new_codes = _merged_texts(self.texts, values[are_texts], new_texts)
        new_kinds = np.array([2 * type + is_item for _, (type, is_item), _, _ in entries], np.uint8)
        new_values = np.empty(len(entries), np.int64)
        new_values[new_kinds >> 1 == TEXT] = new_codes
        for i, (_, kind, _, value) in enumerate(entries):
            if kind[0] == FLOAT:
                new_values[i] = np.float64(value).view(np.int64)
            elif kind[0] != TEXT:
                new_values[i] = value
        new_rows = np.array([row for _, _, row, _ in entries], np.int64)
        fields, rows = np.concatenate([fields, new_fields]), np.concatenate([rows, new_rows])
        order = np.lexsort((rows, fields))
        return RareFields(
            names,
            starts_of(np.bincount(fields, minlength=len(names))),
            np.concatenate([kinds, new_kinds])[order],
            rows[order].astype(np.uint32),
            np.concatenate([values, new_values])[order],
            texts,
        )

    def without(self, names: Sequence[str], n_rows: int) -> RareFields:
        """All but some of the fields, of `n_rows` rows."""
        places, found = self.names.places([encoded(name) for name in names])
        if not found.any():
            return self
        is_kept = np.ones(len(self), bool)
        is_kept[places[found]] = False
        kept = is_kept[self.field_of_each()]
        starts = starts_of(self.n_values() * is_kept)
        rest = RareFields(self.names, starts, self.kinds[kept], self.rows[kept], self.values[kept], self.texts)
        everyone = np.full(-(-n_rows // 8), 255, np.uint8)
        return rest.merged(everyone, np.arange(n_rows), [])


def _merged_texts(
    before: Texts, codes: NDArray[np.int64], texts: Sequence[str]
) -> tuple[Texts, NDArray[np.int64], NDArray[np.int64]]:
    """A dictionary of the texts of some codes and of other texts; the new codes of both."""
    used = np.zeros(len(before), bool)
    used[codes] = True
    different = in_order(list(set(texts)))
    instants = np.array([instant_of(text) for text in different], np.int64)
    dictionary, mine, theirs = before.merged(used, different, instants)
    code_of = dict(zip(different, theirs.tolist(), strict=True))
    return dictionary, mine[codes], np.array([code_of[text] for text in texts], np.int64)
