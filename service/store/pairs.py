"""Pairs: what people said of two documents, by their ids. A pair is stored once, whichever document came first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, select

from service.store import schema
from service.store.schema import now
from service.store.statements import insert

TABLE = schema.pairs


@dataclass(frozen=True, slots=True)
class Pair:
    """Two documents, and whether they are alike.

    Attributes:
        a, b: ids of the documents, in the order of their code points.
        similar: what was said last.
        number: grows from one new pair to the next; 0 of one that is not stored.
        created_at: when something was said of it first; None of one that is not stored.
    """

    a: str
    b: str
    similar: bool
    number: int = 0
    created_at: datetime | None = None

    @classmethod
    def of(cls, a: str, b: str, similar: bool) -> Pair:
        """The pair of two different documents, in either order."""
        return cls(min(a, b), max(a, b), similar)


def put(connection: Connection, collection_id: int, pairs: Sequence[Pair]) -> None:
    """Keep what was said of pairs, in place of what was said of them before; of one that comes twice, the last."""
    said = {(pair.a, pair.b): pair.similar for pair in pairs}
    statement = insert(connection, TABLE)
    statement = statement.on_conflict_do_update(
        index_elements=["collection_id", "a", "b"], set_={"similar": statement.excluded.similar}
    )
    rows = [
        {"collection_id": collection_id, "a": a, "b": b, "similar": similar} for (a, b), similar in sorted(said.items())
    ]
    if rows:
        connection.execute(statement.values(created_at=now()), rows)


def count(connection: Connection, collection_id: int) -> int:
    """Number of pairs."""
    return connection.execute(_COUNT, {"collection": collection_id}).scalar_one()


def page(connection: Connection, collection_id: int, after_number: int, limit: int) -> list[Pair]:
    """Up to `limit` pairs after a number, in the order in which something was said of them first."""
    parameters = {"collection": collection_id, "after": after_number, "limit": limit}
    return [Pair(*row) for row in connection.execute(_PAGE, parameters)]


def remove(connection: Connection, collection_id: int, ends: tuple[str, str] | None = None) -> int:
    """Forget what was said of two documents, in either order, or of all pairs; returns of how many that was."""
    statement = delete(TABLE).where(TABLE.c.collection_id == collection_id)
    if ends is not None:
        statement = statement.where(TABLE.c.a == min(ends), TABLE.c.b == max(ends))
    return connection.execute(statement).rowcount


_OF_COLLECTION = TABLE.c.collection_id == bindparam("collection")
_COUNT = select(func.count()).select_from(TABLE).where(_OF_COLLECTION)
_PAGE = (
    select(TABLE.c.a, TABLE.c.b, TABLE.c.similar, TABLE.c.number, TABLE.c.created_at)
    .where(_OF_COLLECTION, TABLE.c.number > bindparam("after"))
    .order_by(TABLE.c.number)
    .limit(bindparam("limit"))
)
