"""Types of conditions: which types of values a condition can hold for, and the error where a field has others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.errors import InvalidInput
from service.index.columns.filters import Condition, Contains, Exists, OneOf, Prefix, Range, Scalar
from service.index.columns.values import BOOLEAN, FLOAT, INTEGER, TEXT, Kind, described


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
        given = [one for one in bounds(condition) if one is not None]
    else:
        assert isinstance(condition, Contains | Prefix)
        given = [condition.value]
    got = ", ".join(map(described, given[:3]))
    must = ", must be a text or a list to contain something" if isinstance(condition, Contains) else ""
    return InvalidInput(f"{condition.where}: {condition.name} holds {held}{must}, got {got}")


def bounds(asked: Range) -> tuple[Any, Any, Any, Any]:
    """The bounds of a range: gt, gte, lt, lte."""
    return asked.gt, asked.gte, asked.lt, asked.lte


def is_of_texts(asked: Range) -> bool:
    """Whether the bounds of a range are texts.

    Raises:
        InvalidInput: they are not all texts or all numbers, or there is none.
    """
    given = [one for one in bounds(asked) if one is not None]
    if not given or any(isinstance(one, bool) for one in given) or len({isinstance(one, str) for one in given}) > 1:
        got = ", ".join(map(described, given)) or "none"
        raise InvalidInput(f"{asked.where}: the bounds of a range must be numbers, or texts, got {got}")
    return isinstance(given[0], str)
