"""Deletion of many rows in short transactions, so that no writer waits long and a killed run can be resumed.

Rows to be deleted were marked before, in SQL, and are hidden from every caller since (`collections.drop`,
`spaces.prune`): running the same function again deletes what is left.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from service.store import (
    collections,
    documents,
    duplicates,
    embedding_models,
    imports,
    jobs,
    nodes,
    schema,
    spaces,
    vectors,
)
from service.store.database import Database
from service.store.leases import ReportProgress

_BUCKETS, _CODES, _DOCUMENTS = schema.buckets.c, schema.codes.c, schema.documents.c
_COLLECTIONS, _DELETIONS, _DUPLICATES = schema.collections, schema.deletions.c, schema.duplicates.c
_SPACES = schema.code_spaces
_FUNCTIONS = schema.hash_functions

_TRANSACTION_S = 0.05
_ROWS = (100, 20_000)
_VECTORS = 200
"""Documents that lose a vector in one transaction: each is read and written."""
_PAGES = 1_000
_COLLECTIONS_AT_ONCE = 1_000
COMPACT_FROM = 20_000
"""Changes of a collection since its last compaction from which one is worth a look."""


@dataclass(frozen=True)
class _Compaction:
    """Whose `compacted_seq` is raised, from where to where, as rows of it are deleted."""

    table: Table
    id: int
    start: int
    end: int


@dataclass
class Deletion:
    """Deletes in transactions of about 50 ms and waits as long between two: SQLite has one writer at a time.

    Args:
        database: where the rows are.
        report: takes progress after each transaction, `stage` and `deleted`; may raise to stop the run.
        n_rows: rows that the next transaction tries; follows what the last ones took.
    """

    database: Database
    report: ReportProgress
    n_rows: int = 2_000
    n_deleted: int = field(default=0, init=False)

    def drop_collection(self, collection_id: int) -> None:
        """Delete all rows of a dropped collection, its own last.

        Cost: linear in its rows.
        """
        with self.database.read() as connection:
            space_ids = connection.scalars(select(_SPACES.c.id).where(_SPACES.c.collection_id == collection_id)).all()
        for space_id in space_ids:
            self._delete_codes(space_id)
        self._delete("documents", _DOCUMENTS.collection_id == collection_id, (_DOCUMENTS.key,))
        self._delete("deletions", _DELETIONS.collection_id == collection_id, (_DELETIONS.seq,))
        with self.database.read() as connection:
            searches = duplicates.all_ids(connection, collection_id)
            received = imports.all_ids(connection, collection_id)
        self.delete_duplicates(searches)
        for id in received:
            discard_import(self.database, id)
        with self.database.write() as connection:
            gone = delete(schema.collections).where(schema.collections.c.id == collection_id, ~collections.EXISTS)
            connection.execute(gone)
        self._delete_unused_functions()
        self._shrink()

    def prune(self, collection_id: int, lag: int | None = None) -> None:
        """Delete the spaces in state deleting, the codes of failed ones, and tombstones that nobody needs.

        And the vectors of embedding models that were deleted.

        Args:
            collection_id: the collection.
            lag: as of `compact`.

        Cost: linear in the rows to delete and in the changes since the last time.
        """
        with self.database.read() as connection:
            query = select(_SPACES.c.id, _SPACES.c.state).where(_SPACES.c.collection_id == collection_id)
            states = {row.id: row.state for row in connection.execute(query)}
        for space_id, state in states.items():
            if state in ("deleting", "failed"):
                self._delete_codes(space_id)
            if state == "deleting":
                with self.database.write() as connection:
                    connection.execute(delete(_SPACES).where(_SPACES.c.id == space_id))
        for space_id, state in states.items():
            if state not in ("deleting", "failed", "encoding"):  # whoever fills one goes by its tombstones
                self.compact(collection_id, space_id, lag)
        self._compact_deletions(collection_id, lag)
        self._delete_vectors(collection_id)
        self.delete_outdated_duplicates(collection_id)
        self._delete_unused_functions()
        self._shrink()

    def _delete_vectors(self, collection_id: int) -> None:
        with self.database.read() as connection:
            models = embedding_models.deleted(connection, collection_id)
        for model in models:
            last: int | None = 0
            while last is not None:
                with self.database.lane(collection_id) as lane:
                    began = time.monotonic()
                    last = vectors.clear(lane, model, last, _VECTORS)
                    if last is None:
                        embedding_models.remove(lane.connection, collection_id, model)
                self._pause("vectors", time.monotonic() - began)

    def delete_outdated_duplicates(self, collection_id: int) -> None:
        """Delete groups of near duplicates that a later search has replaced, or whose search has not ended well.

        Cost: linear in their members.
        """
        with self.database.read() as connection:
            searches = duplicates.outdated(connection, collection_id)
        self.delete_duplicates(searches)

    def delete_duplicates(self, searches: Sequence[int]) -> None:
        """Delete searches for near duplicates with their groups. Cost: linear in the members of these."""
        for search in searches:
            self._delete("duplicates", _DUPLICATES.search_id == search, (_DUPLICATES.group_no, _DUPLICATES.place))
            with self.database.write() as connection:
                duplicates.delete(connection, search)

    def compact(self, collection_id: int, space_id: int, lag: int | None = None) -> None:
        """Delete the tombstones of documents that are gone, where every live process has followed past them.

        A replica or snapshot that has followed less far would never hear of those deletions; so the space's
        `compacted_seq` is raised in the same transaction, and whoever is behind it loads all codes anew. The tombstone
        of a document that exists, which lost its code as its text changed, stays: it tells that a code is missing.

        Args:
            collection_id: the collection.
            space_id: a space of it.
            lag: how many changes stay uncompacted, for snapshots that are a little behind; a fifth of the codes if not
                given, twice what makes a process write a new snapshot.

        Cost: linear in the changes since the last compaction.
        """
        with self.database.read() as connection:
            query = select(schema.collections.c.last_seq).where(schema.collections.c.id == collection_id)
            last_seq = connection.execute(query).scalar() or 0
            applied = [node.applied[space_id] for node in nodes.live(connection) if space_id in node.applied]
            if lag is None:
                lag = _n_codes(connection, space_id) // 5
            start = spaces.compacted_seq(connection, space_id)
        end = min([last_seq, *applied]) - lag
        if end > start:
            is_gone = ~exists().where(schema.documents.c.key == _CODES.document_key)
            tombstones = (_CODES.code.is_(None), _CODES.seq <= end, is_gone)
            compaction = _Compaction(_SPACES, space_id, start, end)
            self._delete("tombstones", _CODES.space_id == space_id, (_CODES.seq,), tombstones, compaction)

    def _compact_deletions(self, collection_id: int, lag: int | None) -> None:
        """Forget which documents were deleted long ago; who has not heard of it by now reads all documents anew."""
        with self.database.read() as connection:
            query = select(_COLLECTIONS.c.last_seq, _COLLECTIONS.c.compacted_seq).where(
                _COLLECTIONS.c.id == collection_id, collections.EXISTS
            )
            row = connection.execute(query).first()
            if row is None:
                return
            if lag is None:
                lag = max(COMPACT_FROM, documents.count(connection, collection_id) // 5)
        end = row.last_seq - lag
        if end > row.compacted_seq:
            of_owner = _DELETIONS.collection_id == collection_id
            compaction = _Compaction(_COLLECTIONS, collection_id, row.compacted_seq, end)
            self._delete("tombstones", of_owner, (_DELETIONS.seq,), (_DELETIONS.seq <= end,), compaction)

    def _delete_codes(self, space_id: int) -> None:
        bucket = (_BUCKETS.table_no, _BUCKETS.address, _BUCKETS.document_key)
        self._delete("codes", _BUCKETS.space_id == space_id, bucket)
        self._delete("codes", _CODES.space_id == space_id, (_CODES.document_key,))

    def _delete(
        self,
        stage: str,
        of_owner: ColumnElement[bool],
        key: Sequence[Column[Any]],
        conditions: Sequence[ColumnElement[bool]] = (),
        compact: _Compaction | None = None,
    ) -> None:
        """Delete the rows of an owner that meet conditions, in the order of a key that with the owner has an index.

        Going on after the last key of the transaction before, none looks at the dead rows of those before it.
        With `compact`, those after its start and up to its end, which is noted.
        """
        after: tuple[Any, ...] | None = None if compact is None else (compact.start,)
        while True:
            with self.database.write() as connection:
                began = time.monotonic()
                last = _nth_key(connection, of_owner, key, after, self.n_rows)
                if compact is not None and (last is None or last[0] > compact.end):
                    last = None
                rows = [of_owner, *conditions]
                rows += [] if after is None else [tuple_(*key) > tuple_(*after)]
                rows += [] if last is None else [tuple_(*key) <= tuple_(*last)]
                self.n_deleted += connection.execute(delete(key[0].table).where(*rows)).rowcount
                if compact is not None:
                    compacted = update(compact.table).where(compact.table.c.id == compact.id)
                    connection.execute(compacted.values(compacted_seq=compact.end if last is None else last[0]))
            self._pause(stage, time.monotonic() - began)
            if last is None:
                return
            after = last

    def _pause(self, stage: str, took_s: float) -> None:
        """Let other writers in, and choose how many rows the next transaction takes."""
        pace = min(max(_TRANSACTION_S / max(took_s, 1e-6), 0.5), 2.0)
        self.n_rows = min(max(int(self.n_rows * pace), _ROWS[0]), _ROWS[1])
        self.report({"stage": stage, "deleted": self.n_deleted})
        time.sleep(took_s)

    def _delete_unused_functions(self) -> None:
        """Delete the hash functions that no space of any collection refers to.

        One at a time: one that a space has come to refer to meanwhile is refused by the database, and stays.
        """
        unused = ~exists().where(_SPACES.c.digest == _FUNCTIONS.c.digest)
        with self.database.read() as connection:
            digests = connection.scalars(select(_FUNCTIONS.c.digest).where(unused)).all()
        for digest in digests:
            try:
                with self.database.write() as connection:
                    connection.execute(delete(_FUNCTIONS).where(_FUNCTIONS.c.digest == digest, unused))
            except IntegrityError:
                continue

    def _shrink(self) -> None:
        """Give the space back to the file system, where the database leaves that to its users."""
        left = None
        while left is None or left > 0:
            began, before = time.monotonic(), left
            left = self.database.shrink(_PAGES)
            if left == before:
                return
            self._pause("space", time.monotonic() - began)


def enqueue_left(database: Database) -> None:
    """Enqueue the deletions that have no job: what a failed job left, and compactions that are due."""
    with database.read() as connection:
        left = [("drop_collection", dropped) for dropped in collections.dropped(connection)]
        has_codes = exists().where(_CODES.space_id == _SPACES.c.id)
        is_marked = or_(_SPACES.c.state == "deleting", and_(_SPACES.c.state == "failed", has_codes))
        with_marked = set(connection.scalars(select(_SPACES.c.collection_id).where(is_marked)))
        with_marked |= embedding_models.with_deleted(connection)
        after_name = None
        while page := collections.page(connection, after_name, _COLLECTIONS_AT_ONCE):
            due = [c for c in page if c.id in with_marked or _is_compaction_due(connection, c)]
            left += [("prune", collection) for collection in due]
            after_name = page[-1].name
        left = [(kind, of) for kind, of in left if jobs.unfinished(connection, of.id, kind) is None]
    for kind, collection in left:
        with database.write() as connection:
            enqueue(connection, collection, kind)


def discard_import(database: Database, id: str) -> None:
    """Delete the lines of an import, a chunk at a time, and the import itself if no job knows it. Blocks."""
    left = True
    while left:
        with database.write() as connection:
            left = imports.delete_first_chunk(connection, id)
            if not left:
                imports.delete_without_job(connection, id)


def discard_abandoned_imports(database: Database) -> None:
    """Delete the lines that no job will import. Blocks."""
    with database.read() as connection:
        abandoned = imports.abandoned(connection)
    for id in abandoned:
        discard_import(database, id)


def enqueue(connection: Connection, collection: collections.Collection, kind: str) -> None:
    """Enqueue the job that deletes the marked rows of a collection, unless one is queued or running.

    Finished jobs of the same kind are deleted: no caller knows their ids.
    """
    before = (schema.jobs.c.collection_id == collection.id, schema.jobs.c.kind == kind)
    if jobs.unfinished(connection, collection.id, kind) is None:
        connection.execute(delete(schema.jobs).where(*before, schema.jobs.c.state.not_in(schema.UNFINISHED)))
        jobs.enqueue(connection, collection, kind, {})


def _is_compaction_due(connection: Connection, collection: collections.Collection) -> bool:
    """Whether there were many changes since the last compaction, also in relation to the number of codes."""
    n_changes = collection.last_seq - spaces.compacted_seq(connection, spaces.active(connection, collection.id).id)
    if n_changes < COMPACT_FROM:
        return False
    some = select(_DOCUMENTS.key).where(_DOCUMENTS.collection_id == collection.id).limit(3 * n_changes).subquery()
    return (connection.execute(select(func.count()).select_from(some)).scalar() or 0) < 3 * n_changes


def _n_codes(connection: Connection, space_id: int) -> int:
    counted = select(func.count()).where(_CODES.space_id == space_id, _CODES.code.is_not(None))
    return connection.execute(counted).scalar_one()


def _nth_key(
    connection: Connection,
    of_owner: ColumnElement[bool],
    key: Sequence[Column[Any]],
    after: tuple[Any, ...] | None,
    n: int,
) -> tuple[Any, ...] | None:
    """The key of the owner's n-th row after a key; None if there are fewer."""
    if connection.dialect.name == "postgresql":
        # Read in the order of the index: without statistics of many new rows it would read and sort them all each time.
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
    query = select(*key).where(of_owner).order_by(*key).limit(1).offset(n - 1)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    row = connection.execute(query).first()
    return None if row is None else tuple(row)
