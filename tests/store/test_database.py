"""Transactions, the commit lane, and a database that is busy, full or gone."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy import event, insert, make_url, select
from sqlalchemy.exc import NoResultFound

from service.errors import ConfigurationError, DatabaseUnavailable, NotFound, StorageFull, explained
from service.hashing.content import Text
from service.store import codes, collections, documents, schema
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.migrations import migrate, prepare
from service.store.spaces import CodeSpace
from tests.conftest import new_collection, start_postgres
from tests.oracles import clustered_codes

NAMES = select(schema.collections.c.name)


def test_a_write_is_seen_by_all_after_it_and_by_none_before(database: Database) -> None:
    with database.write() as connection:
        collections.create(connection, "news", "text", 8)
        with database.read() as other:
            assert other.scalars(NAMES).all() == []
    with database.read() as other:
        assert other.scalars(NAMES).all() == ["news"]


def test_a_write_that_raises_leaves_nothing(database: Database) -> None:
    def create_and_raise() -> None:
        with database.write() as connection:
            collections.create(connection, "news", "text", 8)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        create_and_raise()
    with database.read() as connection:
        assert connection.scalars(NAMES).all() == []


def test_a_read_sees_one_snapshot_from_its_first_look_to_its_end(database: Database) -> None:
    with database.read() as reader:
        assert reader.scalars(NAMES).all() == []
        with database.write() as writer:
            collections.create(writer, "news", "text", 8)
        assert reader.scalars(NAMES).all() == []


def test_statements_of_the_driver_and_of_sqlalchemy_see_one_snapshot_in_a_read(database: Database) -> None:
    with database.read() as connection:
        with pytest.raises(NotFound):
            collections.get(connection, "news")  # by the driver
        with database.write() as other:
            collections.create(other, "news", "text", 8)
        assert connection.scalars(NAMES).all() == []
        with pytest.raises(NotFound):
            collections.get(connection, "news")
    with database.read() as connection:
        assert collections.get(connection, "news").name == connection.scalars(NAMES).one()


@pytest.mark.parametrize("by_driver", [True, False])
def test_a_read_that_raises_ends_its_snapshot(database: Database, by_driver: bool) -> None:
    def look_and_raise() -> None:
        with database.read() as connection:
            if by_driver:
                collections.get(connection, "news")
            connection.scalars(NAMES).one()

    with pytest.raises((NotFound, NoResultFound)):
        look_and_raise()
    with database.write() as connection:
        collections.create(connection, "news", "text", 8)
    with database.read() as connection:
        assert collections.get(connection, "news").n_bits == 8


def test_a_lane_of_an_unknown_collection_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound, match="no collection '7'"), database.lane(7):
        pass


def test_a_lane_draws_consecutive_seqs_and_rolls_them_back_with_the_rest(database: Database) -> None:
    collection, _ = new_collection(database)

    def draw_and_raise() -> None:
        with database.lane(collection.id) as lane:
            lane.draw(5)
            raise ZeroDivisionError

    with database.lane(collection.id) as lane:
        assert (lane.draw(3), lane.draw(1), lane.last_seq) == (1, 4, 4)
    with pytest.raises(ZeroDivisionError):
        draw_and_raise()
    with database.lane(collection.id) as lane:
        assert lane.draw(1) == 5


def test_lanes_of_one_collection_wait_for_each_other_and_no_draw_is_lost(database: Database) -> None:
    collection, _ = new_collection(database)

    def draw(_: int) -> int:
        with database.lane(collection.id) as lane:
            return lane.draw(2)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(draw, range(40))) == list(range(1, 81, 2))


def followed(database: Database, space: CodeSpace, applied: int) -> tuple[list[int], int]:
    """Keys that a follower sees after the seq it has applied, and the seq it then has."""
    with database.read() as connection:
        changes = codes.changes(connection, space.id, applied, 100)
    return changes.keys.tolist(), int(changes.seqs[-1]) if len(changes) else applied


def test_a_tail_loses_a_row_when_seqs_are_drawn_outside_the_lane(postgres_url: str) -> None:
    """Why there is a lane: on PostgreSQL two sessions may commit in another order than they drew."""
    database = Database.open(postgres_url)
    _, space = new_collection(database)
    with database.write() as connection:
        connection.exec_driver_sql("CREATE SEQUENCE naive")

    def naive_append(connection: Any, key: int) -> None:
        seq = connection.exec_driver_sql("SELECT nextval('naive')").scalar()
        connection.execute(insert(schema.codes).values(space_id=space.id, document_key=key, seq=seq, code=b"12345678"))

    with database.write() as slow:
        naive_append(slow, 1)
        with database.write() as fast:
            naive_append(fast, 2)
        keys, applied = followed(database, space, 0)
        assert keys == [2]
    keys, _ = followed(database, space, applied)
    assert keys == []  # the row of document 1 is committed, and no follower will ever ask for its seq
    database.close()


def test_a_tail_loses_nothing_when_two_sessions_write_in_the_lane(database: Database) -> None:
    collection, space = new_collection(database)
    slow_has_drawn, slow_may_commit, fast_waits = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        with database.lane(collection.id) as lane:
            codes.append(lane, space.id, [1], clustered_codes(np.random.default_rng(1), 1, 64))
            slow_has_drawn.set()
            assert slow_may_commit.wait(10)

    def fast() -> None:
        assert slow_has_drawn.wait(10)
        fast_waits.set()
        with database.lane(collection.id) as lane:
            codes.append(lane, space.id, [2], clustered_codes(np.random.default_rng(2), 1, 64))

    seen: list[int] = []
    applied = 0
    with ThreadPoolExecutor(2) as pool:
        sessions = [pool.submit(slow), pool.submit(fast)]
        assert fast_waits.wait(10)
        for _ in range(20):  # the naive session would have overtaken by now
            keys, applied = followed(database, space, applied)
            seen += keys
        assert seen == []
        slow_may_commit.set()
        for session in sessions:
            session.result(10)
    keys, _ = followed(database, space, applied)
    assert seen + keys == [1, 2]


def test_a_lane_does_not_keep_others_from_referring_to_its_collection(postgres_url: str) -> None:
    database = Database.open(postgres_url, lock_timeout_s=0.5)
    collection, _ = new_collection(database)
    values = {"id": "j", "kind": "retrain", "collection_id": collection.id, "state": "queued"}
    with database.lane(collection.id), database.write() as other:
        other.execute(insert(schema.jobs).values(**values, params={}, progress={}, created_at=schema.now()))
    database.close()


def test_a_writer_that_waits_too_long_is_told_that_the_database_is_busy(url: str) -> None:
    ours, theirs = Database.open(url, lock_timeout_s=0.2), Database.open(url)  # as two processes
    collection, _ = new_collection(ours)
    with theirs.lane(collection.id):
        with pytest.raises(DatabaseUnavailable), ours.lane(collection.id):
            pass
        with ours.read() as connection:  # readers do not wait
            assert collections.by_id(connection, collection.id)
    with ours.lane(collection.id) as lane:
        assert lane.draw(1) == 1
    ours.close()
    theirs.close()


def test_threads_of_one_process_take_turns_to_write_and_read_at_will(database: Database) -> None:
    collection, space = new_collection(database)

    middle = threading.Barrier(6, timeout=60)  # the writing ends only after every reader has read

    def write(worker: int) -> None:
        for i in range(5):
            if i == 2:
                middle.wait()
            with database.lane(collection.id) as lane:
                put = documents.put(lane, [NewDocument(f"{worker}-{i}", Text("a text"), {})])
                codes.append(lane, space.id, [put[0].key], np.full((1, 8), worker, dtype=np.uint8))

    def read(_: int) -> None:
        for i in range(20):
            with database.read() as connection:
                keys, _codes = codes.load(connection, space.id, 8)
                assert documents.count(connection, collection.id) == len(keys)
            if i == 1:
                middle.wait()

    with ThreadPoolExecutor(6) as pool:
        for done in [*(pool.submit(write, n) for n in range(3)), *(pool.submit(read, n) for n in range(3))]:
            done.result(60)
    with database.read() as connection:
        assert documents.count(connection, collection.id) == 15


def test_our_own_mistakes_are_not_taken_for_an_unavailable_database(database: Database) -> None:
    with pytest.raises(Exception, match="no_such_table") as caught, database.read() as connection:
        connection.exec_driver_sql("SELECT * FROM no_such_table")
    assert not isinstance(caught.value, DatabaseUnavailable)
    database.ping()


@pytest.mark.parametrize(
    "url",
    ["mysql://host/name", "no url at all", "oracle://x", "postgresql://a@b:port/c", "postgresql://a:p@ss@host/name"],
)
def test_a_url_of_another_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="database_url must"):
        Database.open(url)


def test_a_database_in_memory_lives_as_long_as_its_object() -> None:
    database = Database.open("sqlite:///:memory:")
    schema.metadata.create_all(database.engine)
    new_collection(database, name="news")
    with database.read() as connection:
        assert connection.scalars(NAMES).all() == ["news"]
    file = Path(str(database.engine.url.database))
    database.close()
    assert not file.exists()


def test_close_releases_every_file_and_may_be_called_twice(url: str) -> None:
    before = n_open_files()
    database = Database.open(url)
    new_collection(database)
    with database.read(), database.read(), database.write():
        assert n_open_files() > before
    database.close()
    database.close()
    assert n_open_files() == before
    with pytest.raises(DatabaseUnavailable, match="closed"):
        database.ping()


def test_close_lets_transactions_under_way_end_and_releases_their_files_then(url: str) -> None:
    before = n_open_files()
    database = Database.open(url)
    with database.write() as connection:
        database.close()
        collections.create(connection, "news", "text", 8)
    assert n_open_files() == before
    reopened = Database.open(url)
    with reopened.read() as connection:
        assert connection.scalars(NAMES).all() == ["news"]
    reopened.close()


def n_open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0


def test_sqlite_keeps_what_it_acknowledged_and_checks_what_refers_to_what(sqlite_url: str) -> None:
    database = Database.open(sqlite_url)
    with database.read() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() for pragma in pragmas]
    assert found == ["wal", 2, 1, 30_000]
    database.close()


def test_a_full_sqlite_says_so_keeps_nothing_of_the_batch_and_goes_on_when_there_is_room(sqlite_url: str) -> None:
    database = Database.open(sqlite_url)
    collection, _ = new_collection(database)
    limit = Limit(60)
    event.listen(database.engine, "checkout", limit)
    with pytest.raises(StorageFull), database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument(None, Text("x" * 10_000), {}) for _ in range(100)])
    with database.read() as connection:
        assert documents.count(connection, collection.id) == 0
    limit.n_pages = 1_000_000
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument(None, Text("x" * 10_000), {}) for _ in range(100)])
    database.close()


class Limit:
    """Bounds the pages that a SQLite file may have, on every connection."""

    def __init__(self, n_pages: int) -> None:
        self.n_pages = n_pages

    def __call__(self, connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {self.n_pages}")


def test_a_sqlite_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    database = Database.open(f"sqlite:///{tmp_path / 'folder.db'}")
    with pytest.raises(DatabaseUnavailable, match="unable to open") as refused:
        database.ping()
    assert str(refused.value).endswith("unable to open database file")
    assert explained(refused.value).endswith(f"unable to open database file: {tmp_path / 'folder.db'}")
    database.close()


def test_missing_folders_of_a_sqlite_file_are_made(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'a' / 'b' / 'nearbit.db'}")
    database.ping()
    database.close()


@pytest.fixture
def server() -> Iterator[Any]:
    with tempfile.TemporaryDirectory(prefix="nearbit-") as folder:
        server = start_postgres(folder)
        yield server
        server.cleanup()


def test_a_postgresql_that_stops_is_unavailable_until_it_is_back(server: Any) -> None:
    database = Database.open(server.get_uri())
    schema.metadata.create_all(database.engine)
    new_collection(database, name="news")

    def lose_the_server() -> None:
        with database.write() as connection:
            collections.create(connection, "lost", "text", 8)
            server.stop()  # in the middle: waits for no one
            collections.create(connection, "lost too", "text", 8)

    with pytest.raises(DatabaseUnavailable):
        lose_the_server()
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            database.ping()
    server.start()
    with database.read() as connection:
        assert connection.scalars(NAMES).all() == ["news"]
    with database.write() as connection:
        collections.create(connection, "found", "text", 8)
    database.close()


def test_a_postgresql_without_space_says_so(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    with pytest.raises(StorageFull), database.write() as connection:
        connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$")
    database.ping()
    database.close()


def test_a_postgresql_that_nobody_runs_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="cannot connect") as refused:
        ping(f"postgresql://nobody@/nothing?host={tmp_path}")
    assert str(tmp_path) in explained(refused.value)


def ping(url: str) -> None:
    database = Database.open(url)
    try:
        database.ping()
    finally:
        database.close()


def test_operators_learn_why_there_is_no_connection_without_the_password_and_callers_do_not(server: Any) -> None:
    rules = server.pgdata / "pg_hba.conf"
    rules.write_text(f"local all secretive scram-sha-256\n{rules.read_text()}")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("CREATE ROLE secretive LOGIN PASSWORD 'right'")
        connection.execute("SELECT pg_reload_conf()")
    socket = make_url(server.get_uri()).query["host"]
    faults = {
        f"postgresql://secretive:hunter2%21@/postgres?host={socket}": "password authentication failed",
        f"postgresql://secretive@/postgres?host={socket}": "no password supplied",
        f"postgresql://unknown:hunter2%21@/postgres?host={socket}": 'role "unknown" does not exist',
        f"postgresql://postgres:hunter2%21@/none?host={socket}": 'database "none" does not exist',
        "postgresql://postgres:hunter2%21@127.0.0.1:1/postgres": "Connection refused",
        "postgresql://postgres:hunter2%21@none.invalid/postgres": "none.invalid",
        f"postgresql://postgres:hunter2%21@/postgres?host={socket}&sslmode=bogus": "sslmode",
        f"postgresql://postgres@/postgres?host={socket}&password=hunter2%21&sslmode=hunter2%21": 'sslmode value: "***"',
    }
    for url, reason in faults.items():
        with pytest.raises(DatabaseUnavailable) as refused:
            ping(url)
        assert reason in explained(refused.value)
        assert "hunter2" not in explained(refused.value)
        assert "\n" not in explained(refused.value)
        assert (str(refused.value), vars(refused.value)) == ("cannot connect to the database", {})
    with pytest.raises(ConfigurationError, match='database_url cannot be used: invalid connection option "speed"'):
        ping(f"{server.get_uri()}&speed=3")
    ping(f"postgresql://secretive:right@/postgres?host={socket}")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_than_utf8_is_refused(postgres: Any, encoding: str) -> None:
    name = f"encoded_{encoding.lower()}"
    with psycopg.connect(postgres.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
    words = f"the encoding of the database is {encoding}, nearbit needs UTF8: make it anew with CREATE DATABASE {name} "
    database = Database.open(postgres.get_uri(name))
    for use in (Database.ping, migrate, prepare):
        with pytest.raises(ConfigurationError, match=words):
            use(database)
    database.close()


def test_the_place_of_a_database_is_that_of_every_url_that_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    groups = [
        (f"sqlite:///{tmp_path}/a.db", "sqlite:///a.db", f"sqlite:///{tmp_path}/b/../a.db"),
        (f"sqlite:///{tmp_path}/other.db",),
        ("postgresql://one:secret@host/a", "postgresql://two@host/a", "postgresql+psycopg://host/a"),
        ("postgresql://host/b",),
        ("postgresql://host:5433/a",),
        ("postgresql:///a?host=/run/pg",),
    ]
    places = []
    for urls in groups:
        (place,) = {Database.open(url).place for url in urls}
        assert "secret" not in place
        places.append(place)
    assert len(set(places)) == len(groups)


def test_texts_are_utf8_whatever_the_client_is_set_to(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    database = Database.open(postgres_url)
    collection, _ = new_collection(database)
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument("a", Text("日本語"), {})])
    with database.read() as connection:
        assert documents.get(connection, collection.id, "a").content.text == "日本語"
    database.close()


def test_waits_for_locks_are_bounded_beside_options_of_the_url(postgres_url: str) -> None:
    url = f"{postgres_url}&options=-c%20application_name%3Dmine"
    database = Database.open(url, lock_timeout_s=0.2)
    with database.read() as connection:
        shown = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("lock_timeout", "application_name")]
    assert shown == ["200ms", "mine"]
    database.close()


def test_a_file_that_is_no_sqlite_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("something else " * 1_000)
    with pytest.raises(ConfigurationError, match="database_url must name a SQLite database: file is not a database"):
        ping(f"sqlite:///{tmp_path / 'notes.txt'}")
