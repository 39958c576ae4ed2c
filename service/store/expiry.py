"""Documents that expire: gone for every caller at their time, deleted by the job runner a moment later.

The row of a collection holds a moment before which none of its documents expires. Every statement that reads this row
says on the way whether it has passed: who reads or writes a collection without documents that expire pays nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, func, select, update

from service.store import codes, documents, schema
from service.store.database import Lane
from service.store.schema import now
from service.store.statements import is_one_of

DOCUMENTS = schema.documents.c
COLLECTIONS = schema.collections


def note(lane: Lane, moments: Iterable[datetime | None]) -> None:
    """Have the collection know that documents expire at these moments; none if there are none."""
    first = min((moment for moment in moments if moment is not None), default=None)
    if first is not None:
        lane.connection.execute(_NOTE, {"collection": lane.collection_id, "moment": first})


def settle(lane: Lane, ids: Sequence[str]) -> None:
    """Delete those of some documents that have expired: a write must not find what its caller knows to be gone.

    One statement, where documents of the collection have expired; else none.
    """
    if lane.has_expired:
        keys = lane.connection.scalars(_EXPIRED_OF_IDS, {"collection": lane.collection_id, "ids": list(ids)})
        _delete(lane, sorted(keys))


def delete_expired(lane: Lane, limit: int) -> int:
    """Delete up to `limit` documents that have expired, the earliest first, and return how many.

    Where that is fewer, the collection knows from then on when the next one expires.
    """
    parameters = {"collection": lane.collection_id, "limit": limit}
    keys = sorted(lane.connection.scalars(_EXPIRED.order_by(DOCUMENTS.expires_at).limit(limit), parameters))
    _delete(lane, keys)
    if len(keys) < limit:
        lane.connection.execute(_NOTE_NEXT, {"collection": lane.collection_id})
    return len(keys)


def _delete(lane: Lane, keys: list[int]) -> None:
    if keys:
        documents.delete_keys(lane, keys)
        codes.discard(lane, keys)


def with_expired(connection: Connection) -> list[int]:
    """The ids of the collections that may have documents to delete."""
    return [*connection.scalars(_WITH_EXPIRED)]


def expired_keys(connection: Connection, collection_id: int) -> NDArray[np.int64]:
    """The keys of the documents that have expired and are not deleted yet. Cost: linear in these."""
    return np.array([*connection.scalars(_EXPIRED, {"collection": collection_id})], dtype=np.int64)


def living_keys(connection: Connection, collection_id: int) -> NDArray[np.int64]:
    """The keys of all other documents, ascending. Cost: linear in the documents."""
    return np.array([*connection.scalars(_LIVING, {"collection": collection_id})], dtype=np.int64)


_OF_COLLECTION = DOCUMENTS.collection_id == bindparam("collection")
_EXPIRED = select(DOCUMENTS.key).where(_OF_COLLECTION, DOCUMENTS.expires_at <= now())
_EXPIRED_OF_IDS = _EXPIRED.where(is_one_of(DOCUMENTS.id, "ids"))
_LIVING = select(DOCUMENTS.key).where(_OF_COLLECTION, documents.LIVES).order_by(DOCUMENTS.key)
_WITH_EXPIRED = select(COLLECTIONS.c.id).where(COLLECTIONS.c.expires_next <= now(), COLLECTIONS.c.dropped_at.is_(None))
_MOMENT = bindparam("moment", type_=schema.Instant())
_NOTE = (
    update(COLLECTIONS)
    .where(
        COLLECTIONS.c.id == bindparam("collection"),
        func.coalesce(COLLECTIONS.c.expires_next > _MOMENT, True),
    )
    .values(expires_next=_MOMENT)
)
_NEXT = select(func.min(DOCUMENTS.expires_at)).where(_OF_COLLECTION, DOCUMENTS.expires_at.is_not(None))
_NOTE_NEXT = (
    update(COLLECTIONS).where(COLLECTIONS.c.id == bindparam("collection")).values(expires_next=_NEXT.scalar_subquery())
)
