"""A backup is restored while API processes run, and under ones that start again: none answers from what was lost."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from tests.conftest import empty_postgres
from tests.flows.corpus import documents, fill
from tests.flows.processes import Api, Process, running, until

pytestmark = pytest.mark.long

N = 60
QUERIES = ["bread oven", "boat wind", "piano violin"]


def lost(api: Api) -> None:
    """What is written after the backup and lost: some documents changed, some new, some deleted."""
    api.post("/collections/texts/documents", {"documents": documents(20, start=50, seed=8)})
    api.http.delete("/collections/texts/documents/d1").raise_for_status()


def written_again(api: Api) -> int:
    """What is written after the restore: more changes than were lost, to other texts, the last one the same."""
    api.post("/collections/texts/documents", {"documents": documents(25, start=45, seed=9)})
    seq: int = api.post("/collections/texts/documents", {"documents": documents(1, start=69, seed=8)})["seq"]
    return seq


def answers(api: Api) -> list[Any]:
    """What memory answers to a few queries: all documents, with their distances."""
    found = [api.get("/collections/texts/similar", q=q, k=1_000, fields="id") for q in QUERIES]
    return [answer["matches"] if answer["work"]["source"] == "memory" else None for answer in found]


def check(url: str, folder: Path, apis: list[Api], seq: int) -> None:
    """Every process answers as one that has never seen anything but the database as it is now."""
    fresh = Api(url, folder)
    with running(fresh):
        until(lambda: None not in answers(fresh), "the fresh process's memory")
        expected = answers(fresh)
        assert len(expected[0]) == 70
        for api in apis:
            assert api.get("/collections/texts")["seq"] == seq
            until(lambda api=api: answers(api) == expected, "the same answers")  # type: ignore[misc]


def online_backup_of_sqlite(url: str, folder: Path) -> Callable[[], None]:
    """`sqlite3 FILE ".backup COPY"` now, and `sqlite3 FILE ".restore COPY"` when it is called."""
    file, copy = str(make_url(url).database), folder / "copy.db"

    def copied(source: str | Path, target: str | Path) -> None:
        with closing(sqlite3.connect(source)) as a, closing(sqlite3.connect(target, timeout=120)) as b:
            a.backup(b)

    copied(file, copy)
    return lambda: copied(copy, file)


def dump_of_postgresql(url: str, folder: Path) -> Callable[[], None]:
    """`pg_dump` now, and `pg_restore --clean --if-exists --single-transaction` when it is called."""
    with psycopg.connect(url) as connection:
        (tools,) = connection.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'").fetchone() or ("",)
    if not (Path(tools) / "pg_dump").exists():
        pytest.skip(f"this PostgreSQL came without pg_dump ({tools})")
    dump = folder / "backup.dump"

    def run(*command: str | Path) -> None:
        ended = subprocess.run([Path(tools) / command[0], *command[1:]], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr

    run("pg_dump", "--format=custom", f"--file={dump}", url)
    return lambda: run("pg_restore", "--clean", "--if-exists", "--single-transaction", f"--dbname={url}", dump)


def nearbit(folder: Path, *arguments: str | Path) -> None:
    """Run a command to its end."""
    process = Process(["-m", "service", *map(str, arguments)], folder, str(arguments[0]))
    with running(process):
        assert process.wait(300) == 0, process.log.read_text()


def backup_of_nearbit(url: str, folder: Path) -> Callable[[], None]:
    """`nearbit backup` now, and `nearbit restore --force` when it is called."""
    file = folder / "nearbit.backup"
    nearbit(folder, "backup", file, "--database-url", url)
    return lambda: nearbit(folder, "restore", file, "--force", "--database-url", url)


@pytest.mark.parametrize(
    ("kind", "backup"),
    [
        ("sqlite", online_backup_of_sqlite),
        ("sqlite", backup_of_nearbit),
        ("postgresql", dump_of_postgresql),
        ("postgresql", backup_of_nearbit),
    ],
)
def test_a_restore_under_running_processes_is_noticed_by_each(
    request: pytest.FixtureRequest, folder: Path, kind: str, backup: Callable[[str, Path], Callable[[], None]]
) -> None:
    url = request.getfixturevalue(f"{'postgres' if kind == 'postgresql' else kind}_url")
    apis = [Api(url, folder) for _ in range(2)]
    with running(*apis):
        fill(apis[0], N)
        put_back = backup(url, folder)
        lost(apis[0])
        for api in apis:
            until(lambda api=api: [len(a or []) for a in answers(api)] == [69] * 3, "what will be lost")  # type: ignore[misc]
        put_back()
        check(url, folder, apis, written_again(apis[1]))


def test_a_file_that_was_replaced_while_nothing_ran_is_served_as_it_is(sqlite_url: str, folder: Path) -> None:
    file = Path(str(make_url(sqlite_url).database))
    api = Api(sqlite_url, folder)
    with running(api):
        fill(api, N)
        online_backup_of_sqlite(sqlite_url, folder)
        lost(api)
        assert api.stop() == 0
    for leftover in file.parent.glob(f"{file.name}-*"):
        leftover.unlink()
    shutil.copy(folder / "copy.db", file)
    again = Api(sqlite_url, folder)
    with running(again):
        check(sqlite_url, folder, [again], written_again(again))


def everything(api: Api) -> list[Any]:
    """What a service says of its documents, their codes, its spaces, and a few queries."""
    until(lambda: None not in answers(api), "the answers from memory")
    lines = api.http.get("/collections/texts/export?codes=1&fields=id,text,metadata,revision,created_at,updated_at")
    spaces = api.get("/collections/texts/spaces")["items"]
    found = [api.get("/collections/texts/search", q=q, k=100)["matches"] for q in QUERIES]
    return [lines.content, spaces, answers(api), found]


def test_a_service_on_a_restored_database_answers_as_the_one_that_was_backed_up(
    request: pytest.FixtureRequest, url: str, folder: Path
) -> None:
    file = folder / "nearbit.backup"
    api = Api(url, folder)
    with running(api), ExitStack() as stack:
        fill(api, N)
        lost(api)
        expected = everything(api)
        nearbit(folder, "backup", file, "--database-url", url)
        if url.startswith("sqlite"):
            restored = f"sqlite:///{folder / 'restored' / 'nearbit.db'}"
        else:
            restored = stack.enter_context(empty_postgres(request.getfixturevalue("postgres")))
        nearbit(folder, "restore", file, "--database-url", restored)
        again = Api(restored, folder)
        with running(again):
            assert everything(again) == expected
            assert written_again(again) == written_again(api)
            assert everything(again)[2:] == everything(api)[2:]
            assert again.stop() == 0
