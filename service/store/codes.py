"""Codes: append and discard in the commit lane, changes after a seq, documents that lack a code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, bindparam, exists, func, select

from service.hashing.codes import Codes
from service.store import buckets, documents, schema
from service.store.database import Lane
from service.store.documents import Document, Keys, integers
from service.store.statements import BulkStatement, DriverQuery, is_one_of

TABLE = schema.codes
DOCUMENTS = schema.documents
SPACES = schema.code_spaces
_ROWS_AT_ONCE, _CHARS_AT_ONCE = 256, 4_000_000
MAX_KEY = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes of codes, in the order of their seqs.

    Attributes:
        seqs: `(n,)` int64, increasing.
        keys: `(n,)` int64, the documents; each at most once.
        codes: `(n, n_bytes)` uint8; zeros where deleted.
        deleted: `(n,)` bool: the document has no code in the space any more.
    """

    seqs: NDArray[np.int64]
    keys: NDArray[np.int64]
    codes: Codes
    deleted: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.seqs)


def append(
    lane: Lane,
    space_id: int,
    keys: Keys,
    codes: Codes,
    seqs: Sequence[int] | None = None,
    *,
    has_buckets: bool = True,
) -> int:
    """Write the codes of documents in a space, replacing those they had; return the lane's last seq.

    Args:
        lane: of the space's collection.
        space_id: the space.
        keys: `(n,)` documents of the collection, each once.
        codes: `(n, n_bytes)` uint8, as wide as the space's n_bits.
        seqs: those of the documents, where they were written in the same transaction; drawn here if not given.
        has_buckets: as the space has.

    Cost: four statements, however many documents.
    """
    keys = integers(keys)
    if len(keys) != len(codes) or len(set(keys)) != len(keys):
        raise ValueError(f"keys must be unique and as many as codes, got {len(keys)} keys and {len(codes)} codes")
    if not keys:
        return lane.last_seq
    if has_buckets:
        _take_out(lane.connection, [space_id], keys)
    if seqs is None:
        first = lane.draw(len(keys))
        seqs = range(first, first + len(keys))
    _UPSERT.run(lane.connection, [space_id] * len(keys), keys, list(seqs), [code.tobytes() for code in codes])
    if has_buckets:
        buckets.put(lane.connection, space_id, keys, codes)
    return lane.last_seq


def append_current(
    lane: Lane, space_id: int, keys: Keys, revisions: Sequence[int], codes: Codes, *, has_buckets: bool = True
) -> int:
    """As `append`, but only for documents that still exist in the revision that was encoded; return how many."""
    keys = integers(keys)
    found = lane.connection.execute(_REVISIONS, {"collection": lane.collection_id, "keys": keys})
    current = {row.key: row.revision for row in found}
    rows = [
        row for row, (key, revision) in enumerate(zip(keys, revisions, strict=True)) if current.get(key) == revision
    ]
    append(lane, space_id, [keys[row] for row in rows], codes[rows], has_buckets=has_buckets)
    return len(rows)


def discard(lane: Lane, keys: Keys, keep_space_id: int | None = None) -> int | None:
    """Remove the codes of documents from all spaces of the collection, except from `keep_space_id`.

    For deleted documents no space is kept; for changed contents the one that just got their new codes. In a space that
    is being filled they leave a tombstone whether they had a code or not, see `bulk_codes`.

    Returns:
        The last seq, or None if no code was removed.
    """
    rows = lane.connection.execute(_SPACES, {"collection": lane.collection_id}).all()
    others = [row for row in rows if row.id != keep_space_id]
    keys = integers(keys)
    gone = {*_take_out(lane.connection, [row.id for row in others], keys)}
    gone.update((row.id, key) for row in others if row.state == "encoding" for key in keys)
    if not gone:
        return None
    first = lane.draw(len(gone))
    seqs, in_order = list(range(first, first + len(gone))), sorted(gone)
    _UPSERT.run(
        lane.connection, [space for space, _ in in_order], [key for _, key in in_order], seqs, [None] * len(gone)
    )
    return lane.last_seq


def renew(lane: Lane, keys: Keys, keep_space_id: int, model: int | None = None) -> None:
    """Leave documents without a code in spaces of the collection, to be encoded anew, whether they had one or not.

    A promotion that looked for documents without a code before then looks at these again.

    Args:
        lane: of the collection.
        keys: `(n,)` documents of it, each once.
        keep_space_id: the space in which nothing changes.
        model: only in spaces that encode the vectors of that embedding model.
    """
    rows = lane.connection.execute(_SPACES, {"collection": lane.collection_id})
    others = [row.id for row in rows if row.id != keep_space_id and model in (None, row.model)]
    keys = integers(keys)
    _take_out(lane.connection, others, keys)
    pairs = [(space, key) for space in others for key in sorted(keys)]
    if pairs:
        first = lane.draw(len(pairs))
        seqs = list(range(first, first + len(pairs)))
        _UPSERT.run(
            lane.connection, [space for space, _ in pairs], [key for _, key in pairs], seqs, [None] * len(pairs)
        )


def get(connection: Connection, space_id: int, key: int) -> NDArray[np.uint8] | None:
    """The code `(n_bytes,)` of a document in the space, if it has one."""
    rows = _ONE.rows(connection, space_id, key)
    return np.frombuffer(rows[0][0], dtype=np.uint8) if rows else None


def changes(connection: Connection, space_id: int, after_seq: int, limit: int) -> Changes:
    """Up to `limit` changes of a space's codes after a seq; fewer only if there are no more."""
    rows = connection.execute(_CHANGES, {"space": space_id, "after": after_seq, "limit": limit}).all()
    deleted = np.fromiter((row[2] is None for row in rows), dtype=np.bool_, count=len(rows))
    live = [row[2] for row in rows if row[2] is not None]
    if live:
        n_bytes = len(live[0])
    else:  # no change, or only deletions, whose rows do not hold the width of codes
        n_bytes = connection.execute(_N_BITS, {"space": space_id}).scalar_one() // 8 if rows else 0
    codes = np.zeros((len(rows), n_bytes), dtype=np.uint8)
    codes[~deleted] = buckets.stack(live, n_bytes)
    seqs, keys = (np.fromiter((row[column] for row in rows), dtype=np.int64, count=len(rows)) for column in (0, 1))
    return Changes(seqs, keys, codes, deleted)


def states(connection: Connection, space_id: int, keys: Keys) -> dict[int, tuple[int, bytes | None]]:
    """For each of the documents that had a code in a space: the seq of its last change, and its code or None."""
    rows = connection.execute(_STATES, {"space": space_id, "keys": integers(keys)})
    return {key: (seq, code) for key, seq, code in rows}


def load(connection: Connection, space_id: int, n_bytes: int) -> tuple[NDArray[np.int64], Codes]:
    """Keys `(n,)`, increasing, and codes `(n, n_bytes)` of every document that has one in the space."""
    parts = [*buckets.scan(connection, space_id, n_bytes)]
    if not parts:
        return np.empty(0, dtype=np.int64), np.empty((0, n_bytes), dtype=np.uint8)
    return np.concatenate([keys for keys, _ in parts]), np.concatenate([codes for _, codes in parts])


def missing(
    connection: Connection,
    collection_id: int,
    space_id: int,
    after_key: int = 0,
    limit: int = 1000,
    up_to_key: int = MAX_KEY,
    max_chars: int = _CHARS_AT_ONCE,
    model: int | None = None,
) -> list[Document]:
    """Up to `limit` documents after a key that have no code in a space, in the order of their keys.

    The list ends early with the document with which the contents pass `max_chars`: only an empty list means that none
    is missing. With `model`, only those that have a vector of that embedding model.

    Cost: linear in the documents between the two keys.
    """
    parameters = _of_space(collection_id, space_id, model) | {"after": after_key, "up_to": up_to_key}
    found: list[Document] = []
    n_chars = 0
    options = {"yield_per": _ROWS_AT_ONCE}
    with connection.execute(_MISSING, parameters | {"limit": limit}, execution_options=options) as rows:
        for row in rows:
            found.append(documents.of_row(row))
            n_chars += len(row.text or "") + len(row.content or b"")
            if n_chars > max_chars:
                break
    return found


def missing_among(
    connection: Connection, collection_id: int, space_id: int, keys: Keys, model: int | None = None
) -> list[Document]:
    """The documents among those keys that exist and have no code in a space, in the order of their keys.

    With `model`, only those that have a vector of that embedding model.
    """
    parameters = _of_space(collection_id, space_id, model) | {"keys": integers(keys)}
    return [documents.of_row(row) for row in connection.execute(_MISSING_AMONG, parameters)]


def discarded(connection: Connection, space_id: int, after_seq: int) -> list[int]:
    """Documents that were deleted or changed, and so lost their code in a space, after a seq, and got none since."""
    return [*connection.scalars(_DISCARDED, {"space": space_id, "after": after_seq})]


def count_missing(connection: Connection, collection_id: int, space_id: int, model: int | None = None) -> int:
    """Number of documents that have no code in a space; with `model`, of those that have a vector of that model.

    Cost: linear in the documents.
    """
    return connection.execute(_COUNT_MISSING, _of_space(collection_id, space_id, model)).scalar_one()


def size_of_missing(
    connection: Connection, collection_id: int, space_id: int, limit: int, model: int | None = None
) -> tuple[int, int]:
    """How many documents have no code in a space, and how many characters they have; counted up to `limit` documents.

    With `model`, of those that have a vector of that embedding model.

    Cost: linear in the documents, if fewer than `limit` have none.
    """
    parameters = _of_space(collection_id, space_id, model) | {"limit": limit}
    n, n_chars = connection.execute(_SIZE_OF_MISSING, parameters).one()
    return n, n_chars


def _of_space(collection_id: int, space_id: int, model: int | None) -> dict[str, Any]:
    return {"collection": collection_id, "space": space_id, "models": _ANY_MODEL if model is None else 1 << model}


def _take_out(connection: Connection, space_ids: Sequence[int], keys: list[int]) -> list[tuple[int, int]]:
    """Remove the buckets' rows of documents in spaces; return the (space, document) pairs that had a code."""
    rows = connection.execute(_LIVE, {"spaces": space_ids, "keys": keys}).all()
    for space_id in {row.space_id for row in rows}:
        of_space = [row for row in rows if row.space_id == space_id]
        codes = buckets.stack([row.code for row in of_space], len(of_space[0].code))
        buckets.take_out(connection, space_id, [row.document_key for row in of_space], codes)
    return [(row.space_id, row.document_key) for row in rows]


_ANY_MODEL = -1
"""All bits: every document has a vector of some model."""
_HAS_CODES = (SPACES.c.collection_id == bindparam("collection"), SPACES.c.state.not_in(("failed", "deleting")))
_SPACES = select(SPACES.c.id, SPACES.c.state, SPACES.c.model).where(*_HAS_CODES).order_by(SPACES.c.id)
_N_BITS = select(SPACES.c.n_bits).where(SPACES.c.id == bindparam("space"))
_OF_SPACE = TABLE.c.space_id == bindparam("space")
_HAS_CODE = TABLE.c.code.is_not(None)
_LIVE = (
    select(TABLE.c.space_id, TABLE.c.document_key, TABLE.c.code)
    .where(is_one_of(TABLE.c.space_id, "spaces"), is_one_of(TABLE.c.document_key, "keys"), _HAS_CODE)
    .order_by(TABLE.c.space_id, TABLE.c.document_key)
)
_ONE = DriverQuery(
    sqlite="SELECT code FROM codes WHERE space_id = ? AND document_key = ? AND code IS NOT NULL",
    postgresql="SELECT code FROM codes WHERE space_id = %s AND document_key = %s AND code IS NOT NULL",
)
_REVISIONS = select(DOCUMENTS.c.key, DOCUMENTS.c.revision).where(
    DOCUMENTS.c.collection_id == bindparam("collection"), is_one_of(DOCUMENTS.c.key, "keys")
)
_CHANGES = (
    select(TABLE.c.seq, TABLE.c.document_key, TABLE.c.code)
    .where(_OF_SPACE, TABLE.c.seq > bindparam("after"))
    .order_by(TABLE.c.seq)
    .limit(bindparam("limit"))
)
_STATES = select(TABLE.c.document_key, TABLE.c.seq, TABLE.c.code).where(
    _OF_SPACE, is_one_of(TABLE.c.document_key, "keys")
)
_WITHOUT_CODE = (
    DOCUMENTS.c.collection_id == bindparam("collection"),
    DOCUMENTS.c.models.bitwise_and(bindparam("models", type_=BigInteger)) != 0,
    ~exists().where(_OF_SPACE, TABLE.c.document_key == DOCUMENTS.c.key, _HAS_CODE),
)
_MISSING = (
    select(*documents.COLUMNS)
    .where(*_WITHOUT_CODE, DOCUMENTS.c.key > bindparam("after"), DOCUMENTS.c.key <= bindparam("up_to"))
    .order_by(DOCUMENTS.c.key)
    .limit(bindparam("limit"))
)
_MISSING_AMONG = (
    select(*documents.COLUMNS).where(*_WITHOUT_CODE, is_one_of(DOCUMENTS.c.key, "keys")).order_by(DOCUMENTS.c.key)
)
_DISCARDED = (
    select(TABLE.c.document_key)
    .where(_OF_SPACE, TABLE.c.seq > bindparam("after"), TABLE.c.code.is_(None))
    .order_by(TABLE.c.document_key)
)
_SOME_MISSING = select(DOCUMENTS.c.text, DOCUMENTS.c.content).where(*_WITHOUT_CODE).limit(bindparam("limit")).subquery()
_LENGTH = func.coalesce(func.length(_SOME_MISSING.c.text), 0) + func.coalesce(func.length(_SOME_MISSING.c.content), 0)
_SIZE_OF_MISSING = select(func.count(), func.coalesce(func.sum(_LENGTH), 0)).select_from(_SOME_MISSING)
_COUNT_MISSING = select(func.count()).select_from(DOCUMENTS).where(*_WITHOUT_CODE)

_UPSERT = BulkStatement(
    sqlite="""
        INSERT INTO codes (space_id, document_key, seq, code) VALUES (?, ?, ?, ?)
        ON CONFLICT (space_id, document_key) DO UPDATE SET seq = excluded.seq, code = excluded.code
    """,
    postgresql="""
        INSERT INTO codes (space_id, document_key, seq, code)
        SELECT * FROM unnest(%b::bigint[], %b::bigint[], %b::bigint[], %b::bytea[])
        ON CONFLICT (space_id, document_key) DO UPDATE SET seq = excluded.seq, code = excluded.code
    """,
)
