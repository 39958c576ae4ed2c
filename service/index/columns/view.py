"""ColumnView: one state of the columns of a collection, which a request keeps to the end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from heapq import nsmallest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidInput
from service.index.bits import Bitmap
from service.index.columns import condition_types, counts, evaluate, order
from service.index.columns.base import Base
from service.index.columns.column import Column
from service.index.columns.counts import ValueCounts
from service.index.columns.filters import Condition, Exists, Filter, Range, Scalar
from service.index.columns.order import Gathered
from service.index.columns.row_keys import are_set
from service.index.columns.tail import Tail
from service.index.columns.values import Kind
from service.index.key_mask import KeyMask, Keys

Bound = int | float | str | None

_FIRST_BYTES = 512
"""Of the bitmap of a column, in which a live document is looked for before all of it is read."""
_FIELDS_BELOW = 20
"""Fields below one, of which a document with values counts as having that one."""


class ColumnView:
    """Metadata of documents as columns, at one moment.

    Attributes:
        base: all but the newest documents.
        alive: the rows of the base whose documents are neither replaced nor deleted.
        tail: the newest documents.
        tail_alive: `(n,)` which of its first n rows, which are those of this moment, are alive.
    """

    def __init__(self, base: Base, alive: Bitmap, tail: Tail, tail_alive: NDArray[np.bool_]) -> None:
        self.base, self.alive = base, alive
        self.tail, self.tail_alive = tail, tail_alive

    def __len__(self) -> int:
        return self._n_docs

    @cached_property
    def _n_docs(self) -> int:
        return int(np.bitwise_count(self.alive).sum()) + int(np.count_nonzero(self.tail_alive))

    def all_keys(self) -> KeyMask:
        """All documents."""
        return self._mask(self.alive, self.tail_alive)

    def mask(self, filter: Filter) -> KeyMask:
        """The documents that pass a filter.

        Raises:
            InvalidInput: a field has values, but none of a type that its condition asks for.

        Cost: for each condition on a number or a whole text a pass over the column, a fraction of a millisecond for a
        million documents; the rows of conditions that came lately are remembered.
        """
        self._check(filter)
        base, tail = self.base, self._tail_rows
        bits = evaluate.passing(filter, len(self.alive), base.rows_of)
        newest = evaluate.passing(filter, -(-len(self.tail_alive) // 8), tail) if len(self.tail_alive) else bits[:0]
        shown = np.unpackbits(newest, count=len(self.tail_alive), bitorder="little").view(bool)
        return self._mask(bits & self.alive, shown & self.tail_alive)

    def cost(self, filter: Filter) -> int:
        """About how many comparisons of numbers `mask` takes: a million are a fraction of a millisecond."""
        n_rows = 8 * len(self.alive)
        total = 0
        for condition in evaluate.conditions(filter):
            if isinstance(condition, Exists):
                total += _FIELDS_BELOW * n_rows
            total += n_rows // 64 + sum(evaluate.cost(condition, one) for _, one, _ in self._columns(condition.name))
        return total

    def _tail_rows(self, condition: Condition) -> Bitmap:
        n = len(self.tail_alive)
        names = (
            [condition.name, *self._tail_below(condition.name)] if isinstance(condition, Exists) else [condition.name]
        )
        return evaluate.rows_of(condition, [one for name in names for one in self.tail.columns(name, n)], n)

    def _mask(self, bits: Bitmap, newest: NDArray[np.bool_]) -> KeyMask:
        return self.base.row_keys.mask(bits, self.tail.keys(len(newest))[newest])

    def _check(self, filter: Filter) -> None:
        for condition in evaluate.conditions(filter):
            wanted = condition_types.wanted_kinds(condition)
            if wanted is not None:
                columns = self._columns(condition.name)
                if any(kind in wanted and self._is_alive(column, newest) for kind, column, newest in columns):
                    continue
                kinds = {kind for kind, column, newest in columns if self._is_alive(column, newest)}
                if kinds:
                    raise condition_types.wrong_type(condition, kinds)

    def _columns(self, name: str) -> list[tuple[Kind, Column, bool]]:
        """The columns of a field, and of each whether it is of the tail."""
        found = [(kind, column, False) for kind, column in self.base.columns(name)]
        return found + [(kind, column, True) for kind, column in self.tail.columns(name, len(self.tail_alive))]

    def _is_alive(self, column: Column, is_newest: bool) -> bool:
        """Whether a document has a value in a column."""
        if is_newest:
            assert column.rows is not None
            return bool(self.tail_alive[column.rows].any())
        if column.rows is not None and are_set(self.alive, column.rows[:16].astype(np.int64)).any():
            return True
        present = self.alive if column.rows is None and column.present is None else column.rows_present()
        first = slice(0, _FIRST_BYTES)  # mostly enough, and there is much else to do for a search
        return bool((present[first] & self.alive[first]).any() or (present & self.alive).any())

    def _tail_below(self, name: str) -> list[str]:
        prefix = f"{name}."
        return [one for one in self.tail.names() if one.startswith(prefix)]

    def unknown_fields(self, names: Collection[str]) -> list[str]:
        """The fields among some in which no document has a value, nor in one below."""
        return [name for name in names if not self._has_values(name)]

    def _has_values(self, name: str) -> bool:
        if any(self._is_alive(column, is_newest) for _, column, is_newest in self._columns(name)):
            return True
        if (self.base.rows_at_or_below(name) & self.alive).any():
            return True
        newest = self._tail_below(name)
        columns = (column for one in newest for _, column in self.tail.columns(one, len(self.tail_alive)))
        return any(self._is_alive(column, True) for column in columns)

    def field_names(self, limit: int) -> list[str]:
        """The `limit` fields, at least 1, that most documents have, the commonest first, of those as common by name.

        Cost: linear in the fields, and in the values of about `limit` of them.
        """
        newest = set(self.tail.names())
        few = self.base.rare.n_documents(self.alive)
        commonest = np.argsort(-few, kind="stable")[: limit + len(newest)].tolist()
        rare = {self.base.rare.names[number]: int(few[number]) for number in commonest if few[number]}
        most = {name: sum(one.n_values for _, one, _ in self._columns(name)) for name in (*self.base.fields, *newest)}
        found = sorted((-n, name) for name, n in rare.items() if name not in newest)[:limit]
        for name in sorted(most, key=lambda name: (-most[name], name)):
            if len(found) >= limit and (-most[name], name) > found[-1]:
                break
            n = self._n_with(name)
            if n:
                found = nsmallest(limit, [*found, (-n, name)])
        return [name for _, name in found]

    def _n_with(self, name: str) -> int:
        """How many documents have a value in a field."""
        bits, newest = self._present(name)
        return int(np.bitwise_count(bits & self.alive).sum()) + int(np.count_nonzero(newest & self.tail_alive))

    def _present(self, name: str) -> tuple[Bitmap, NDArray[np.bool_]]:
        """The rows of base and tail that have a value in a field, dead or alive."""
        bits, newest = np.zeros(len(self.alive), np.uint8), np.zeros(len(self.tail_alive), bool)
        for _, column, is_newest in self._columns(name):
            if is_newest:
                newest[column.rows] = True
            else:
                bits |= column.rows_present()
        return bits, newest

    def count(self, field: str, within: KeyMask | None, limit: int) -> ValueCounts:
        """How many documents, of those in `within` or of all, have each value of a field; one counts for each of its.

        Args:
            field: the field.
            within: the documents to count.
            limit: how many values to tell.

        Cost: linear in the documents that are counted.
        """
        bits, newest = self.alive, self.tail_alive
        if within is not None:
            bits = bits & self.base.row_keys.bitmap(within)
            newest = newest & within.covers(self.tail.keys(len(newest)))
        newest_bits = np.packbits(newest, bitorder="little")
        has, newest_has = self._present(field)
        n_missing = int(np.bitwise_count(bits & ~has).sum()) + int(np.count_nonzero(newest & ~newest_has))
        selections = [
            (kind, column, newest_bits if is_newest else bits) for kind, column, is_newest in self._columns(field)
        ]
        return counts.counted(selections, n_missing, limit)

    def count_ranges(self, field: str, within: KeyMask | None, bounds: Sequence[tuple[Bound, Bound]]) -> list[int]:
        """How many documents, of those in `within` or of all, have a value of a field in each range.

        Args:
            field: the field.
            within: the documents to count.
            bounds: of each range the least value, and the first that is greater than all; None leaves a side open.

        Raises:
            InvalidInput: as `mask`, where a bound is of another type than the values, or a range has no bound.
        """
        masks = [self.mask(Range(field, f"facets.{field}", gte=first, lt=end)) for first, end in bounds]
        return [len(mask if within is None else mask & within) for mask in masks]

    def ordered(self, keys: Keys, field: str, descending: bool, limit: int | None = None) -> NDArray[np.int64]:
        """The places of `(n,)` different keys in the order of their documents' values of a field; or the first `limit`.

        Numbers come before texts before booleans, whatever the direction, and documents without a value last. Of a list
        counts the value that comes first; those that come together are in the order of their keys.
        """
        keys = np.asarray(keys, np.int64)
        if (keys[1:] > keys[:-1]).all():
            return order.ordered(len(keys), self.gathered(keys, field), descending, limit)
        by_key = np.argsort(keys, kind="stable")
        return by_key[order.ordered(len(keys), self.gathered(keys[by_key], field), descending, limit)]

    def sort_value(self, key: int, field: str, descending: bool) -> Scalar | None:
        """The value that `ordered` goes by for a document; None if it has none."""
        return self.sort_values(np.array([key], np.int64), field, descending)[0]

    def sort_values(self, keys: Keys, field: str, descending: bool) -> list[Scalar | None]:
        """The values that `ordered` goes by for `(n,)` different documents; None where one has none."""
        keys = np.asarray(keys, np.int64)
        values: list[list[tuple[int, Scalar]]] = [[] for _ in keys]
        for one in self.gathered(keys, field):
            (type, _), places, _, _ = one
            for place, value in zip(places.tolist(), _scalars(one), strict=True):
                values[place].append((type, value))
        return [order.first_value(found, descending) for found in values]

    def values(self, keys: Keys, field: str) -> list[Scalar | None]:
        """The value of a field of each of `(n,)` different documents; None where it has none.

        Raises:
            InvalidInput: one of them has a list there.
        """
        keys = np.asarray(keys, np.int64)
        found: list[Scalar | None] = [None] * len(keys)
        for one in self.gathered(keys, field):
            (_, is_item), places, _, _ = one
            if is_item and len(places):
                raise InvalidInput(f"{field} must have one value in each document, got a list")
            for place, value in zip(places.tolist(), _scalars(one), strict=True):
                found[place] = value
        return found

    def gathered(self, keys: Keys, field: str) -> list[Gathered]:
        """All values of a field that some documents have; `keys` are increasing."""
        rows, has = self.base.row_keys.rows_of(keys)
        has &= are_set(self.alive, rows)
        in_base, newest = np.flatnonzero(has), np.flatnonzero(~has)
        tail_rows, is_there = self._rows_in_tail(keys[newest])
        in_tail, tail_rows = newest[is_there], tail_rows[is_there]
        gathered: list[Gathered] = []
        for kind, column, is_newest in self._columns(field):
            where, wanted = (in_tail, tail_rows) if is_newest else (in_base, rows[in_base])
            places, values = column.of_rows(wanted)
            if len(places):
                gathered.append((kind, where[places], values, column.texts))
        return gathered

    def _rows_in_tail(self, keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The rows of the tail of some keys, and whether each has one."""
        rows, known = self._by_key
        if not len(rows) or not len(keys):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), bool)
        places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return rows[places], known[places] == keys

    @cached_property
    def _by_key(self) -> tuple[NDArray[np.int64], Keys]:
        """The rows of the tail that are alive, by key, and their keys."""
        rows = np.flatnonzero(self.tail_alive)
        keys = self.tail.keys(len(self.tail_alive))[rows]
        by_key = np.argsort(keys, kind="stable")
        return rows[by_key], keys[by_key]


def _scalars(gathered: Gathered) -> Iterable[Any]:
    """The values as Python has them."""
    _, _, values, texts = gathered
    if texts is None:
        scalars: list[Any] = values.tolist()
        return scalars
    codes, numbers = np.unique(values, return_inverse=True)
    decoded = [texts[code] for code in codes.tolist()]
    return [decoded[i] for i in numbers.tolist()]
