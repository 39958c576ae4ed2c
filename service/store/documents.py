"""Documents: put, get, delete, page.

Longer than other files because statements that every request runs stand here twice, once in the SQL of each database.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, func, or_, select
from sqlalchemy import delete as delete_from

from service.errors import DuplicateIds, NotFound, RevisionDiffers
from service.hashing.content import Content, Kind, from_row, models_of, size_of, to_rows
from service.store import schema
from service.store.bounded_reads import CHARS_AT_ONCE, FIRST_KEYS, ROWS_AT_ONCE, length
from service.store.database import Lane
from service.store.schema import SQLITE_NOW, Instant, now
from service.store.statements import BulkStatement, DriverQuery, is_one_of

TABLE = schema.documents
COLUMNS = (
    TABLE.c.key,
    TABLE.c.id,
    TABLE.c.text,
    TABLE.c.metadata,
    TABLE.c.revision,
    TABLE.c.created_at,
    TABLE.c.updated_at,
    TABLE.c.content,
    TABLE.c.title,
    TABLE.c.metadata_revision,
    TABLE.c.expires_at,
)
_LARGE_FLOAT = re.compile(r'("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?e\+\d+)')

Keys = Sequence[int] | NDArray[np.int64]
"""Keys of documents."""


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document as a caller brings it; without an id it is given one.

    Attributes:
        expires_at: when it goes by itself; None for never.
        revision: the `full_revision` that the stored one must have, 0 if there must be none; None for any.
    """

    id: str | None
    content: Content
    metadata: dict[str, Any]
    expires_at: datetime | None = None
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document.

    Attributes:
        key: number of the document, unique in the database, never given twice; grows in the order of arrival.
        id: the caller's name of it, unique in its collection.
        revision: 1, and one more with each changed content.
        updated_at: when it was last put, changed or not.
        metadata_revision: how often all but the content changed: metadata, and when it expires.
        expires_at: when it goes by itself; None for never.
    """

    key: int
    id: str
    content: Content
    metadata: dict[str, Any]
    revision: int
    created_at: datetime
    updated_at: datetime
    metadata_revision: int = 0
    expires_at: datetime | None = None

    @property
    def full_revision(self) -> int:
        """1, and one more with each change: what callers know as its revision."""
        return self.revision + self.metadata_revision


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """Where a document is: its collection, with the last seq drawn there, and its key; None is the collection alone.

    `has_expired` says whether documents of the collection may have expired that are not deleted yet.
    """

    collection_id: int
    n_bits: int
    last_seq: int
    key: int | None
    kind: Kind = "text"
    has_expired: bool = False


class PutResult(NamedTuple):
    """The result of putting one document: `created` if its id was new, `changed` if its content was new or another.

    `seq` is the number of the change; that of its code is the same. `revision` is the `full_revision` from now on.
    """

    key: int
    id: str
    created: bool
    changed: bool
    seq: int
    revision: int


class Revisions(NamedTuple):
    """The key of a document, the revision of its content, and its `full_revision`."""

    key: int
    content: int
    full: int


def put(lane: Lane, documents: Sequence[NewDocument]) -> list[PutResult]:
    """Insert documents, or replace content and metadata of those whose id exists; one result each, in order.

    Raises:
        DuplicateIds: two of them have the same id.
        RevisionDiffers: one is to replace another revision than the stored one.

    Cost: four statements, however many documents.
    """
    ids = [document.id or uuid4().hex for document in documents]
    repeated = [id for id, n in Counter(ids).items() if n > 1]
    if repeated:
        raise DuplicateIds(repeated)
    before = revisions_of(lane, ids)
    wanted = {id: one.revision for id, one in zip(ids, documents, strict=True) if one.revision is not None}
    check_revisions(wanted, before)
    rows = to_rows([document.content for document in documents])
    first = lane.draw(len(ids))
    _UPSERT.run(
        lane.connection,
        [lane.collection_id] * len(ids),
        ids,
        *([row[column] for row in rows] for column in range(3)),
        [models_of(document.content) for document in documents],
        [metadata_json(document.metadata) for document in documents],
        list(range(first, first + len(ids))),
        [as_bound(lane.connection, document.expires_at) for document in documents],
    )
    after = revisions_of(lane, ids)
    results = []
    for seq, id in enumerate(ids, first):
        key, content, full = after[id]
        known = before.get(id)
        results.append(PutResult(key, id, known is None, known is None or known.content != content, seq, full))
    return results


def check_revisions(wanted: Mapping[str, int], found: Mapping[str, Revisions]) -> None:
    """Refuse changes of documents that are in another revision than a caller knows.

    Args:
        wanted: by id the `full_revision` that the document must have, 0 if there must be none.
        found: of those that exist.

    Raises:
        RevisionDiffers: one has another.
    """
    existing = {id: found[id].full if id in found else 0 for id in wanted}
    differing = {id: revision for id, revision in existing.items() if revision != wanted[id]}
    if differing:
        raise RevisionDiffers(differing)


def get(connection: Connection, collection_id: int, id: str) -> Document:
    """The document of that id.

    Raises:
        NotFound: the collection has none.
    """
    row = connection.execute(_BY_ID, {"collection": collection_id, "id": id}).first()
    if row is None:
        raise NotFound("document", id)
    return of_row(row)


def of_row(row: Sequence[Any]) -> Document:
    """The document of a row of `COLUMNS`."""
    key, id, text, metadata, revision, created_at, updated_at, data, title, metadata_revision, expires_at = row
    content = from_row(text, data, title)
    return Document(key, id, content, metadata, revision, created_at, updated_at, metadata_revision, expires_at)


def locate(connection: Connection, collection: str, id: str) -> DocumentRef:
    """Where the document of that id in the collection of that name is, in one statement.

    Raises:
        NotFound: there is no such collection, or no such document in it.
    """
    rows = _LOCATED.rows(connection, id, collection)
    if not rows:
        raise NotFound("collection", collection)
    collection_id, n_bits, last_seq, key, kind, has_expired = rows[0]
    located = DocumentRef(collection_id, n_bits, last_seq, key, kind, bool(has_expired))
    if located.key is None:
        raise NotFound("document", id)
    return located


def revisions(connection: Connection, keys: Keys) -> dict[int, int]:
    """The revision of each of the documents that still exist among those keys, whatever collection they are in."""
    return dict(_REVISIONS_OF.rows(connection, integers(keys)))


def ids_of(connection: Connection, keys: Keys) -> dict[int, str]:
    """The ids of the documents that still exist among those keys, whatever collection they are in."""
    return dict(_IDS_OF.rows(connection, integers(keys)))


def keys_of(connection: Connection, collection_id: int, ids: Sequence[str]) -> dict[str, int]:
    """The keys of those of the ids that the collection has."""
    if not ids:
        return {}
    rows = connection.execute(_REVISIONS, {"collection": collection_id, "ids": list(ids)})
    return {id: key for id, key, _, _ in rows}


def by_keys(connection: Connection, keys: Keys) -> dict[int, Document]:
    """The documents that still exist among those keys, by key, whatever collection they are in."""
    rows = connection.execute(_BY_KEYS, {"keys": integers(keys)})
    return {row[0]: of_row(row) for row in rows}


def by_ids(
    connection: Connection, collection_id: int, ids: Sequence[str], max_chars: float
) -> tuple[list[Document], list[str], list[str]]:
    """The documents of distinct ids, in their order; the ids that do not exist; and those that were not read.

    It stops reading after the document with which contents pass `max_chars`.
    """
    found: list[Document] = []
    missing: list[str] = []
    n_chars = start = 0
    while start < len(ids) and n_chars <= max_chars:
        part = list(ids[start : start + FIRST_KEYS])
        rows = connection.execute(_BY_IDS, {"collection": collection_id, "ids": part})
        by_id = {document.id: document for document in map(of_row, rows)}
        for id in part:
            if n_chars > max_chars:
                break
            start += 1
            if id not in by_id:
                missing.append(id)
                continue
            found.append(by_id[id])
            n_chars += size_of(by_id[id].content)
    return found, missing, list(ids[start:])


def present(lane: Lane, ids: Sequence[str]) -> list[str]:
    """The given ids that the collection has, each once, in the order given."""
    found = revisions_of(lane, ids)
    return [id for id in dict.fromkeys(ids) if id in found]


def delete(lane: Lane, ids: Sequence[str]) -> list[int]:
    """Delete documents, and return the keys of those that existed; their codes are for `codes.discard`."""
    keys = sorted(one.key for one in revisions_of(lane, ids).values())
    delete_keys(lane, keys)
    return keys


def delete_keys(lane: Lane, keys: list[int]) -> None:
    """Delete documents of the collection that exist, by key; their codes are for `codes.discard`."""
    if keys:
        lane.connection.execute(_DELETE, {"keys": keys})
        first = lane.draw(len(keys))
        seqs = list(range(first, first + len(keys)))
        _NOTE_DELETED.run(lane.connection, [lane.collection_id] * len(keys), seqs, keys)


def page(connection: Connection, collection_id: int, after_key: int, limit: int) -> list[Document]:
    """Up to `limit` documents whose key is greater than `after_key`, in the order of their keys."""
    return bounded_page(connection, collection_id, after_key, limit, None)[0]


def bounded_page(
    connection: Connection, collection_id: int, after_key: int, limit: int, max_chars: int | None
) -> tuple[list[Document], bool]:
    """As `page`, but ended by the first document with which contents pass `max_chars`; and whether more follow."""
    found: list[Document] = []
    n_chars, step = 0, FIRST_KEYS
    while True:
        wanted = min(step, limit + 1 - len(found))
        last = found[-1].key if found else after_key
        rows = connection.execute(_PAGE, {"collection": collection_id, "after": last, "limit": wanted}).all()
        for row in rows:
            if len(found) == limit or (max_chars is not None and n_chars > max_chars):
                return found, True
            found.append(of_row(row))
            n_chars += length(row.text, row.content)
        if len(rows) < wanted:
            return found, False
        step = max(1, min(ROWS_AT_ONCE, CHARS_AT_ONCE * len(found) // max(n_chars, 1)))


def count(connection: Connection, collection_id: int) -> int:
    """Number of documents. Cost: linear, from an index."""
    return connection.execute(_COUNT, {"collection": collection_id}).scalar_one()


def last_key(connection: Connection, collection_id: int) -> int:
    """The greatest key of a collection's documents, 0 if it has none; later ones get greater keys."""
    return connection.execute(_LAST_KEY, {"collection": collection_id}).scalar() or 0


def metadata_json(metadata: dict[str, Any]) -> str:
    """Metadata as JSON, large floats with a decimal point: JSONB keeps 1e+300 as an integer, but not 1000...0.0."""
    if not metadata:
        return "{}"
    written = json.dumps(metadata)
    if "e+" not in written:
        return written
    return _LARGE_FLOAT.sub(lambda found: found[1] or f"{Decimal(found[2]):f}.0", written)


def revisions_of(lane: Lane, ids: Sequence[str]) -> dict[str, Revisions]:
    """Key and revisions of each of the ids that the collection has."""
    rows = lane.connection.execute(_REVISIONS, {"collection": lane.collection_id, "ids": list(ids)})
    return {id: Revisions(key, revision, revision + further) for id, key, revision, further in rows}


def as_bound(connection: Connection, moment: datetime | None) -> Any:
    """A moment as a `BulkStatement` takes it, which knows no types."""
    return EXPIRES_AT.process_bind_param(moment, connection.dialect)


def integers(keys: Keys) -> list[int]:
    """Keys as plain integers, which drivers know how to bind."""
    return keys.tolist() if isinstance(keys, np.ndarray) else list(keys)


EXPIRES_AT = Instant()
_OF_COLLECTION = TABLE.c.collection_id == bindparam("collection")
LIVES = or_(TABLE.c.expires_at.is_(None), TABLE.c.expires_at > now())
"""Condition: the document has not expired. One that has is there until the job runner deletes it, a second or so."""
_BY_ID = select(*COLUMNS).where(_OF_COLLECTION, TABLE.c.id == bindparam("id"), LIVES)


_REVISIONS_OF = DriverQuery(
    sqlite="SELECT key, revision FROM documents WHERE key IN (SELECT value FROM json_each(?))",
    postgresql="SELECT key, revision FROM documents WHERE key = ANY(%s)",
)
_IDS_OF = DriverQuery(
    sqlite="SELECT key, id FROM documents WHERE key IN (SELECT value FROM json_each(?))",
    postgresql="SELECT key, id FROM documents WHERE key = ANY(%s)",
)
_LOCATED = DriverQuery(
    sqlite=f"""
        SELECT collections.id, collections.n_bits, collections.last_seq, documents.key, collections.kind,
            collections.expires_next <= {SQLITE_NOW}
        FROM collections LEFT JOIN documents ON documents.collection_id = collections.id AND documents.id = ?
            AND (documents.expires_at IS NULL OR documents.expires_at > {SQLITE_NOW})
        WHERE collections.name = ?
    """,  # noqa: S608
    postgresql="""
        SELECT collections.id, collections.n_bits, collections.last_seq, documents.key, collections.kind,
            collections.expires_next <= clock_timestamp()
        FROM collections LEFT JOIN documents ON documents.collection_id = collections.id AND documents.id = %s
            AND (documents.expires_at IS NULL OR documents.expires_at > clock_timestamp())
        WHERE collections.name = %s
    """,
)
_BY_KEYS = select(*COLUMNS).where(is_one_of(TABLE.c.key, "keys"))
_BY_IDS = select(*COLUMNS).where(_OF_COLLECTION, is_one_of(TABLE.c.id, "ids"), LIVES)
_REVISIONS = select(TABLE.c.id, TABLE.c.key, TABLE.c.revision, TABLE.c.metadata_revision).where(
    _OF_COLLECTION, is_one_of(TABLE.c.id, "ids")
)
_PAGE = (
    select(*COLUMNS)
    .where(_OF_COLLECTION, TABLE.c.key > bindparam("after"), LIVES)
    .order_by(TABLE.c.key)
    .limit(bindparam("limit"))
)
_COUNT = select(func.count()).select_from(TABLE).where(_OF_COLLECTION)
_LAST_KEY = select(func.max(TABLE.c.key)).where(_OF_COLLECTION)
_DELETE = delete_from(TABLE).where(is_one_of(TABLE.c.key, "keys"))

_UPSERT = BulkStatement(
    sqlite="""
        INSERT INTO documents
            (collection_id, id, text, content, title, models, metadata, seq, expires_at,
             revision, created_at, updated_at)
        SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, clock.now, clock.now
        FROM (SELECT strftime('%Y-%m-%d %H:%M:%f+00:00', 'now') AS now) AS clock WHERE true
        ON CONFLICT (collection_id, id) DO UPDATE SET
            revision = documents.revision
                + (documents.text IS NOT excluded.text OR documents.content IS NOT excluded.content
                    OR documents.title IS NOT excluded.title),
            metadata_revision = documents.metadata_revision
                + (documents.text IS excluded.text AND documents.content IS excluded.content
                    AND documents.title IS excluded.title
                    AND (documents.metadata IS NOT excluded.metadata
                        OR documents.expires_at IS NOT excluded.expires_at)),
            text = excluded.text, content = excluded.content, title = excluded.title, models = excluded.models,
            metadata = excluded.metadata, seq = excluded.seq, expires_at = excluded.expires_at,
            updated_at = excluded.updated_at
    """,
    postgresql="""
        INSERT INTO documents
            (collection_id, id, text, content, title, models, metadata, seq, expires_at,
             revision, created_at, updated_at)
        SELECT rows.*, 1, clock.now, clock.now
        FROM unnest(
                 %b::bigint[], %b::text[], %b::text[], %b::bytea[], %b::text[], %b::bigint[], %b::jsonb[], %b::bigint[],
                 %b::timestamptz[]
             ) AS rows,
             (SELECT clock_timestamp() AS now) AS clock
        ON CONFLICT (collection_id, id) DO UPDATE SET
            revision = documents.revision
                + ((documents.text, documents.content, documents.title)
                    IS DISTINCT FROM (excluded.text, excluded.content, excluded.title))::integer,
            metadata_revision = documents.metadata_revision
                + ((documents.text, documents.content, documents.title)
                    IS NOT DISTINCT FROM (excluded.text, excluded.content, excluded.title)
                    AND (documents.metadata, documents.expires_at)
                    IS DISTINCT FROM (excluded.metadata, excluded.expires_at))::integer,
            text = excluded.text, content = excluded.content, title = excluded.title, models = excluded.models,
            metadata = excluded.metadata, seq = excluded.seq, expires_at = excluded.expires_at,
            updated_at = excluded.updated_at
    """,
)
_NOTE_DELETED = BulkStatement(
    sqlite="INSERT INTO deletions (collection_id, seq, document_key) VALUES (?, ?, ?)",
    postgresql="""
        INSERT INTO deletions (collection_id, seq, document_key)
        SELECT * FROM unnest(%b::bigint[], %b::bigint[], %b::bigint[])
    """,
)
