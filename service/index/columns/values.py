"""Values of metadata: which fields a document has, and its values in each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from service.index.columns.filters import Scalar

INTEGER, FLOAT, TEXT, BOOLEAN = range(4)
"""The types that values are kept in. Floats that are 64-bit integers are kept as those: so no two types are equal."""

LONGEST_NAME = 1_000
"""Characters of a field's name, its members' names joined by dots. What lies deeper is in no column: a name that is a
megabyte long, above a thousand members, would take a gigabyte."""

_MIN_INTEGER, _MAX_INTEGER = -(1 << 63), (1 << 63) - 1

Found = dict[str, Any]
"""By field: a scalar; or a list of scalars, where a list was gone through or several members have the same name."""


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


def typed(value: Scalar) -> tuple[int, Scalar] | None:
    """A value in the type that it is kept in; None for NaN, which is no value.

    An integer of more than 64 bits, which metadata cannot hold, becomes the nearest float.
    """
    kind = type(value)
    if kind is str:
        return TEXT, value
    if kind is bool:
        return BOOLEAN, value
    if isinstance(value, int):
        return (INTEGER, value) if _MIN_INTEGER <= value <= _MAX_INTEGER else (FLOAT, nearest_float(value))
    assert isinstance(value, float)
    if value.is_integer() and -(2.0**63) <= value < 2.0**63:
        return INTEGER, int(value)
    return None if math.isnan(value) else (FLOAT, value)


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
