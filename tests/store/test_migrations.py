from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from service.errors import SchemaMismatch
from service.store import schema
from service.store.database import Database
from service.store.migrations import REVISION, check_schema, migrate, prepare
from service.store.upgrades import known_revisions
from tests.conftest import empty_postgres, new_collection


@pytest.fixture
def empty_postgres_url(postgres: Any) -> Iterator[str]:
    with empty_postgres(postgres) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without a table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    database = Database.open(empty_url)
    yield database
    database.close()


DEFINITIONS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT table_name, column_name, concat_ws(' ', data_type, is_nullable, column_default, collation_name, is_identity)
    FROM information_schema.columns WHERE table_schema = 'public'
"""


def definitions(connection: Connection) -> set[tuple[str, ...]]:
    """Everything that the database knows of its tables, columns, constraints and indexes."""
    if connection.dialect.name == "postgresql":
        found = {tuple(row) for row in connection.exec_driver_sql(DEFINITIONS)}
    else:
        rows = connection.exec_driver_sql("SELECT tbl_name, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        found = {(table, name, pieces(sql)) for table, name, sql in rows}
    return {row for row in found if row[0] not in ("alembic_version", "sqlite_sequence")}


def pieces(sql: str) -> str:
    """A CREATE statement with its parts in one order and one spelling: the order of constraints says nothing."""
    head, _, body = sql.replace('"', "").partition("(")
    depth, parts = 1, [""]
    for character in body:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 1 and character == ",":
            parts.append("")
        elif depth:
            parts[-1] += character
    return "\n".join(sorted(" ".join(part.split()) for part in [head, *parts])).replace(" )", ")").replace("( ", "(")


def test_the_migrations_make_exactly_the_schema(empty: Database) -> None:
    schema.metadata.create_all(empty.engine)
    with empty.read() as connection:
        wanted = definitions(connection)
    schema.metadata.drop_all(empty.engine)
    migrate(empty)
    with empty.read() as connection:
        assert definitions(connection) == wanted
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    assert len(wanted) > 10


def test_the_revision_of_this_release_is_the_latest_migration() -> None:
    assert known_revisions()[0] == REVISION


def test_migrating_twice_changes_nothing_and_keeps_what_is_there(empty: Database) -> None:
    revision = migrate(empty)
    assert re.fullmatch(r"\d{4}", revision)
    new_collection(empty, name="news")
    assert migrate(empty) == revision
    with empty.read() as connection:
        assert connection.exec_driver_sql("SELECT name FROM collections").scalar() == "news"
    check_schema(empty)


def test_a_migration_that_fails_leaves_no_table(empty: Database) -> None:
    with empty.write() as connection:
        connection.exec_driver_sql("CREATE TABLE jobs (id integer)")  # somebody else's
    with pytest.raises(Exception, match="already exists"):
        migrate(empty)
    with empty.read() as connection:
        assert inspect(connection).get_table_names() == ["jobs"]


def test_processes_that_migrate_at_once_do_it_once(empty_url: str) -> None:
    program = (
        "from service.store.database import Database; from service.store.migrations import migrate; import sys;"
        "sys.stdin.readline(); d = Database.open(sys.argv[1]); migrate(d); d.close()"
    )
    racers = [
        subprocess.Popen([sys.executable, "-c", program, empty_url], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdin
        racer.stdin.write(b"go\n")
        racer.stdin.flush()
    assert [(racer.communicate(timeout=240)[1].decode(), racer.returncode) for racer in racers] == [("", 0)] * 3
    database = Database.open(empty_url)
    check_schema(database)
    database.close()


def test_an_empty_database_has_no_schema_and_the_message_says_what_to_do(empty: Database) -> None:
    with pytest.raises(
        SchemaMismatch, match=r"at schema revision none, this release expects \d+: run `nearbit migrate`"
    ):
        check_schema(empty)


def test_preparing_gives_a_new_file_its_schema_and_asks_for_one_elsewhere(empty: Database) -> None:
    if empty.embedded:
        prepare(empty)
        check_schema(empty)
    else:
        with pytest.raises(SchemaMismatch, match="nearbit migrate"):
            prepare(empty)
        migrate(empty)
    prepare(empty)


def test_preparing_touches_no_file_of_another_program(empty: Database) -> None:
    with empty.write() as connection:
        connection.exec_driver_sql("CREATE TABLE somebody_elses (id integer)")
    with pytest.raises(SchemaMismatch):
        prepare(empty)
    with empty.read() as connection:
        assert inspect(connection).get_table_names() == ["somebody_elses"]


def test_a_schema_of_a_newer_release_is_left_alone(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for refuse in (check_schema, migrate, prepare):
        with pytest.raises(SchemaMismatch, match="9999, which this release does not know"):
            refuse(database)


def test_a_change_of_the_schema_cascades_to_no_row_and_enforcement_returns(sqlite_url: str) -> None:
    """Alembic's batch mode copies a table and drops the old one."""
    database = Database.open(sqlite_url)
    new_collection(database)
    with database.ddl() as connection:
        connection.exec_driver_sql("CREATE TABLE copied AS SELECT * FROM collections")
        connection.exec_driver_sql("DROP TABLE collections")
        connection.exec_driver_sql("ALTER TABLE copied RENAME TO collections")
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM code_spaces").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.close()
