"""Evaluation of filters: which rows pass, and whether the types of values suit the conditions."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidInput
from service.index.bits import Bitmap
from service.index.columns import selected
from service.index.columns.column import Column
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
from service.index.columns.values import BOOLEAN, FLOAT, INTEGER, TEXT, Kind, described, nearest_float, typed

Hits = NDArray[np.bool_] | None
"""Which values of a column a condition holds for; None for none."""

Columns = Iterable[tuple[Kind, Column]]
_MIN_INTEGER, _MAX_INTEGER = -(1 << 63), (1 << 63) - 1
_FEW = 4


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


def remembered_as(condition: Condition) -> Hashable:
    """What conditions share that hold for the same rows: 1 is not true."""
    match condition:
        case OneOf():
            values: tuple[Any, ...] = condition.values
        case Range():
            values = _bounds(condition)
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
        return _selected(column, column.texts.between(*(_text(one) for one in _bounds(asked))))
    if is_of_texts(asked):
        return None
    if type == INTEGER:
        return _integers_between(column.values, *_bounds(asked))
    return _floats_between(column.values, *_bounds(asked)) if type == FLOAT else None


def _bounds(asked: Range) -> tuple[Any, Any, Any, Any]:
    return asked.gt, asked.gte, asked.lt, asked.lte


def _text(bound: Any) -> str | None:
    return None if bound is None else str(bound)


def is_of_texts(asked: Range) -> bool:
    """Whether the bounds of a range are texts.

    Raises:
        InvalidInput: they are not all texts or all numbers, or there is none.
    """
    given = [one for one in _bounds(asked) if one is not None]
    if not given or any(isinstance(one, bool) for one in given) or len({isinstance(one, str) for one in given}) > 1:
        got = ", ".join(map(described, given)) or "none"
        raise InvalidInput(f"{asked.where}: the bounds of a range must be numbers, or texts, got {got}")
    return isinstance(given[0], str)


def instants_of(asked: Range) -> tuple[int, int] | None:
    """The first and the last instant of a range whose bounds are dates; None if one of them is another text."""
    gt, gte, lt, lte = (None if one is None else instant_of(str(one)) for one in _bounds(asked))
    if NO_DATE in (gt, gte, lt, lte):
        return None
    first = [gt + 1] if gt is not None else []
    last = [lt - 1] if lt is not None else []
    first += [gte] if gte is not None else []
    last += [lte] if lte is not None else []
    return max(first, default=NO_DATE + 1), min(last, default=_MAX_INTEGER)


def _integers_between(values: NDArray[Any], gt: Any, gte: Any, lt: Any, lte: Any) -> Hits:
    least, most = _MIN_INTEGER, _MAX_INTEGER
    for bound, is_open in ((gt, True), (gte, False)):
        if bound is not None:
            least = max(least, _floor(bound) + 1 if is_open else _ceil(bound))
    for bound, is_open in ((lt, True), (lte, False)):
        if bound is not None:
            most = min(most, _ceil(bound) - 1 if is_open else _floor(bound))
    if least > most:
        return None
    if least == _MIN_INTEGER:
        hits: NDArray[np.bool_] = values <= most
        return hits
    hits = values >= least
    if most < _MAX_INTEGER:
        hits &= values <= most
    return hits


def _floor(bound: float) -> int:
    return math.floor(bound) if math.isfinite(nearest_float(bound)) else _beyond(bound)  # type: ignore[arg-type]


def _ceil(bound: float) -> int:
    return math.ceil(bound) if math.isfinite(nearest_float(bound)) else _beyond(bound)  # type: ignore[arg-type]


def _beyond(bound: float) -> int:
    return 1 << 70 if bound > 0 else -(1 << 70)


def _floats_between(values: NDArray[Any], gt: Any, gte: Any, lt: Any, lte: Any) -> Hits:
    hits = np.ones(len(values), bool)
    if gt is not None:
        hits &= values > _rounded(gt, up=False)
    if gte is not None:
        hits &= values >= _rounded(gte, up=True)
    if lt is not None:
        hits &= values < _rounded(lt, up=True)
    if lte is not None:
        hits &= values <= _rounded(lte, up=False)
    return hits


def _rounded(bound: float, up: bool) -> float:
    """The least float that is not less than a number, or the greatest that is not greater."""
    near = nearest_float(bound) if isinstance(bound, int) else bound
    if up:
        return near if near >= bound else math.nextafter(near, math.inf)
    return near if near <= bound else math.nextafter(near, -math.inf)


def wanted_kinds(condition: Condition) -> set[Kind] | None:
    """The types of values, in lists or not, that a condition can hold for; None if any.

    Raises:
        InvalidInput: the bounds of a range are of different types.
    """
    both = (False, True)
    match condition:
        case Exists():
            return None
        case OneOf():
            wanted = {(type, is_item) for value in condition.values for type in _types(value) for is_item in both}
            return wanted or None
        case Range():
            types = (TEXT,) if is_of_texts(condition) else (INTEGER, FLOAT)
            return {(type, is_item) for type in types for is_item in both}
        case Contains():
            items = {(type, True) for type in _types(condition.value)}
            return items | {(TEXT, False)} if isinstance(condition.value, str) else items
        case Prefix():
            return {(TEXT, is_item) for is_item in both}
    raise TypeError(f"no condition: {condition!r}")


def _types(value: Scalar) -> tuple[int, ...]:
    if isinstance(value, str):
        return (TEXT,)
    return (BOOLEAN,) if isinstance(value, bool) else (INTEGER, FLOAT)


def wrong_type(condition: Condition, kinds: set[Kind]) -> InvalidInput:
    """The error of a condition on a field whose values are of other types than it asks for."""
    names = ((INTEGER, "numbers"), (FLOAT, "numbers"), (TEXT, "texts"), (BOOLEAN, "booleans"))
    held = " and ".join(dict.fromkeys(name for type, name in names if any(kind[0] == type for kind in kinds)))
    if isinstance(condition, OneOf):
        given: Sequence[Scalar] = condition.values
    elif isinstance(condition, Range):
        given = [one for one in _bounds(condition) if one is not None]
    else:
        assert isinstance(condition, Contains | Prefix)
        given = [condition.value]
    got = ", ".join(map(described, given[:3]))
    must = ", must be a text or a list to contain something" if isinstance(condition, Contains) else ""
    return InvalidInput(f"{condition.where}: {condition.name} holds {held}{must}, got {got}")
