"""Kept queries: the last texts that a collection was asked with, where it keeps them (`store.upkeep`)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select

from service.store import schema
from service.store.schema import now

TABLE = schema.kept_queries


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
