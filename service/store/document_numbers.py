"""Numbers of documents as callers see them: those of one collection, of documents that have not expired."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, or_, select

from service.store import schema
from service.store.documents import integers
from service.store.schema import now
from service.store.statements import is_one_of

TABLE = schema.documents


def those_there(connection: Connection, collection_id: int, numbers: Sequence[int]) -> list[int]:
    """The numbers, among some, of documents that the collection has now, increasing."""
    return [*connection.scalars(_THERE, {"collection": collection_id, "keys": integers(numbers)})]


_THERE = (
    select(TABLE.c.key)
    .where(
        TABLE.c.collection_id == bindparam("collection"),
        is_one_of(TABLE.c.key, "keys"),
        or_(TABLE.c.expires_at.is_(None), TABLE.c.expires_at > now()),
    )
    .order_by(TABLE.c.key)
)
