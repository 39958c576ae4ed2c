"""Documents that were chosen at one moment, deleted or patched a moment later unless they have changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import bindparam, select

from service.store import codes, documents, patches
from service.store.database import Lane
from service.store.patches import CheckMetadata, Patch, Patched
from service.store.statements import is_one_of

TABLE = documents.TABLE


def delete(lane: Lane, keys: Sequence[int], last_seq: int) -> list[str]:
    """Delete the documents among those keys that exist and have not changed after a seq, and return their ids.

    Those that have expired are left to the job runner: to callers they are gone.

    Cost: a few statements, however many documents.
    """
    found = _find(lane, keys, last_seq)
    if found:
        documents.delete_keys(lane, list(found))
        codes.discard(lane, list(found))
    return list(found.values())


def patch(
    lane: Lane, keys: Sequence[int], last_seq: int, patch_of: Callable[[str], Patch], check_metadata: CheckMetadata
) -> Patched:
    """Patch the documents among those keys that exist and have not changed after a seq.

    Args:
        lane: of their collection.
        keys: of documents.
        last_seq: the seq.
        patch_of: gives the patch of the document of an id.
        check_metadata: called with metadata that a document is to have.

    Raises:
        InvalidInput: by `check_metadata`; nothing was changed.

    Cost: a few statements, however many documents.
    """
    return patches.apply(lane, [patch_of(id) for id in _find(lane, keys, last_seq).values()], check_metadata)


def _find(lane: Lane, keys: Sequence[int], last_seq: int) -> dict[int, str]:
    """Ids by key, in the order of the keys."""
    parameters = {"collection": lane.collection_id, "keys": list(keys), "seq": last_seq}
    return {row.key: row.id for row in lane.connection.execute(_UNCHANGED, parameters)}


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
