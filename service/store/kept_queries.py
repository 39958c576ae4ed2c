"""Kept queries: the last texts that a collection was asked with, where it keeps them (`store.upkeep`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select

from service.store import schema
from service.store.schema import now

TABLE = schema.kept_queries
_CHARS_OF_PAGE = 1_000_000


@dataclass(frozen=True, slots=True)
class KeptQuery:
    """A text that a collection was asked with.

    Attributes:
        number: grows from one query to the next.
        created_at: when it was written down.
    """

    number: int
    text: str
    created_at: datetime


def add(connection: Connection, collection_id: int, texts: Sequence[str], keep: int) -> None:
    """Keep texts, in their order, and of all that are kept the last `keep`."""
    if texts:
        rows = [{"collection_id": collection_id, "text": text} for text in texts[-keep:]]
        connection.execute(insert(TABLE).values(created_at=now()), rows)
    oldest = connection.execute(_NTH, {"collection": collection_id, "before": keep - 1}).scalar()
    if oldest is not None:
        connection.execute(delete(TABLE).where(TABLE.c.collection_id == collection_id, TABLE.c.number < oldest))


def last(connection: Connection, collection_id: int, n: int) -> list[str]:
    """The last `n` texts that are kept, the latest first, each once."""
    rows = connection.scalars(_LAST, {"collection": collection_id, "limit": n})
    return list(dict.fromkeys(rows))


def page(connection: Connection, collection_id: int, before_number: int, limit: int) -> tuple[list[KeptQuery], bool]:
    """Up to `limit` queries before a number, the latest first, and whether there are more.

    A page ends after the query with which its texts pass a million characters.
    """
    found: list[KeptQuery] = []
    n_chars = 0
    parameters = {"collection": collection_id, "before": before_number, "limit": limit + 1}
    for row in connection.execute(_PAGE, parameters):
        if len(found) == limit or n_chars > _CHARS_OF_PAGE:
            return found, True
        found.append(KeptQuery(*row))
        n_chars += len(row.text)
    return found, False


def remove(connection: Connection, collection_id: int, number: int) -> bool:
    """Delete one query; returns whether there was one of that number."""
    statement = delete(TABLE).where(TABLE.c.collection_id == collection_id, TABLE.c.number == number)
    return bool(connection.execute(statement).rowcount)


def clear(connection: Connection, collection_id: int) -> None:
    """Delete all that are kept."""
    connection.execute(delete(TABLE).where(TABLE.c.collection_id == collection_id))


_NEWEST_FIRST = (
    select(TABLE.c.number).where(TABLE.c.collection_id == bindparam("collection")).order_by(TABLE.c.number.desc())
)
_NTH = _NEWEST_FIRST.offset(bindparam("before")).limit(1)
_LAST = (
    select(TABLE.c.text)
    .where(TABLE.c.collection_id == bindparam("collection"))
    .order_by(TABLE.c.number.desc())
    .limit(bindparam("limit"))
)
_PAGE = (
    select(TABLE.c.number, TABLE.c.text, TABLE.c.created_at)
    .where(TABLE.c.collection_id == bindparam("collection"), TABLE.c.number < bindparam("before"))
    .order_by(TABLE.c.number.desc())
    .limit(bindparam("limit"))
)
