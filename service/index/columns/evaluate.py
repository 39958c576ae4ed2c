"""Evaluation of filters: which rows pass."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.index.bits import Bitmap
from service.index.columns import selected
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
from service.index.columns.values import FLOAT, INTEGER, TEXT, Kind, typed

Hits = NDArray[np.bool_] | None
"""Which values of a column a condition holds for; None for none."""

Columns = Iterable[tuple[Kind, Column]]
_LAST_INSTANT = (1 << 63) - 1
_FEW = 4
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
    bits = np.zeros(-(-n_rows // 8), np.uint8)
    for kind, column in columns:
        if isinstance(condition, Exists):
            bits |= column.rows_present()
        else:
            hits = hits_of(condition, kind, column)
            if hits is not None:
                bits |= column.bitmap(hits)
    return bits


def hits_of(condition: Condition, kind: Kind, column: Column) -> Hits:
    """Which values of a column a condition holds for."""
    type, is_item = kind
    match condition:
        case OneOf():
            return _equal(column, type, condition.values)
        case Contains():
            if is_item:
                return _equal(column, type, [condition.value])
            if type == TEXT and isinstance(condition.value, str) and column.texts is not None:
                return selected.hits(column.values, column.texts.containing(condition.value))
            return None
        case Prefix():
            return None if column.texts is None else _selected(column, column.texts.beginning_with(condition.value))
        case Range():
            return _between(column, type, condition)
    raise TypeError(f"no condition: {condition!r}")


def _selected(column: Column, codes: selected.Selected) -> NDArray[np.bool_]:
    return selected.hits(column.values, codes)


def _equal(column: Column, type: int, values: Sequence[Scalar]) -> Hits:
    # an integer of more than 64 bits equals a float only where that is exact
    wanted = [one[1] for value in values if (one := typed(value)) is not None and one == (type, value)]
    if not wanted:
        return None
    if column.texts is not None:
        return _selected(column, column.texts.equal_to([str(value) for value in wanted]))
    if len(wanted) > _FEW:
        return np.isin(column.values, np.array(wanted))
    hits: NDArray[np.bool_] = column.values == wanted[0]
    for value in wanted[1:]:
        hits |= column.values == value
    return hits


def _between(column: Column, type: int, asked: Range) -> Hits:
    if type == TEXT and column.texts is not None and is_of_texts(asked):
        instants = instants_of(asked)
        if instants is not None:
            return _selected(column, column.texts.dated(*instants))
        return _selected(column, column.texts.between(*(_text(one) for one in bounds(asked))))
    if is_of_texts(asked):
        return None
    if type == INTEGER:
        return integers_between(column.values, *bounds(asked))
    return floats_between(column.values, *bounds(asked)) if type == FLOAT else None


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
