"""Values of metadata: which fields a document has, and its values in each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from service.index.columns.filters import Scalar

INTEGER, FLOAT, TEXT, BOOLEAN = range(4)
"""The types that values are kept in. Floats that are 64-bit integers are kept as those: so no two types are equal."""

LONGEST_NAME = 1_000
"""Characters of a field's name, its members' names joined by dots. What lies deeper is in no column: a name that is a
megabyte long, above a thousand members, would take a gigabyte."""

_MIN_INTEGER, _MAX_INTEGER = -(1 << 63), (1 << 63) - 1

Kind = tuple[int, bool]
"""Type of values, and whether they are items of lists."""

_NESTED = {dict, list}
_SEVERAL = 8
"""Values from which numpy is faster."""

Found = dict[str, Any]
"""By field: a scalar; or a list of scalars, where a list was gone through or several members have the same name."""


def is_flat(metadata: Mapping[str, Any]) -> bool:
    """Whether no member is an object or a list: then the members are the fields."""
    return _NESTED.isdisjoint(map(type, metadata.values()))


def fields_of(metadata: Mapping[str, Any]) -> Found:
    """The values of a document by field, as they are."""
    found: Found = {}
    _members(metadata, "", False, found)
    return found


def _members(members: Mapping[str, Any], prefix: str, is_item: bool, found: Found) -> None:
    for member, value in members.items():
        name = prefix + member
        if len(name) > LONGEST_NAME:
            continue
        if type(value) is dict:
            _members(value, name + ".", is_item, found)
        elif type(value) is list:
            _items(value, name, found)
        elif value is not None:
            if is_item or name in found:
                _append(value, name, found)
            else:
                found[name] = value


def _items(items: Iterable[Any], name: str, found: Found) -> None:
    for item in items:
        if type(item) is dict:
            _members(item, name + ".", True, found)
        elif type(item) is list:
            _items(item, name, found)
        elif item is not None:
            _append(item, name, found)


def _append(value: Scalar, name: str, found: Found) -> None:
    before = found.get(name)
    if type(before) is list:
        before.append(value)
    else:
        found[name] = [value] if before is None else [before, value]


def typed(value: Scalar | None) -> tuple[int, Scalar] | None:
    """A value in the type that it is kept in; None for null and NaN, which are no values.

    An integer of more than 64 bits, which metadata cannot hold, becomes the nearest float.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return TEXT, value
    if isinstance(value, bool):
        return BOOLEAN, value
    if isinstance(value, int):
        return (INTEGER, value) if _MIN_INTEGER <= value <= _MAX_INTEGER else (FLOAT, nearest_float(value))
    if value.is_integer() and -(2.0**63) <= value < 2.0**63:
        return INTEGER, int(value)
    return None if math.isnan(value) else (FLOAT, value)


def by_kind(rows: list[int], values: list[Any]) -> Iterable[tuple[Kind, list[int], list[Any]]]:
    """Rows and values of a field as `fields_of` gives them, apart by the type they are kept in; lists item by item."""
    types = set(map(type, values))
    if len(types) == 1 and len(values) >= _SEVERAL:
        (type_of_all,) = types
        kind = _kind_of_all(type_of_all, values)
        if kind is not None:
            return [((kind, False), rows, values)]
    found: dict[Kind, tuple[list[int], list[Any]]] = {}
    for row, value in zip(rows, values, strict=True):
        is_item = type(value) is list
        for one in dict.fromkeys(map(typed, value)) if is_item else (typed(value),):
            if one is not None:
                of_kind = found.setdefault((one[0], is_item), ([], []))
                of_kind[0].append(row)
                of_kind[1].append(one[1])
    return [(kind, *pairs) for kind, pairs in found.items()]


def _kind_of_all(type: type, values: list[Any]) -> int | None:
    """The type that values of one Python type are all kept in as they are; None if there may be none."""
    if type is str or type is bool:
        return TEXT if type is str else BOOLEAN
    if type is int:
        return INTEGER if min(values) >= _MIN_INTEGER and max(values) <= _MAX_INTEGER else None
    if type is float:
        floats = np.array(values)
        return FLOAT if np.isfinite(floats).all() and (np.floor(floats) != floats).all() else None
    return None


def nearest_float(value: int) -> float:
    """The float nearest to an integer of any length."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def described(value: Scalar) -> str:
    """A value as an error names it: "the text 'abc'"."""
    if isinstance(value, str):
        return f"the text {value[:80]!r}"
    return f"the boolean {str(value).lower()}" if isinstance(value, bool) else f"the number {value}"
