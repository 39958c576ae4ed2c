"""Evaluation of filters: which rows pass."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from service.index.bits import Bitmap
from service.index.columns.column import Column
from service.index.columns.condition_types import bounds, is_of_texts
from service.index.columns.dates import NO_DATE, instant_of
from service.index.columns.filters import (
    And,
    Condition,
    Contains,
    Exists,
    Filter,
    Not,
    OneOf,
    Or,
    Prefix,
    Range,
    Scalar,
)
from service.index.columns.number_ranges import floats_between, integers_between
from service.index.columns.selected import Interval, Selected, Table, Wanted, wanted
from service.index.columns.values import FLOAT, INTEGER, TEXT, Kind, typed

Columns = Iterable[tuple[Kind, Column]]
_LAST_INSTANT = (1 << 63) - 1
_FEW = 4
_MOST_IN_TABLE = 1 << 20
"""Integers that a table of those asked for spans at most."""
_NOT_PLAIN, _SCATTERED = 20, 4
"""How many comparisons those take as long as that are not of two numbers, or whose values are not row by row."""


def conditions(filter: Filter) -> list[Condition]:
    """All conditions of a filter."""
    if isinstance(filter, And | Or):
        return [one for part in filter.parts for one in conditions(part)]
    return conditions(filter.part) if isinstance(filter, Not) else [filter]


def passing(filter: Filter, n_bytes: int, rows: Callable[[Condition], Bitmap]) -> Bitmap:
    """The rows that pass, those of no document among them, of the rows that each condition holds for.

    Args:
        filter: the filter.
        n_bytes: of a bitmap of all rows.
        rows: gives the rows that a condition holds for.
    """
    if isinstance(filter, Not):
        return ~passing(filter.part, n_bytes, rows)
    if isinstance(filter, And | Or):
        combine = np.bitwise_and if isinstance(filter, And) else np.bitwise_or
        bits = np.full(n_bytes, 255 if isinstance(filter, And) else 0, np.uint8)
        for part in filter.parts:
            combine(bits, passing(part, n_bytes, rows), out=bits)
        return bits
    return rows(filter)


def cost(condition: Condition, column: Column) -> int:
    """About how many plain comparisons of numbers `hits_of` and the bitmap of its hits take."""
    is_range = isinstance(condition, Range) and column.texts is None
    is_plain = is_range or (isinstance(condition, OneOf) and len(condition.values) <= _FEW)
    of_each = (1 if is_plain else _NOT_PLAIN) * (1 if column.rows is None else _SCATTERED)
    return len(column.values) * of_each


def remembered_as(condition: Condition) -> Hashable:
    """What conditions share that hold for the same rows: 1 is not true."""
    match condition:
        case OneOf():
            values: tuple[Any, ...] = condition.values
        case Range():
            values = bounds(condition)
        case Contains() | Prefix():
            values = (condition.value,)
        case _:
            values = ()
    return type(condition), condition.name, tuple((type(value), value) for value in values)


def rows_of(condition: Condition, columns: Columns, n_rows: int) -> Bitmap:
    """The rows for which a condition holds in some columns, which are those of its field."""
    parts = []
    for kind, column in columns:
        if isinstance(condition, Exists):
            parts.append(column.rows_present())
        else:
            parts += [column.bitmap(wanted) for wanted in wanted_of(condition, kind, column)]
    return reduce(np.bitwise_or, parts) if parts else np.zeros(-(-n_rows // 8), np.uint8)


def wanted_of(condition: Condition, kind: Kind, column: Column) -> Sequence[Wanted]:
    """The values of a column that a condition holds for, in parts."""
    type, is_item = kind
    match condition:
        case OneOf():
            return _equal(column, type, condition.values)
        case Contains():
            if is_item:
                return _equal(column, type, [condition.value])
            if type == TEXT and isinstance(condition.value, str) and column.texts is not None:
                return _selected(column.texts.containing(condition.value))
            return ()
        case Prefix():
            return () if column.texts is None else _selected(column.texts.beginning_with(condition.value))
        case Range():
            return _between(column, type, condition)
    raise TypeError(f"no condition: {condition!r}")


def _selected(codes: Selected) -> Sequence[Wanted]:
    found = wanted(codes)
    return () if found is None else (found,)


def _equal(column: Column, type: int, values: Sequence[Scalar]) -> Sequence[Wanted]:
    # an integer of more than 64 bits equals a float only where that is exact
    asked: list[Any] = [one[1] for value in values if (one := typed(value)) is not None and one == (type, value)]
    if column.texts is not None:
        return _selected(column.texts.equal_to([str(value) for value in asked])) if asked else ()
    if type == INTEGER:
        limits = np.iinfo(column.values.dtype)
        asked = [value for value in asked if limits.min <= value <= limits.max]
    if len(asked) <= _FEW:
        return [Interval(value, value) for value in asked]
    if type == INTEGER and max(asked) - min(asked) < _MOST_IN_TABLE:
        table = np.zeros(max(asked) - min(asked) + 1, bool)
        table[np.array(asked, np.int64) - min(asked)] = True
        return [Table(min(asked), table)]
    return [np.isin(column.values, np.array(asked))]


def _between(column: Column, type: int, asked: Range) -> Sequence[Wanted]:
    if is_of_texts(asked):
        if column.texts is None:
            return ()
        instants = instants_of(asked)
        if instants is not None:
            return _selected(column.texts.dated(*instants))
        return _selected(column.texts.between(*(_text(one) for one in bounds(asked))))
    found = None
    if type == INTEGER:
        found = integers_between(column.values.dtype, *bounds(asked))
    elif type == FLOAT:
        found = floats_between(*bounds(asked))
    return () if found is None else (found,)


def _text(bound: Any) -> str | None:
    return None if bound is None else str(bound)


def instants_of(asked: Range) -> tuple[int, int] | None:
    """The first and the last instant of a range whose bounds are dates; None if one of them is another text."""
    gt, gte, lt, lte = (None if one is None else instant_of(str(one)) for one in bounds(asked))
    if NO_DATE in (gt, gte, lt, lte):
        return None
    first = [gt + 1] if gt is not None else []
    last = [lt - 1] if lt is not None else []
    first += [gte] if gte is not None else []
    last += [lte] if lte is not None else []
    return max(first, default=NO_DATE + 1), min(last, default=_LAST_INSTANT)
