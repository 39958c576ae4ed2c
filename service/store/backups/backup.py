"""Back up a database while others write: one moment of it, in one file."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from service.store import schema
from service.store.backups.archive import FORMAT, ArchiveWriter, Manifest, pieces_of, write_archive
from service.store.database import Database
from service.store.migrations import REVISION, check_schema

SQLITE_PART = "nearbit.db"
_NUMBERS = """
    SELECT sequencename, last_value FROM pg_sequences
    WHERE schemaname = current_schema() AND last_value IS NOT NULL
"""

Report = Callable[[str], None]
"""Takes what is being done, in words."""


def back_up(database: Database, path: Path, report: Report = lambda said: None) -> Manifest:
    """Write a backup of all that the database holds at one moment; others write meanwhile. Blocks.

    On SQLite by its own online backup, to a copy beside the file that is then packed; on PostgreSQL with `COPY`, of all
    tables in one transaction.

    Args:
        database: of this release's schema.
        path: of the file; one that exists is replaced when the new one is whole.
        report: takes what is being done.

    Raises:
        SchemaMismatch: the database has another schema.
        DatabaseUnavailable: it does not respond.
        OSError: the file cannot be written.

    Cost: linear in the database; on SQLite, disk for a second copy of it while it runs.
    """
    check_schema(database)
    with write_archive(path) as archive:
        n_rows, numbers = (_sqlite if database.embedded else _postgresql)(database, path.parent, archive, report)
        created_at = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = Manifest(
            FORMAT, version("nearbit"), REVISION, database.dialect, created_at, n_rows, numbers, archive.parts
        )
        archive.finish(manifest)
    return manifest


_Found = tuple[dict[str, int], dict[str, int]]


def _sqlite(database: Database, folder: Path, archive: ArchiveWriter, report: Report) -> _Found:
    with tempfile.TemporaryDirectory(prefix=".nearbit-backup-", dir=folder) as scratch:
        copy = Path(scratch) / SQLITE_PART
        report("copying the database")
        copy_sqlite(database, Path(database.place), copy)
        with closing(Database.open(f"sqlite:///{copy}")) as copied, copied.read() as connection:
            n_rows = {table.name: _count(connection, table.name) for table in schema.metadata.sorted_tables}
        report("packing the copy")
        with archive.part(SQLITE_PART) as part, copy.open("rb") as file:
            for piece in pieces_of(file):
                part.write(piece)
    return n_rows, {}


def copy_sqlite(database: Database, source: Path, target: Path) -> None:
    """Copy a SQLite file into another, which others may read and write: they see the one or the other.

    Raises:
        DatabaseUnavailable, StorageFull: either cannot be used.
    """
    with (
        database.translated(),
        closing(sqlite3.connect(source, timeout=120)) as read,
        closing(sqlite3.connect(target, timeout=120)) as written,
    ):
        read.backup(written)


def _postgresql(database: Database, folder: Path, archive: ArchiveWriter, report: Report) -> _Found:
    n_rows: dict[str, int] = {}
    with database.read() as connection:
        for table in schema.metadata.sorted_tables:
            report(f"copying {table.name}")
            columns = [column.name for column in table.columns]
            cursor = cursor_of(connection)
            with (
                archive.part(f"{table.name}.copy") as part,
                cursor.copy(copy_statement(table.name, columns, "TO")) as copy,
            ):
                part.table, part.columns = table.name, columns
                for piece in copy:
                    part.write(piece)
                part.n_rows = n_rows[table.name] = max(0, cursor.rowcount)
        numbers = {row[0]: row[1] for row in connection.exec_driver_sql(_NUMBERS)}
    return n_rows, numbers


def cursor_of(connection: Connection) -> Any:
    """A cursor of the driver, in the transaction of a connection."""
    driver: Any = connection.connection.driver_connection
    connection.exec_driver_sql("SELECT 1")  # begins the transaction
    return driver.cursor()


def copy_statement(table: str, columns: list[str], direction: str) -> str:
    """The `COPY` of a table, to or from the client."""
    named = ", ".join(f'"{column}"' for column in columns)
    return f'COPY "{table}" ({named}) {direction} {"STDOUT" if direction == "TO" else "STDIN"}'


def _count(connection: Connection, table: str) -> int:
    return connection.execute(select(func.count()).select_from(schema.metadata.tables[table])).scalar_one()
