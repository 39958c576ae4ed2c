"""Filters as callers write them: JSON objects, or conditions in one line, made into expressions that columns evaluate.

{"lang": "en"}                                  a value of `lang` equals "en"; several members must all hold
{"lang": {"in": ["en", "de"]}}                  one of these
{"year": {"gte": 2020, "lt": 2024}}             within a range; a date is a text: "2026-11-30", "2026-11-30T14:05Z"
{"author.name": {"prefix": "Ad"}}               nested members are joined by dots
{"tags": {"contains": "red"}}                   a list that has the item, or a text that has the text in it
{"price": {"exists": true}}                     has a value
{"or": [{...}, {...}]}, {"and": [...]}, {"not": {...}}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

from service.errors import InvalidInput
from service.index.columns.filters import And, Contains, Exists, Filter, Not, OneOf, Or, Prefix, Range, Scalar

MAX_DEPTH, MAX_VALUES, MAX_CONDITIONS = 32, 10_000, 1_000
"""Levels of `and`, `or` and `not`, values in all, and conditions of one filter."""
MAX_FIELD_CHARS = 1_000
MAX_FILTER_CHARS = 1 << 20
"""Longest filter, in characters of JSON, that is kept with a job and shown with it."""
_RANGE = ("gt", "gte", "lt", "lte")
_OPERATORS = ("in", *_RANGE, "exists", "contains", "prefix")
_MIN_INTEGER, _MAX_INTEGER = -(1 << 63), (1 << 63) - 1
_SHOWN, _PLACE = 60, 200
"""Characters of a value, and of a place in a filter, that errors show."""


def parse_filter(value: object, where: str = "filter") -> Filter:
    """The expression of a JSON value.

    Args:
        value: as it was read from JSON.
        where: what to call it in errors.

    Raises:
        InvalidInput: it is no filter; the message names the place, the rule and the value.
    """
    return _Parser().parse(value, where, 1)


def check_length(filter: dict[str, Any]) -> None:
    """Refuse a filter that is too long to be kept with a job.

    Raises:
        InvalidInput: it is.
    """
    if (n_chars := len(json.dumps(filter))) > MAX_FILTER_CHARS:
        raise InvalidInput(f"filter must be at most {MAX_FILTER_CHARS} characters of JSON, got {n_chars}")


def parse_where(conditions: Sequence[str]) -> Filter:
    """The expression of `field:value` conditions, which must all hold.

    A value that reads as a number or a boolean stands for that and for the text alike.

    Raises:
        InvalidInput: a condition has no colon, or an empty field.
    """
    if len(conditions) > MAX_CONDITIONS:
        raise InvalidInput(f"where must be given at most {MAX_CONDITIONS} times, got {len(conditions)}")
    parts = []
    for condition in conditions:
        name, colon, text = condition.partition(":")
        where = f"where={_shown(condition)}"
        if not colon or not name:
            raise InvalidInput(f"where must be FIELD:VALUE, as in where=lang:en, got {_shown(condition)}")
        check_field(name, "where")
        parts.append(OneOf(name, where, (_text(text, where), *_as_scalar(text))))
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def fields_of(filter: Filter) -> set[str]:
    """The fields that a filter has conditions on."""
    found: set[str] = set()
    waiting = [filter]
    while waiting:
        match waiting.pop():
            case And(parts) | Or(parts):
                waiting += parts
            case Not(part):
                waiting.append(part)
            case condition:
                found.add(condition.name)
    return found


def check_field(name: object, where: str) -> str:
    """The name of a field of metadata.

    Raises:
        InvalidInput: it is no text, empty, or too long.
    """
    if not isinstance(name, str) or not name:
        raise InvalidInput(f"{where} must name a field of metadata, got {_shown(name)}")
    if len(name) > MAX_FIELD_CHARS:
        raise InvalidInput(f"{where} must name a field in at most {MAX_FIELD_CHARS} characters, got {len(name)}")
    return _text(name, where)


class _Parser:
    """Goes through one filter, counting what it holds."""

    def __init__(self) -> None:
        self.n_values = 0
        self.n_conditions = 0

    def parse(self, value: object, where: str, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise InvalidInput(f"filter must be nested at most {MAX_DEPTH} levels deep, got more at {where[:_PLACE]}")
        if not isinstance(value, dict):
            raise InvalidInput(f'{where} must be an object such as {{"lang": "en"}}, got {_shown(value)}')
        parts = tuple(self._member(name, member, f"{where}.{name[:_SHOWN]}", depth) for name, member in value.items())
        return parts[0] if len(parts) == 1 else And(parts)

    def _member(self, name: str, value: object, where: str, depth: int) -> Filter:
        if name in ("and", "or"):
            if not isinstance(value, list):
                raise InvalidInput(f"{where} must be a list of filters, got {_shown(value)}")
            parts = tuple(self.parse(part, f"{where}[{i}]", depth + 1) for i, part in enumerate(value))
            return And(parts) if name == "and" else Or(parts)
        if name == "not":
            return Not(self.parse(value, where, depth + 1))
        self.n_conditions += 1
        if self.n_conditions > MAX_CONDITIONS:
            raise InvalidInput(f"filter must hold at most {MAX_CONDITIONS} conditions")
        check_field(name, where)
        if isinstance(value, dict):
            return self._operators(name, value, where)
        if isinstance(value, list):
            raise InvalidInput(f'{where} must be a value or a condition such as {{"in": [...]}}, got a list')
        return OneOf(name, where, (self._scalar(value, where),))

    def _operators(self, name: str, operators: dict[str, object], where: str) -> Filter:
        unknown = [operator for operator in operators if operator not in _OPERATORS]
        if unknown or not operators:
            got = _shown(unknown[0]) if unknown else "none; a nested field is named with dots, as in a.b"
            raise InvalidInput(f"{where} must have operators among {', '.join(_OPERATORS)}, got {got}")
        parts: list[Filter] = []
        make: dict[str, Callable[[object, str], Filter]] = {
            "in": lambda value, at: OneOf(name, at, self._list(value, at)),
            "exists": lambda value, at: _exists(name, value, at),
            "contains": lambda value, at: Contains(name, at, self._scalar(value, at)),
            "prefix": lambda value, at: Prefix(name, at, _prefix(value, at)),
        }
        for operator in make.keys() & operators.keys():
            parts.append(make[operator](operators[operator], f"{where}.{operator}"))
        if bounds := {operator: operators[operator] for operator in _RANGE if operator in operators}:
            parts.append(self._range(name, bounds, where))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _range(self, name: str, bounds: dict[str, object], where: str) -> Range:
        checked: dict[str, Any] = {}
        for operator, value in bounds.items():
            at = f"{where}.{operator}"
            scalar = self._scalar(value, at)
            if isinstance(scalar, bool):
                raise InvalidInput(f"{at} must be a number or a text, got {_shown(value)}")
            checked[operator] = scalar
        if len({isinstance(value, str) for value in checked.values()}) > 1:
            got = " and ".join(map(_shown, checked.values()))
            raise InvalidInput(f"{where} must be bounded by numbers or by texts, not by both, got {got}")
        return Range(name, f"{where}.{next(iter(checked))}", **checked)

    def _list(self, value: object, where: str) -> tuple[Scalar, ...]:
        if not isinstance(value, list):
            raise InvalidInput(f"{where} must be a list of values, got {_shown(value)}")
        return tuple(self._scalar(item, f"{where}[{i}]") for i, item in enumerate(value))

    def _scalar(self, value: object, where: str) -> Scalar:
        self.n_values += 1
        if self.n_values > MAX_VALUES:
            raise InvalidInput(f"filter must hold at most {MAX_VALUES} values, got more at {where}")
        if isinstance(value, str):
            return _text(value, where)
        if isinstance(value, bool):
            return value
        if isinstance(value, int):
            if not _MIN_INTEGER <= value <= _MAX_INTEGER:
                raise InvalidInput(f"{where} must be an integer of at most 64 bits, got {_shown(value)}")
            return value
        if isinstance(value, float) and isfinite(value):
            return value
        hint = '; {"exists": false} finds documents without a value' if value is None else ""
        raise InvalidInput(f"{where} must be a number, a text or a boolean, got {_shown(value)}{hint}")


def _exists(name: str, value: object, where: str) -> Filter:
    if not isinstance(value, bool):
        raise InvalidInput(f"{where} must be true or false, got {_shown(value)}")
    return Exists(name, where) if value else Not(Exists(name, where))


def _prefix(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{where} must be a text, got {_shown(value)}")
    return _text(value, where)


def _text(text: str, where: str) -> str:
    """The text, if both databases and JSON can hold it."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInput(f"{where} must hold no NUL character and no lone surrogate")
    return text


def _as_scalar(text: str) -> tuple[Scalar, ...]:
    """The number or boolean that a text reads as in JSON, if it does."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    is_finite = isinstance(value, int) or (isinstance(value, float) and isfinite(value))
    return (value,) if is_finite and (isinstance(value, float) or _MIN_INTEGER <= value <= _MAX_INTEGER) else ()


def _shown(value: object) -> str:
    """A value as JSON, shortened."""
    written = json.dumps(value, ensure_ascii=True, default=str)
    return written if len(written) <= _SHOWN else written[:_SHOWN] + "..."
