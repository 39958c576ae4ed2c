"""Paging cursors: the place in a list after which the next page begins, opaque to callers."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TypeVar

from service.errors import MalformedCursor

Position = TypeVar("Position", int, str)


def to_cursor(place: int | str) -> str:
    """The cursor of a place: a document's key or a collection's name."""
    return base64.urlsafe_b64encode(json.dumps(place).encode("ascii")).decode("ascii").rstrip("=")


def from_cursor(cursor: str | None, start: Position) -> Position:
    """The place of a cursor, of the same type as `start`, which is the place if there is no cursor.

    Raises:
        MalformedCursor: not one that `to_cursor` made of such a place.
    """
    if cursor is None:
        return start
    try:
        place = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise MalformedCursor(cursor) from None
    if type(place) is not type(start) or to_cursor(place) != cursor or not _possible(place):
        raise MalformedCursor(cursor)
    return place


def _possible(place: int | str) -> bool:
    return 0 <= place < 1 << 63 if isinstance(place, int) else place.isascii() and place.isprintable()
