"""Reads of many rows in parts of a few megabytes, up to a number of characters."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from service.errors import TooMuchToRead
from service.store.statements import DriverQuery

ROWS_AT_ONCE = 10_000
FIRST_KEYS, CHARS_AT_ONCE = 64, 2_000_000


def bounded(
    statement: DriverQuery, connection: Connection, keys: list[int], max_chars: int | None, n_measured: int
) -> list[tuple[Any, ...]]:
    """Rows, read in parts of a few megabytes, whose last columns have up to `max_chars` characters in all."""
    found: list[tuple[Any, ...]] = []
    n_chars, start, n_keys = 0, 0, FIRST_KEYS
    while start < len(keys):
        for row in statement.each(connection, keys[start : start + n_keys]):
            n_chars += length(*row[-n_measured:])
            if max_chars is not None and n_chars > max_chars:
                raise TooMuchToRead(max_chars)
            found.append(row)
        start += n_keys
        n_keys = max(1, min(ROWS_AT_ONCE, CHARS_AT_ONCE * start // max(n_chars, 1)))
    return found


def length(*values: str | bytes | None) -> int:
    """Number of characters, or bytes, of values in all; None has none."""
    n = 0
    for value in values:
        if value:
            n += len(value)
    return n
