"""No answer comes from a history that was lost: not of a snapshot, not of a process that ran on over the restore."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update
from structlog.testing import capture_logs

from service.index import replicas as replica_module
from service.index.replicas import Follower
from service.store import nodes, schema
from service.store.database import Database
from service.store.snapshots import OF_CODES
from tests.backups import Backup, back_up, restore
from tests.index.histories import History, contents

A, B = np.array([[1, 1]], np.uint8), np.array([[2, 2]], np.uint8)


def new_process(database: Database, folder: Path | None = None, node: str = "node") -> Follower:
    follower = Follower(database, node, snapshots=folder, snapshot_from=1)
    follower.poll()
    return follower


def restored_and_grown_again(history: History, backup: Backup) -> None:
    """The same documents are sent again, of which the first has changed: same keys, same seqs, same last change."""
    restore(history.database, backup)
    history.put([3], A)
    history.put([4], B)


def test_a_snapshot_of_a_lost_history_is_not_taken(database: Database, tmp_path: Path) -> None:
    history = History(database)
    history.put([1, 2])
    backup = back_up(database)
    history.put([3], B)
    history.put([4], B)
    new_process(database, tmp_path)
    restored_and_grown_again(history, backup)
    with capture_logs() as logs:
        follower = new_process(database, tmp_path)
    assert contents(follower.replica(history.collection.id)) == history.fresh()
    assert ["another history" in line["reason"] for line in logs if line["log_level"] == "warning"] == [True]


def test_a_snapshot_that_is_older_than_the_backup_is_taken(database: Database, tmp_path: Path) -> None:
    history = History(database)
    history.put([1, 2])
    new_process(database, tmp_path)
    backup = back_up(database)
    history.put([3], B)
    restored_and_grown_again(history, backup)
    loaded = new_process(database, tmp_path).replica(history.collection.id)
    assert loaded is not None
    assert loaded.saved_seq > 0
    assert contents(loaded) == history.fresh()


def test_a_snapshot_written_after_its_database_was_replaced_is_not_known_to_it(
    database: Database, tmp_path: Path
) -> None:
    history = History(database)
    history.put([1, 2])
    backup = back_up(database)
    follower = Follower(database, "node", snapshots=tmp_path, snapshot_from=100)
    follower.poll()
    restore(database, backup)
    lost = follower._answering[history.collection.id]
    lost.save(database, tmp_path, lambda connection: follower._is_followed(connection, follower.history))
    assert list(tmp_path.glob("*.index")) == []


def test_a_process_that_is_ahead_of_its_database_starts_over(database: Database) -> None:
    history = History(database)
    history.put([1, 2])
    backup = back_up(database)
    follower = new_process(database)
    history.put([3, 4])
    follower.poll()
    restore(database, backup)
    with capture_logs() as logs:
        follower.poll()
    assert [line["log_level"] for line in logs if "restored" in line["event"]] == ["warning"]
    assert (contents(follower.replica(history.collection.id)), follower.history) == (history.fresh(), 1)


def test_a_database_that_was_restored_and_grew_between_two_polls_is_noticed_by_the_heartbeat(
    database: Database,
) -> None:
    history = History(database)
    history.put([1, 2])
    backup = back_up(database)
    history.put([3], B)
    history.put([4], B)
    follower = new_process(database)
    restored_and_grown_again(history, backup)
    follower.poll()
    assert (contents(follower.replica(history.collection.id)), follower.history) == (history.fresh(), 1)


def test_a_backup_younger_than_the_heartbeat_is_noticed_by_the_changes_applied_last(database: Database) -> None:
    history = History(database)
    history.put([1, 2])
    follower = new_process(database)
    backup = back_up(database)
    history.put([3], B)
    history.put([4], B)
    follower.poll()
    restored_and_grown_again(history, backup)
    history.put([5])
    follower.poll()
    assert (contents(follower.replica(history.collection.id)), follower.history) == (history.fresh(), 1)


def test_nothing_is_loaded_anew_while_the_database_is_the_same(database: Database) -> None:
    history = History(database)
    follower = new_process(database)
    for step in range(4):
        history.put([1, 2, step])
        history.delete([step])
        if step % 2:
            history.next_space()
        follower.poll()
    with database.write() as connection:  # as a promote on another machine does to nodes that were long silent
        nodes.remove(connection, "another")
    follower.poll()
    assert follower.history == 0
    assert contents(follower.replica(history.collection.id)) == history.fresh()


def test_a_process_that_missed_a_deletion_whose_record_is_gone_reads_that_space_anew_and_no_other(
    database: Database,
) -> None:
    history = History(database)
    follower = new_process(database)
    history.put([1, 2])
    follower.poll()
    history.delete([1])
    history.put([3])
    table, active = schema.codes, history.active.id
    with database.write() as connection:
        connection.execute(delete(table).where(table.c.space_id == active, table.c.code.is_(None)))
        connection.execute(update(schema.code_spaces).values(compacted_seq=history.last_seq - 1))
    follower.poll()
    assert (contents(follower.replica(history.collection.id)), follower.history) == (history.fresh(), 0)


ids = st.lists(st.integers(0, 8), min_size=1, max_size=4)
steps = st.lists(
    st.one_of(
        *(st.tuples(st.just(name), ids) for name in ("put", "delete")),
        *(st.tuples(st.just(name), st.none()) for name in ("poll", "poll", "build", "restart", "back_up", "restore")),
    ),
    max_size=20,
)


@pytest.mark.long_on_postgresql
@settings(max_examples=60)
@given(steps)
def test_any_interleaving_of_writes_polls_restarts_and_restores_ends_equal_to_a_fresh_load(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list
) -> None:
    """Where each poll is followed by a heartbeat, every backup is older than the last."""
    monkeypatch.setattr(replica_module, "_HEARTBEAT_S", 0)
    history = History(database)
    folder = tmp_path / history.collection.name
    follower = new_process(database, folder)
    backup = back_up(database)
    for name, argument in steps:
        match name:
            case "poll":
                follower.poll()
            case "restart":
                follower = new_process(database, folder)
            case "back_up":
                backup = back_up(database)
            case "restore":
                restore(database, backup)
            case _:
                getattr(history, name)(argument)
    follower.poll()
    replica = follower.replica(history.collection.id)
    assert replica is not None
    assert replica.space.id == history.active.id
    assert contents(replica) == history.fresh()
    restarted = new_process(database, folder).replica(history.collection.id)
    assert contents(restarted) == history.fresh()


def test_tokens_of_snapshots_are_known_for_their_space_and_seq_alone_and_go_with_it(database: Database) -> None:
    history, other = History(database), History(database)
    space, elsewhere = history.active.id, other.active.id
    with database.write() as connection:
        token, second = OF_CODES.record(connection, space, 7), OF_CODES.record(connection, space, 9)
        assert OF_CODES.is_known(connection, space, token, 7)
        assert not OF_CODES.is_known(connection, space, token, 8)
        assert not OF_CODES.is_known(connection, elsewhere, token, 7)
        OF_CODES.forget(connection, space, token)
        assert not OF_CODES.is_known(connection, space, token, 7)
        assert OF_CODES.is_known(connection, space, second, 9)
        latest = [OF_CODES.record(connection, space, 10) for _ in range(300)]
        assert OF_CODES.is_known(connection, space, latest[-1], 10)
        assert sum(OF_CODES.is_known(connection, space, one, 10) for one in latest) <= 257
