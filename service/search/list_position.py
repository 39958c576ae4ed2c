"""ListPosition: where a page of a list ended, which its cursor holds, so that the next page begins there.

It is a value and a key, not a number of documents: documents that are added or deleted meanwhile move nobody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite

from service.errors import InvalidInput, MalformedCursor
from service.index.columns.filters import Scalar
from service.index.columns.view import ColumnView

_LONGEST = 200
"""Characters of a text that a cursor holds; the rest is read from the document, as long as that has it."""
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class ListOrder:
    """The order of a list.

    Attributes:
        field: that documents are ordered by; None for the order of arrival.
        is_descending: whether the greatest value comes first; documents without one come last all the same.
    """

    field: str | None = None
    is_descending: bool = False

    def __str__(self) -> str:
        return ("-" if self.is_descending else "") + (self.field or "")

    def value(self, columns: ColumnView, key: int) -> Scalar | None:
        """What a document is ordered by, beside its key."""
        return None if self.field is None else columns.sort_value(key, self.field, self.is_descending)


@dataclass(frozen=True, slots=True)
class ListPosition:
    """After the document with this value and key."""

    order: ListOrder
    value: Scalar | None
    key: int

    @classmethod
    def at(cls, columns: ColumnView, key: int, order: ListOrder) -> ListPosition:
        """After a document."""
        return cls(order, order.value(columns, key), key)

    @classmethod
    def from_cursor(cls, cursor: str, columns: ColumnView, order: ListOrder) -> ListPosition:
        """What `cursor` gave.

        Raises:
            MalformedCursor: it did not.
            InvalidInput: it is of a list in another order.
        """
        try:
            name, value, key = json.loads(cursor)
        except (ValueError, TypeError, RecursionError):
            raise MalformedCursor(cursor) from None
        is_scalar = isinstance(value, bool | int | str | None) or (isinstance(value, float) and isfinite(value))
        if not isinstance(name, str) or not is_scalar or type(key) is not int or not 0 <= key < 1 << 63:
            raise MalformedCursor(cursor)
        if name != str(order):
            raise InvalidInput(f"cursor must be of a list with the same sort, got one of sort={name!r}")
        if isinstance(value, str) and len(value) >= _LONGEST:
            value = _whole(value, order.value(columns, key), order)
        return cls(order, value, key)

    def cursor(self) -> str:
        """It as text, in ASCII."""
        value = self.value[:_LONGEST] if isinstance(self.value, str) else self.value
        return json.dumps([str(self.order), value, self.key])

    def precedes(self, value: Scalar | None, key: int) -> bool:
        """Whether it comes before a document: numbers, texts, booleans, none; equal values by key."""
        if _kind(self.value) != _kind(value):
            return _kind(self.value) < _kind(value)
        if self.value == value or self.value is None or value is None:
            return self.key < key
        is_greater: bool = self.value > value  # type: ignore[operator]
        return is_greater == self.order.is_descending


def _whole(beginning: str, present: Scalar | None, order: ListOrder) -> str:
    """The text that a cursor holds the beginning of, or, if it is gone, one before all others that begin so."""
    if isinstance(present, str) and present.startswith(beginning):
        return present
    return beginning + _LAST_CHARACTER if order.is_descending else beginning


def _kind(value: Scalar | None) -> int:
    match value:
        case bool():
            return 2
        case int() | float():
            return 0
        case str():
            return 1
        case _:
            return 3
