"""Behind PgBouncer, which gives each transaction to any session of the server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy import make_url

from service.errors import DatabaseUnavailable
from service.hashing.content import Text
from service.store import buckets, codes, collections, document_samples, document_summaries, documents
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.migrations import migrate
from tests.conftest import new_collection

CONFIGURATION = """
[databases]
* = host={server} port=5432 user=postgres
[pgbouncer]
listen_port = 6432
unix_socket_dir = {folder}
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
"""


@pytest.fixture(scope="module", params=["transaction", "session"])
def bouncer(request: pytest.FixtureRequest, postgres: Any) -> Iterator[Path]:
    """The folder of the socket of a PgBouncer before the server of the session, in each mode in turn."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("no PgBouncer: install the program pgbouncer to run this test")
    with tempfile.TemporaryDirectory(prefix="nearbit-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        configuration = folder / "pgbouncer.ini"
        server = make_url(postgres.get_uri()).query["host"]
        size = 3 if request.param == "transaction" else 30  # fewer than there are clients, or one for each
        configuration.write_text(CONFIGURATION.format(server=server, folder=folder, mode=request.param, size=size))
        as_user = ["-u", postgres.system_user] if os.geteuid() == 0 else []
        command = [program, "-q", *as_user, str(configuration)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                deadline = time.monotonic() + 120
                while not (folder / ".s.PGSQL.6432").exists():
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                yield folder
            finally:
                process.kill()


@pytest.fixture
def behind(bouncer: Path, postgres_url: str) -> str:
    """The URL of a migrated, empty database as PgBouncer gives it."""
    return f"postgresql://postgres:@/{make_url(postgres_url).database}?host={bouncer}&port=6432"


def test_a_database_is_migrated_and_found_migrated(bouncer: Path, postgres_url: str, behind: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    database = Database.open(behind)
    revision = migrate(database)
    assert migrate(database) == revision
    database.close()


def test_statements_that_are_repeated_in_many_threads_reach_the_right_session(behind: str) -> None:
    database = Database.open(behind)
    collection, space = new_collection(database)

    def work(worker: int) -> None:
        generator = np.random.default_rng(worker)
        keys: list[int] = []
        for i in range(12):  # the driver prepares a statement the sixth time, and forgets all at a rollback
            with database.lane(collection.id) as lane:
                new = [NewDocument(f"{worker}-{i}-{j}", Text("a text"), {"n": j}) for j in range(5)]
                put = documents.put(lane, new)
                written = generator.integers(0, 256, (5, 8), dtype=np.uint8)
                codes.append(lane, space.id, [p.key for p in put], written)
                keys += [p.key for p in put]
        for i in range(12):
            with database.read() as connection:
                assert documents.get(connection, collection.id, f"{worker}-{i}-0").content.text == "a text"
                assert len(document_summaries.summaries(connection, keys)) == len(keys)
                loaded, _ = codes.load(connection, space.id, 8)  # by a cursor of the server
                assert set(loaded) >= set(keys)
                assert sum(len(found) for found, _ in buckets.scan(connection, space.id, 8)) >= len(loaded)

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work, worker) for worker in range(6)]:
            done.result(120)
    with database.read() as connection:
        assert documents.count(connection, collection.id) == 6 * 12 * 5
        assert len(document_samples.sample(connection, collection.id, 100, 1)) == 100
    database.close()


def test_a_writer_that_waits_too_long_is_told_and_strangers_keep_their_own_bound(behind: str) -> None:
    ours, theirs = Database.open(behind, lock_timeout_s=0.2), Database.open(behind)
    collection, _ = new_collection(ours)
    for _ in range(3):
        with theirs.lane(collection.id):
            with pytest.raises(DatabaseUnavailable, match="busy"), ours.lane(collection.id):
                pass
            with ours.read() as connection:
                assert collections.by_id(connection, collection.id)
                assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "200ms"
    ours.close()
    theirs.close()
    with psycopg.connect(behind, prepare_threshold=None) as stranger:
        for _ in range(5):
            assert stranger.execute("SHOW lock_timeout").fetchone() == ("0",)
            stranger.commit()
