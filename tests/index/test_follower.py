"""What a process claims of a retired space, how it bears a space that cannot be followed, what it keeps and drops."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from service.index import replicas as replica_module
from service.index.hamming import snapshot
from service.index.replica import Replica
from service.index.replicas import Follower
from service.store import collections, nodes, schema, spaces
from service.store.database import Database
from tests.index.histories import History, contents, replica_at

T = TypeVar("T")


def until(condition: Callable[[], T], what: str) -> T:
    deadline = time.monotonic() + 120
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.01)
    return value


@contextmanager
def running(database: Database, node: str = "node", **options: object) -> Iterator[Follower]:
    follower = Follower(database, node, poll_interval_s=0.02, **options)  # type: ignore[arg-type]
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


@contextmanager
def busy_loader(follower: Follower) -> Iterator[None]:
    """Nothing is loaded until the block ends."""
    assert follower._loader is not None
    free = threading.Event()
    follower._loader.submit(free.wait)
    try:
        yield
    finally:
        free.set()


def polls(follower: Follower) -> None:
    """Let the follower look at the database at least once more, from begin to end."""
    for _ in range(2):
        seen = follower._overview
        until(lambda seen=seen: follower._overview is not seen, "a poll")  # type: ignore[misc]


def applied(database: Database, node: str = "node") -> dict[int, int]:
    with database.read() as connection:
        return next((n.applied for n in nodes.live(connection, 60) if n.id == node), {})


def answering(follower: Follower, history: History) -> Replica | None:
    """The replica that answers, without asking for it."""
    return follower._answering.get(history.collection.id)


# what a retired space claims


@pytest.mark.parametrize("way", ["promote", "roll back"])
def test_a_replica_of_a_retired_space_claims_no_write_of_the_space_after_it(database: Database, way: str) -> None:
    history = History(database)
    history.put([1, 2])
    if way == "roll back":
        history.next_space()
    with running(database) as follower:
        until(lambda: follower.replica(history.collection.id), "the replica")
        polls(follower)
        with busy_loader(follower):
            before = history.active
            after = history.next_space() if way == "promote" else history.roll_back()
            history.put([3])
            polls(follower)
            replica = follower.replica(history.collection.id)
            assert replica is not None
            assert replica.space.id == before.id, "the old space answers until the next is loaded"
            assert replica.applied_seq <= history.overview.retired_seqs[before.id] < history.last_seq
            assert replica_at(follower, history.collection.id, history.last_seq, 0.1) is None
        replica = until(lambda: replica_at(follower, history.collection.id, history.last_seq, 5), "the write")
        assert replica.space.id == after.id
        assert contents(replica) == history.fresh()


def test_a_space_that_is_retired_while_it_is_read_claims_nothing_that_came_after(database: Database) -> None:
    """Deletions reach every space: a later seq in a retired space says nothing of the writes before it."""
    history = History(database)
    history.put([1, 2])
    seen = history.overview
    replica = Replica.load(database, seen.active, seen.n_bits, seen.last_seq)
    history.put([3])
    seen = history.overview
    history.next_space()
    history.put([4])
    history.delete([1])
    replica.follow(database, seen.last_seq, seen.complete_seq(replica.space.id))
    assert replica.applied_seq == seen.last_seq
    assert replica.read_seq > replica.applied_seq
    seen = history.overview
    replica.follow(database, seen.last_seq, seen.complete_seq(replica.space.id))
    assert replica.applied_seq == seen.retired_seqs[replica.space.id]


def test_a_space_that_answers_again_claims_all_that_it_was_given_before(database: Database) -> None:
    history = History(database)
    history.put([1, 2])
    first = history.active
    follower = Follower(database, "node")
    follower.poll()
    history.next_space()
    history.put([3])
    follower.poll()
    assert history.roll_back().id == first.id
    history.put([4])
    follower.poll()
    replica = follower.replica(history.collection.id)
    assert replica is not None
    assert (replica.space.id, replica.applied_seq) == (first.id, history.last_seq)
    assert contents(replica) == history.fresh()


def test_a_space_that_is_asked_for_is_loaded_and_told_of_before_it_answers(database: Database) -> None:
    history = History(database)
    history.put([1])
    first = history.active
    second = history.next_space()
    follower = Follower(database, "node")
    follower.poll()
    assert applied(database).keys() == {second.id}
    with database.write() as connection:
        spaces.ask_preload(connection, first.id, 60)
    follower.poll()
    assert applied(database).keys() == {first.id, second.id}
    history.put([2])
    history.roll_back()
    loaded = follower._replicas[first.id]
    follower.poll()
    assert follower.replica(history.collection.id) is loaded
    assert contents(loaded) == history.fresh()


# a space that cannot be followed


def damage(history: History, code: bytes) -> None:
    """Give every code of the active space another width, or the right one again."""
    table = schema.codes
    with history.database.write() as connection:
        connection.execute(update(table).where(table.c.space_id == history.active.id).values(code=code))


def test_a_collection_that_cannot_be_loaded_keeps_no_other_from_being_followed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "_RETRY_S", (0.0, 0.0))
    bad, good = History(database), History(database)
    bad.put([1, 2])
    damage(bad, b"not two bytes")
    good.put([1])
    follower = Follower(database, "node")
    with capture_logs() as logs:
        for _ in range(3):
            follower.poll()
    assert [line["collection"] for line in logs if line["log_level"] == "error"] == [bad.collection.name]
    assert contents(follower.replica(good.collection.id)) == good.fresh()
    assert applied(database).keys() == {good.active.id}
    assert follower.replica(bad.collection.id) is None, "SQL answers"
    state = follower.state(bad.collection.id)
    assert (state.state, state.seq) == ("failed", None)
    assert state.error is not None
    assert state.error.startswith("version 1: ")
    assert follower.state(good.collection.id).error is None
    assert follower.behind() == [], "it is told by its own state"
    damage(bad, b"ok")
    follower.poll()
    assert contents(follower.replica(bad.collection.id)) == bad.fresh()
    assert follower.state(bad.collection.id).error is None


def test_a_collection_that_fails_while_it_is_followed_is_answered_from_sql(database: Database) -> None:
    bad, good = History(database), History(database)
    bad.put([1, 2])
    follower = Follower(database, "node")
    follower.poll()
    bad.put([3])
    damage(bad, b"not two bytes")
    good.put([1])
    follower.poll()
    assert follower.replica(bad.collection.id) is None
    assert follower.state(bad.collection.id).state == "failed"
    assert contents(follower.replica(good.collection.id)) == good.fresh()


def test_a_space_that_fails_is_tried_again_later_each_time(database: Database) -> None:
    bad = History(database)
    bad.put([1])
    damage(bad, b"not two bytes")
    follower = Follower(database, "node")
    for wait_s in (1, 2, 4, 8, 16, 32, 60, 60):
        began = time.monotonic()
        follower.poll()
        (failure,) = follower._failures.values()
        assert began + wait_s <= failure.retry_at <= time.monotonic() + wait_s
        too_early = replica_module._Failure(failure.error, failure.n, time.monotonic() + 3_600)
        follower._failures = {bad.active.id: too_early}
        follower.poll()
        assert follower._failures == {bad.active.id: too_early}
        follower._failures = {bad.active.id: replica_module._Failure(failure.error, failure.n, 0.0)}


def test_a_damaged_hash_function_is_told_as_its_collections_fault(database: Database) -> None:
    history = History(database)
    history.put([1])
    with database.write() as connection:
        connection.execute(update(schema.hash_functions).values(content=b"something else"))
    follower = Follower(database, "node")
    follower.poll()
    state = follower.state(history.collection.id)
    assert state.state == "following", "codes are as good as before"
    assert state.error is not None
    assert "do not match its digest" in state.error


def test_what_is_loaded_of_a_space_that_vanished_is_dropped(database: Database) -> None:
    with running(database) as follower:
        with busy_loader(follower):
            history = History(database)  # not before: its load might be over by now
            history.put([1])
            until(lambda: follower._loading, "a load")
            with database.write() as connection:
                collections.drop(connection, history.collection.name)
            until(lambda: not follower._loading, "its end")
        polls(follower)
        assert (follower._loading, follower._replicas) == ({}, {})


# memory and files


def test_a_collection_that_nobody_asks_for_is_unloaded_and_loaded_again_when_it_is(database: Database) -> None:
    idle, busy = History(database), History(database)
    idle.put([1, 2])
    busy.put([1])
    follower = Follower(database, "node", unload_after_s=1e-9)
    follower.poll()
    assert follower.replica(busy.collection.id) is not None
    follower._asked_at[busy.collection.id] = float("inf")
    for _ in range(2):
        follower.poll()
        idle.put([3])
    assert [s.state for _, s in follower.states()] == ["unloaded", "following"]
    assert follower.behind() == []
    follower._heartbeat_at = float("-inf")
    follower.poll()
    assert applied(database)[idle.active.id] == idle.last_seq, "a promote waits for no process that answers from SQL"
    assert follower.wait_until_answering(idle.collection.id, 0, 60)
    assert follower.replica(idle.collection.id) is None
    follower.poll()
    assert contents(follower.replica(idle.collection.id)) == idle.fresh()


def test_a_promote_waits_for_no_process_that_has_unloaded_the_collection(database: Database) -> None:
    history = History(database)
    history.put([1])
    follower = Follower(database, "node", unload_after_s=1e-9)
    follower.poll()
    follower.poll()
    history.build()
    follower.poll()
    assert applied(database).keys() == {space.id for space in history.overview.wanted}
    assert follower._replicas == {}
    before = history.active
    history.next_space()
    follower.poll()
    assert before.id not in applied(database)


def test_small_replicas_stay_in_memory(database: Database) -> None:
    history = History(database)
    history.put([1])
    follower = Follower(database, "node", unload_after_s=1e-9, unload_from_bytes=1 << 30)
    for _ in range(3):
        follower.poll()
    assert answering(follower, history) is not None


def test_snapshots_of_spaces_that_are_gone_are_deleted_and_of_those_alone(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    one, two = History(database), History(database)
    for history in (one, two):
        history.put([1])
    follower = Follower(database, "node", snapshots=folder, snapshot_from=1)
    follower.poll()
    first, gone = one.active.id, two.active.id
    second = one.next_space().id
    follower.poll()
    newer = snapshot.save(follower._replicas[second].table, folder, str(second + 5), 1)
    long_ago = snapshot.save(follower._replicas[second].table, folder, str(second + 6), 1)
    os.utime(long_ago, (0, 0))
    (folder / "notes.txt").touch()
    draft = folder / f"{first}.7.draft"
    draft.touch()
    os.utime(draft, (0, 0))
    with database.write() as connection:
        collections.drop(connection, two.collection.name)
    follower.poll()
    expected = {f"{first}.index", f"{second}.index", newer.name, "notes.txt"}
    assert {path.name for path in folder.iterdir()} == expected, f"{gone}.index is gone"


def test_processes_share_the_snapshot_that_one_of_them_has_written(database: Database, tmp_path: Path) -> None:
    history = History(database)
    history.put([1, 2, 3])
    options = {"snapshots": tmp_path / "shared", "snapshot_from": 1}
    with running(database, "a", **options) as one:
        until(lambda: one.replica(history.collection.id), "a replica")
        until(lambda: snapshot.names(tmp_path / "shared"), "a snapshot")
        with running(database, "b", **options) as two:
            for i in range(4, 12):
                history.put([i, i % 3])
                both = [replica_at(follower, history.collection.id, history.last_seq, 20) for follower in (one, two)]
                assert [contents(replica) for replica in both] == [history.fresh()] * 2
            until(lambda: not one._renewing and not two._renewing, "the end of all writing")
        assert one.error is two.error is None
    there = snapshot.peek(tmp_path / "shared", str(history.active.id))
    assert there is not None
    assert there[0] > 3
    follower = Follower(database, "c", **options)  # type: ignore[arg-type]
    follower.poll()
    loaded = answering(follower, history)
    assert loaded is not None
    assert loaded.saved_seq == there[0]
    assert contents(loaded) == history.fresh()


def test_followers_rebuild_at_sizes_of_their_own(database: Database) -> None:
    history = History(database)
    history.put([1])
    followers = [Follower(database, f"node {i}") for i in range(8)]
    for follower in followers:
        follower.poll()
    assert len({follower._answering[history.collection.id].table.patience for follower in followers}) == 8


def test_what_waits_for_the_replicas_is_called_once_they_have_caught_up(database: Database) -> None:
    history = History(database)
    history.put([1, 2, 3])
    calls: list[bool] = []
    follower = Follower(database, "node", poll_interval_s=0.02)
    follower.when_caught_up(lambda: calls.append(answering(follower, history) is not None))
    follower.start()
    try:
        until(lambda: calls, "the call")
        polls(follower)
        assert calls == [True]
    finally:
        follower.stop()
