"""Paging cursors: the position in a list after which the next page begins, opaque to callers."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TypeVar

from service.errors import MalformedCursor

Position = TypeVar("Position", int, str)


def to_cursor(position: int | str) -> str:
    """The cursor for a position: a document's key or a collection's name."""
    return base64.urlsafe_b64encode(json.dumps(position).encode("ascii")).decode("ascii").rstrip("=")


def from_cursor(cursor: str | None, start: Position) -> Position:
    """The position that a cursor stands for.

    Args:
        cursor: made by `to_cursor`; None for the first page.
        start: the position before the first page; every position of the list has its type.

    Raises:
        MalformedCursor: `to_cursor` did not make it of such a position.
    """
    if cursor is None:
        return start
    try:
        position = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise MalformedCursor(cursor) from None
    if type(position) is not type(start) or to_cursor(position) != cursor or not _is_possible(position):
        raise MalformedCursor(cursor)
    return position


def _is_possible(position: int | str) -> bool:
    return 0 <= position < 1 << 63 if isinstance(position, int) else position.isascii() and position.isprintable()
