from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from service.index.hamming import layout, snapshot
from service.index.hamming import table as table_module
from service.index.hamming.table import HammingTable
from service.index.replicas import Follower
from service.store import collections, nodes
from service.store.database import Database
from service.store.migrations import migrate
from tests.index.histories import N_BITS, History, contents, replica_at, unique

ids = st.lists(st.integers(0, 12), min_size=1, max_size=5)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), ids),
        st.tuples(st.just("delete"), ids),
        st.tuples(st.just("build"), st.just(None)),
        st.tuples(st.just("poll"), st.just(None)),
        st.tuples(st.just("rebuild"), st.just(None)),
    ),
    max_size=20,
)


@pytest.fixture
def tiny_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe and rebuild tables of a few codes, as the service does with many."""
    monkeypatch.setattr(layout, "MIN_PROBED", 4)
    monkeypatch.setattr(table_module, "MIN_DELTA", 2)


def end_rebuilds(follower: Follower) -> None:
    """Let rebuilds that began behind earlier polls end here; without this step they end at any time."""
    for _, replica in follower.overview():
        if replica is not None:
            replica.table.wait()


@pytest.mark.long_on_postgresql
@pytest.mark.usefixtures("tiny_limits")
@settings(max_examples=40)
@given(steps)
def test_any_interleaving_of_writes_and_polls_ends_equal_to_a_fresh_load(database: Database, steps: list) -> None:
    history = History(database)
    follower = Follower(database, "node")
    for name, argument in steps:
        if name == "poll":
            follower.poll()
        elif name == "rebuild":
            end_rebuilds(follower)
        elif name == "build":
            history.build()
        else:
            getattr(history, name)(argument)
    follower.poll()
    replica = follower.replica(history.collection.id)
    assert replica is not None
    assert replica.space.id == history.active.id
    assert contents(replica) == history.fresh()


def test_an_answering_replica_is_followed_until_the_next_one_is_loaded(database: Database) -> None:
    history = History(database)
    follower = Follower(database, "node")
    history.put([1, 2, 3])
    follower.poll()
    first = follower.replica(history.collection.id)
    history.build()
    history.build()
    follower.poll()
    assert follower.replica(history.collection.id) is first
    history.build()
    follower.poll()
    second = follower.replica(history.collection.id)
    assert second is not first
    assert second is not None
    assert second.space.version == 2
    assert len(second.table) == 3


def test_a_dropped_collection_is_forgotten(database: Database) -> None:
    history = History(database)
    follower = Follower(database, "node")
    follower.poll()
    with database.write() as connection:
        collections.drop(connection, history.collection.name)
    follower.poll()
    assert follower.replica(history.collection.id) is None


def test_the_heartbeat_says_which_spaces_are_loaded_and_up_to_which_seq(database: Database) -> None:
    history = History(database)
    history.put([1, 2])
    Follower(database, "node-7").poll()
    with database.read() as connection:
        (node,) = [n for n in nodes.live(connection, 60) if n.id == "node-7"]
    assert node.applied[history.active.id] >= 2


def restarted(database: Database, folder: Path) -> Follower:
    follower = Follower(database, "node", snapshots=folder, snapshot_from=1)
    follower.poll()
    return follower


@pytest.mark.long_on_postgresql
@pytest.mark.usefixtures("tiny_limits")
@settings(max_examples=15)
@given(st.lists(st.one_of(steps.map(tuple), st.just("restart")), max_size=6))
def test_restarts_from_snapshots_end_equal_to_a_fresh_load(database: Database, tmp_path: Path, parts: list) -> None:
    history = History(database)
    folder = tmp_path / f"{next(unique)}"
    follower = restarted(database, folder)
    for part in parts:
        if part == "restart":
            follower = restarted(database, folder)
            continue
        for name, argument in part:
            if name == "poll":
                follower.poll()
            elif name == "rebuild":
                end_rebuilds(follower)
            elif name == "build":
                history.build()
            else:
                getattr(history, name)(argument)
    replica = restarted(database, folder).replica(history.collection.id)
    assert replica is not None
    assert contents(replica) == history.fresh()


def test_a_restart_maps_the_snapshot_and_reads_the_changes_since(database: Database, tmp_path: Path) -> None:
    history = History(database)
    history.put([1, 2, 3])
    restarted(database, tmp_path)
    history.put([3, 4])
    history.delete([1])
    loaded = restarted(database, tmp_path).replica(history.collection.id)
    assert loaded is not None
    assert loaded.saved_seq > 0
    assert contents(loaded) == history.fresh()


def cut_short(content: bytearray) -> bytearray:
    return content[:-8]


def with_a_flipped_bit(content: bytearray) -> bytearray:
    content[-9] ^= 1
    return content


def of_an_old_format(content: bytearray) -> bytearray:
    struct.pack_into("<I", content, 8, 0)
    return content


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [(cut_short, "checksum"), (with_a_flipped_bit, "checksum"), (of_an_old_format, "format 0"), (None, "of space")],
)
def test_a_snapshot_that_is_off_is_rebuilt_from_sql_and_the_log_says_so(
    database: Database, tmp_path: Path, damaged: Callable[[bytearray], bytearray] | None, reason: str
) -> None:
    history = History(database)
    history.put([1, 2, 3])
    restarted(database, tmp_path)
    (file,) = tmp_path.glob("*.index")
    if damaged is None:  # that of another space, under this one's name
        snapshot.save(HammingTable(N_BITS), tmp_path, "another", 99).replace(file)
    else:
        file.write_bytes(damaged(bytearray(file.read_bytes())))
    with capture_logs() as logs:
        loaded = restarted(database, tmp_path).replica(history.collection.id)
    assert [reason in line["reason"] for line in logs if line["log_level"] == "warning"] == [True]
    assert loaded is not None
    assert contents(loaded) == history.fresh()
    with capture_logs() as logs:  # a good one has been written in its place
        restarted(database, tmp_path)
    assert [line for line in logs if line["log_level"] == "warning"] == []


def test_a_snapshot_of_a_database_that_stood_here_before_is_not_taken(database: Database, tmp_path: Path) -> None:
    before = History(database)
    before.put([1, 2, 3])
    restarted(database, tmp_path)
    (old,) = tmp_path.glob("*.index")
    fresh_database = Database.open("sqlite://")
    migrate(fresh_database)
    after = History(fresh_database)
    after.put([7, 8, 9])
    loaded = restarted(fresh_database, tmp_path).replica(after.collection.id)
    assert loaded is not None
    assert contents(loaded) == after.fresh()
    assert old.exists()
    fresh_database.close()


@pytest.fixture
def followed(database: Database) -> Iterator[tuple[History, Follower]]:
    history = History(database)
    follower = Follower(database, "node", poll_interval_s=30)
    follower.start()
    yield history, follower
    follower.stop()
    follower.stop()


def test_a_wait_for_a_seq_wakes_the_follower_and_ends_when_it_is_applied(followed: tuple[History, Follower]) -> None:
    history, follower = followed
    history.put([1, 2])
    with history.database.read() as connection:
        seq = collections.get(connection, history.collection.name).last_seq
    replica = replica_at(follower, history.collection.id, seq, 10)
    assert replica is not None
    assert replica.applied_seq >= seq


def test_a_wait_for_a_seq_that_nobody_drew_ends_at_its_timeout(followed: tuple[History, Follower]) -> None:
    history, follower = followed
    assert replica_at(follower, history.collection.id, 10_000, 0.05) is None


def test_a_stopped_follower_leaves_the_heartbeats(database: Database) -> None:
    follower = Follower(database, "leaving")
    follower.start()
    loaded = threading.Event()
    for _ in range(200):
        with database.read() as connection:
            if any(n.id == "leaving" for n in nodes.live(connection, 60)):
                loaded.set()
                break
        follower.wake()
        threading.Event().wait(0.02)
    assert loaded.is_set()
    follower.stop()
    with database.read() as connection:
        assert all(n.id != "leaving" for n in nodes.live(connection, 60))
