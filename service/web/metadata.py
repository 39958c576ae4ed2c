"""The rules of metadata: only what JSON, both databases and other programs can hold, and within limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from pydantic_core import to_json

from service.errors import InvalidInput

MAX_DEPTH = 32
MAX_MEMBERS = 1_000
_MIN_INTEGER, _MAX_INTEGER = -(1 << 63), (1 << 63) - 1
_MAX_WHERE_CHARS = 200


class _Fault(Exception):
    """A value breaks a rule; `path` leads to the value, innermost step first."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.path: list[str] = []


def check_metadata(value: Mapping[str, Any], name: str) -> None:
    """Refuse metadata that some database or program could not hold.

    Integers have 64 bits at most, as in SQL: databases and other programs silently round longer ones.

    Args:
        value: as it was read from JSON.
        name: what to call it.

    Raises:
        InvalidInput: it is nested deeper than `MAX_DEPTH` levels, has more than `MAX_MEMBERS` members and items in all,
            or holds an integer of more than 64 bits, NaN, an infinity, NUL or a lone surrogate; the message says where.
    """
    try:
        _check(value, depth=1, n_members=0)
    except _Fault as fault:
        where = name + "".join(reversed(fault.path))
        where = where if len(where) <= _MAX_WHERE_CHARS else where[:_MAX_WHERE_CHARS] + "..."
        raise InvalidInput(f"{where} {fault}") from None


def check_stored(metadata: Mapping[str, Any], of: str, max_bytes: int) -> None:
    """Refuse metadata that a document must not have.

    Args:
        metadata: as it was read from JSON.
        of: what to call the document.
        max_bytes: most bytes of it as JSON.

    Raises:
        InvalidInput: it breaks a rule of `check_metadata`, or is too long.
    """
    check_metadata(metadata, f"{of}.metadata")
    if len(to_json(metadata)) > max_bytes:
        raise InvalidInput(f"{of}: metadata must be at most {max_bytes} bytes of JSON")


def _check(value: object, depth: int, n_members: int) -> int:
    """The number of members seen so far, with those of a value at that depth."""
    if isinstance(value, dict):
        n_members = _enter(value, depth, n_members)
        for key, member in value.items():
            try:
                if (rule := _text_rule(key)) is not None:
                    raise _Fault(f"must have a name that {rule}")
                n_members = _check(member, depth + 1, n_members)
            except _Fault as fault:
                fault.path.append(f".{key}" if key.isidentifier() else f"[{json.dumps(key)}]")
                raise
    elif isinstance(value, list):
        n_members = _enter(value, depth, n_members)
        for position, item in enumerate(value):
            try:
                n_members = _check(item, depth + 1, n_members)
            except _Fault as fault:
                fault.path.append(f"[{position}]")
                raise
    elif isinstance(value, str):
        if (rule := _text_rule(value)) is not None:
            raise _Fault(f"must be a text that {rule}")
    elif isinstance(value, int):
        if not _MIN_INTEGER <= value <= _MAX_INTEGER:
            raise _Fault("must be an integer of at most 64 bits, from -2^63 to 2^63 - 1; a longer one can be a text")
    elif isinstance(value, float) and not isfinite(value):
        raise _Fault(f"must be a finite number, JSON has no {value}")
    return n_members


def _enter(value: dict[str, Any] | list[Any], depth: int, n_members: int) -> int:
    if depth > MAX_DEPTH:
        raise _Fault(f"must be nested at most {MAX_DEPTH} levels deep")
    n_members += len(value)
    if n_members > MAX_MEMBERS:
        raise _Fault(f"must not bring the whole over {MAX_MEMBERS} members and items, got {n_members}")
    return n_members


def _text_rule(text: str) -> str | None:
    """The rule that a text breaks, if it breaks one."""
    if text.isascii():
        return "does not contain the NUL character (U+0000)" if "\x00" in text else None
    if "\x00" in text:
        return "does not contain the NUL character (U+0000)"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "is valid Unicode, got a lone surrogate"
    return None
