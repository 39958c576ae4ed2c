from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, insert, select, text

from service.errors import NotFound
from service.hashing.content import Text
from service.index.replica import Replica
from service.store import (
    codes,
    collections,
    deletion,
    document_changes,
    documents,
    jobs,
    nodes,
    overviews,
    schema,
    spaces,
)
from service.store.collections import Collection
from service.store.database import Database
from service.store.deletion import Deletion
from service.store.documents import NewDocument
from service.store.migrations import migrate
from service.store.overviews import SpaceReference
from service.store.spaces import CodeSpace
from tests.conftest import new_collection
from tests.oracles import clustered_codes
from tests.store.test_spaces import built, promoted


def quietly(progress: Mapping[str, Any]) -> None:
    pass


def filled(database: Database, n: int, name: str | None = None) -> tuple[Collection, CodeSpace, list[int]]:
    """A collection of `n` documents with codes in its untrained space, and their keys."""
    collection, space = new_collection(database, name=name)
    return collection, space, add(database, collection, space, n)


def add(database: Database, collection: Collection, space: CodeSpace, n: int) -> list[int]:
    with database.lane(collection.id) as lane:
        keys = [p.key for p in documents.put(lane, [NewDocument(None, Text("a text"), {}) for _ in range(n)])]
        codes.append(lane, space.id, keys, clustered_codes(np.random.default_rng(0), n, 64))
    return keys


def remove(database: Database, collection: Collection, keys: list[int]) -> None:
    with database.lane(collection.id) as lane:
        found = documents.by_keys(lane.connection, keys)
        codes.discard(lane, documents.delete(lane, [found[key].id for key in keys]))


def until_one_waits_for_a_lock(database: Database) -> None:
    """Return when a transaction of another thread waits for a lock of PostgreSQL."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 120
    while True:
        with database.read() as connection:
            if connection.scalar(waiting):
                return
        assert time.monotonic() < deadline
        time.sleep(0.02)


def n_rows(database: Database, table: str) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(schema.metadata.tables[table])) or 0


def dropped(database: Database, name: str) -> Collection:
    with database.write() as connection:
        found = collections.drop(connection, name)
        assert found is not None
        deletion.enqueue(connection, found, "drop_collection")
    return found


def test_a_dropped_collection_is_gone_for_everybody_at_once_and_its_name_is_free(database: Database) -> None:
    collection, _, _ = filled(database, 3, "news")
    with database.write() as connection:
        retrain = jobs.enqueue(connection, collection, "retrain", {})
        jobs.claim(connection, "w", 60, ["retrain"])
    dropped(database, "news")
    with database.write() as connection:
        for gone in (
            lambda: collections.get(connection, "news"),
            lambda: collections.by_id(connection, collection.id),
            lambda: jobs.get(connection, retrain.id),
            lambda: jobs.heartbeat(connection, retrain.id, "w", 60),
            lambda: jobs.enqueue(connection, collection, "prune", {}),
            lambda: documents.locate(connection, "news", "a"),
            lambda: spaces.start(connection, collection.id, 64, "semantic_hashing"),
        ):
            with pytest.raises(NotFound):
                gone()
        assert collections.page(connection, None, 10) == []
        assert overviews.read(connection) == []
    with pytest.raises(NotFound), database.lane(collection.id):
        pass
    again, _ = new_collection(database, name="news")
    assert again.id != collection.id
    with database.read() as connection:
        assert [c.id for c in collections.page(connection, None, 10)] == [again.id]
        assert [c.collection_id for c in overviews.read(connection)] == [again.id]
        assert documents.count(connection, again.id) == 0


class Killed(Exception):
    pass


def killed_in(stage: str, n: int) -> Callable[[Mapping[str, Any]], None]:
    left = [n]

    def report(progress: Mapping[str, Any]) -> None:
        left[0] -= progress["stage"] == stage
        if left[0] == 0:
            raise Killed

    return report


@pytest.mark.parametrize(("stage", "n"), [("codes", 1), ("codes", 2), ("codes", 4), ("documents", 1)])
def test_a_deletion_that_is_killed_anywhere_is_completed_by_the_next_run(
    database: Database, stage: str, n: int
) -> None:
    filled(database, 40, "kept")
    before = {table: n_rows(database, table) for table in ("documents", "codes", "buckets", "code_spaces")}
    collection, _, keys = filled(database, 1_000, "dropped")
    remove(database, collection, keys[:100])
    dropped(database, "dropped")
    with pytest.raises(Killed):
        Deletion(database, killed_in(stage, n), n_rows=300).drop_collection(collection.id)
    assert n_rows(database, "collections") == 2
    Deletion(database, quietly).drop_collection(collection.id)
    Deletion(database, quietly).drop_collection(collection.id)
    assert {table: n_rows(database, table) for table in before} == before
    assert (n_rows(database, "collections"), n_rows(database, "jobs"), n_rows(database, "hash_functions")) == (1, 0, 1)


def test_a_collection_that_was_not_dropped_keeps_its_row(database: Database) -> None:
    collection, _, _ = filled(database, 3, "news")
    with database.write() as connection:
        connection.execute(schema.documents.delete())
        connection.execute(schema.codes.delete())
    Deletion(database, quietly).drop_collection(collection.id)
    with database.read() as connection:
        assert collections.get(connection, "news")


def test_pruned_spaces_are_gone_at_once_and_cannot_be_promoted(database: Database) -> None:
    collection, first, _ = filled(database, 0)
    second, third = (promoted(database, built(database, collection)) for _ in range(2))
    with database.write() as connection:
        assert spaces.prune(connection, collection.id, keep=1) == 1
        assert [space.version for space in spaces.list(connection, collection.id)] == [3, 2]
        with pytest.raises(NotFound):
            spaces.get(connection, collection.id, 1)
        assert spaces.rollback_target(connection, collection.id).id == second.id
    with pytest.raises(Exception, match="is deleting and cannot become active"):
        promoted(database, first)
    assert n_rows(database, "code_spaces") == 3
    Deletion(database, quietly).prune(collection.id)
    assert n_rows(database, "code_spaces") == 2
    assert third.state == "active"


def test_writers_write_while_much_is_deleted(database: Database) -> None:
    collection, _, _ = filled(database, 3_000, "dropped")
    kept, kept_space, _ = filled(database, 1, "kept")
    dropped(database, "dropped")
    n_written: list[int] = []

    def report(progress: Mapping[str, Any]) -> None:
        if progress["stage"] == "codes" and len(n_written) < 5:  # between two transactions of the deletion
            n_written.extend(add(database, kept, kept_space, 1))

    Deletion(database, report, n_rows=500).drop_collection(collection.id)
    assert len(n_written) == 5
    assert n_rows(database, "documents") == 6


def test_transactions_of_a_deletion_are_made_as_long_as_wanted(database: Database) -> None:
    deleting = Deletion(database, quietly, n_rows=1_000)
    deleting._pause("codes", 0.1)
    assert deleting.n_rows == 500
    deleting._pause("codes", 0.001)
    deleting._pause("codes", 0.001)
    assert deleting.n_rows == 2_000
    for _ in range(10):
        deleting._pause("codes", 0.001)
    assert deleting.n_rows == 20_000


def test_a_sqlite_file_shrinks_after_a_deletion(sqlite_url: str) -> None:
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    file.unlink()
    database = Database.open(sqlite_url)
    migrate(database)
    collection, _, _ = filled(database, 5_000, "dropped")
    with database.write() as connection:
        connection.execute(schema.documents.update().values(text="long " * 200))
    database.close()
    before = file.stat().st_size
    database = Database.open(sqlite_url)
    dropped(database, "dropped")
    stages: list[str] = []
    Deletion(database, lambda progress: stages.append(progress["stage"])).drop_collection(collection.id)
    assert 1 <= stages.count("space") <= 10  # a thousand pages at a time
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA freelist_count").scalar() == 0
    database.close()
    assert file.stat().st_size < before / 10


def tombstones(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).where(schema.codes.c.code.is_(None))) or 0


def test_tombstones_of_deleted_documents_are_compacted_where_every_live_process_is_past_them(
    database: Database,
) -> None:
    collection, space, keys = filled(database, 100)
    remove(database, collection, keys[:10])
    with database.read() as connection:
        seq = collections.by_id(connection, collection.id).last_seq
    remove(database, collection, keys[10:30])
    with database.write() as connection:
        nodes.heartbeat(connection, "behind", {space.id: seq})
        nodes.heartbeat(connection, "ahead", {space.id: seq + 40})
    Deletion(database, quietly, n_rows=7).compact(collection.id, space.id, lag=0)
    assert tombstones(database) == 20
    with database.write() as connection:
        assert spaces.compacted_seq(connection, space.id) == seq
        nodes.remove(connection, "behind")
    Deletion(database, quietly, n_rows=7).compact(collection.id, space.id, lag=5)
    assert tombstones(database) == 5
    Deletion(database, quietly).compact(collection.id, space.id, lag=0)
    assert (tombstones(database), n_rows(database, "codes")) == (0, 70)


def test_the_tombstone_of_a_document_that_exists_stays(database: Database) -> None:
    collection, space, keys = filled(database, 10)
    with database.lane(collection.id) as lane:
        codes.discard(lane, keys[:4])  # their texts changed
    Deletion(database, quietly).compact(collection.id, space.id, lag=0)
    assert tombstones(database) == 4


def test_deletions_are_noted_and_forgotten_once_nobody_needs_them(database: Database) -> None:
    collection, _, keys = filled(database, 100)
    before = last_seq(database, collection)
    remove(database, collection, keys[:10])
    with database.read() as connection:
        assert document_changes.deleted_keys(connection, collection.id, before) == keys[:10]
        assert document_changes.deleted_keys(connection, collection.id, before + 4) == keys[4:10]
    Deletion(database, quietly).prune(collection.id, lag=15)
    with database.read() as connection:
        assert document_changes.deleted_keys(connection, collection.id, 0) == keys[5:10]
        overview = next(o for o in overviews.read(connection) if o.collection_id == collection.id)
    assert overview.compacted_seq == before + 5


def reference(space: CodeSpace) -> SpaceReference:
    return SpaceReference(space.id, space.version, space.n_bits, space.digest)


def last_seq(database: Database, collection: Collection) -> int:
    with database.read() as connection:
        return collections.by_id(connection, collection.id).last_seq


@pytest.mark.parametrize("from_snapshot", [False, True])
def test_a_replica_that_missed_deletions_which_were_compacted_is_loaded_anew(
    database: Database, tmp_path: Path, from_snapshot: bool
) -> None:
    collection, space, keys = filled(database, 50)
    replica = Replica.load(database, reference(space), 64, last_seq(database, collection))
    replica.save(database, tmp_path)
    seen = add(database, collection, space, 2)
    if not from_snapshot:
        replica.follow(database, last_seq(database, collection))
    remove(database, collection, [*keys[:20], *seen])
    late = add(database, collection, space, 3)
    Deletion(database, quietly).compact(collection.id, space.id, lag=0)
    assert tombstones(database) == 0
    if from_snapshot:
        replica = Replica.load(database, reference(space), 64, last_seq(database, collection), tmp_path)
    replica.follow(database, last_seq(database, collection))
    with database.read() as connection:
        expected, _ = codes.load(connection, space.id, 8)
    assert sorted(expected.tolist()) == sorted([*keys[20:], *late])
    assert len(replica.table) == len(expected)


def test_deletions_without_a_job_are_enqueued_once(database: Database, monkeypatch: Any) -> None:
    collection, _, _ = filled(database, 30, "changing")
    other, _, _ = filled(database, 30, "quiet")
    with database.write() as connection:
        gone = collections.drop(connection, "quiet")
        assert gone is not None
    deletion.enqueue_left(database)
    deletion.enqueue_left(database)

    def waiting() -> list[tuple[str, int]]:
        with database.read() as connection:
            rows = connection.execute(select(schema.jobs.c.kind, schema.jobs.c.collection_id))
            return sorted((row.kind, row.collection_id) for row in rows)

    assert waiting() == [("drop_collection", other.id)]
    monkeypatch.setattr(deletion, "COMPACT_FROM", 20)
    deletion.enqueue_left(database)
    assert waiting() == [("drop_collection", other.id), ("prune", collection.id)]


def test_a_hash_function_that_a_creation_has_just_chosen_to_share_is_not_deleted(postgres_url: str) -> None:
    database = Database.open(postgres_url, lock_timeout_s=10)
    collection, _, _ = filled(database, 0, "old")
    with database.write() as connection:
        spaces.put_function(connection, b"shared", "shared")
        spaces.put_function(connection, b"unused", "unused")
    pruning = threading.Thread(target=Deletion(database, quietly).prune, args=(collection.id,))
    with database.write() as connection:
        made = collections.create(connection, "new", "text", 64)
        spaces.put_function(connection, b"shared", "shared")
        pruning.start()
        until_one_waits_for_a_lock(database)  # the prune has found it unused
        space = spaces.create_untrained(connection, made, "shared")
    pruning.join(20)
    assert not pruning.is_alive()
    with database.read() as connection:
        assert spaces.get_function(connection, str(space.digest)) == b"shared"
        with pytest.raises(NotFound):
            spaces.get_function(connection, "unused")
    database.close()


def test_a_hash_function_that_a_prune_has_just_deleted_is_put_again(postgres_url: str) -> None:
    database = Database.open(postgres_url, lock_timeout_s=10)
    with database.write() as connection:
        spaces.put_function(connection, b"shared", "shared")

    def create() -> None:
        with database.write() as connection:
            made = collections.create(connection, "new", "text", 64)
            spaces.put_function(connection, b"shared", "shared")
            spaces.create_untrained(connection, made, "shared")

    creating = threading.Thread(target=create)
    with database.write() as connection:
        connection.execute(schema.hash_functions.delete())
        creating.start()
        until_one_waits_for_a_lock(database)  # the creation, for this transaction
    creating.join(20)
    assert not creating.is_alive()
    with database.read() as connection:
        assert spaces.get_function(connection, "shared") == b"shared"
        assert [c.name for c in collections.page(connection, None, 10)] == ["new"]
    database.close()


def test_a_reference_to_a_hash_function_that_is_not_there_is_refused(database: Database) -> None:
    collection, _, _ = filled(database, 0)
    row = {"version": 9, "state": "failed", "n_bits": 64, "variant": "x", "created_at": schema.now()}
    with pytest.raises(Exception, match=r"(?i)foreign key"), database.write() as connection:
        connection.execute(insert(schema.code_spaces).values(collection_id=collection.id, digest="none", **row))
