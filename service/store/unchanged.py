"""Documents that were chosen at one moment, deleted a moment later unless they have changed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from service.store import codes, documents
from service.store.database import Lane
from service.store.statements import is_one_of

TABLE = documents.TABLE


def delete(lane: Lane, keys: Sequence[int], last_seq: int) -> list[str]:
    """Delete the documents among those keys that exist and have not changed after a seq, and return their ids.

    Those that have expired are left to the job runner: to callers they are gone.

    Cost: a few statements, however many documents.
    """
    rows = lane.connection.execute(
        _UNCHANGED, {"collection": lane.collection_id, "keys": list(keys), "seq": last_seq}
    ).all()
    found = [row.key for row in rows]
    if found:
        documents.delete_keys(lane, found)
        codes.discard(lane, found)
    return [row.id for row in rows]


_UNCHANGED = (
    select(TABLE.c.key, TABLE.c.id)
    .where(
        TABLE.c.collection_id == bindparam("collection"),
        TABLE.c.seq + 0 <= bindparam("seq"),  # else SQLite reads all documents up to it, by the index of seqs
        is_one_of(TABLE.c.key, "keys"),
        documents.LIVES,
    )
    .order_by(TABLE.c.key)
)
