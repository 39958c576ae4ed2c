"""Restore a database from a backup, also while processes run on it: they notice, and load again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select, text

from service.errors import Conflict, InvalidInput, SchemaMismatch
from service.store import schema
from service.store.backups.archive import Archive, Manifest, open_archive, pieces_of
from service.store.backups.backup import Report, copy_sqlite, copy_statement, cursor_of
from service.store.database import Database
from service.store.migrations import REVISION, migrate
from service.store.upgrades import known_revisions, upgrade

_VERSION_TABLE = "alembic_version"


def restore(database: Database, path: Path, *, force: bool, report: Report = lambda said: None) -> Manifest:
    """Make a database what it was when a backup was made, then bring it to the schema of this release. Blocks.

    Everything is checked before anything is touched, and all is restored or nothing: processes that work on the
    database see what was there before or what is there after.

    Args:
        database: with or without tables.
        path: of the backup.
        force: also if the database holds collections, which are lost.
        report: takes what is being done.

    Raises:
        CorruptArtifact: the backup is damaged.
        InvalidInput: it is of the other kind of database, or a newer release made the file.
        SchemaMismatch: a newer release made it.
        Conflict: the database holds collections, and `force` is not set.
        DatabaseUnavailable: it does not respond.

    Cost: linear in the backup; on SQLite, disk for a second copy of the database while it runs.
    """
    report("checking the backup")
    with open_archive(path) as archive:
        manifest = archive.manifest
        _check_fits(database, manifest, path)
        if not force:
            _check_empty(database)
        if database.embedded:
            _restore_sqlite(database, archive, report)
        else:
            _restore_postgresql(database, archive, report)
    return manifest


def _check_fits(database: Database, manifest: Manifest, path: Path) -> None:
    if manifest.dialect != database.dialect:
        raise InvalidInput(f"{path} is a backup of {manifest.dialect}, the database is {database.dialect}")
    if manifest.revision not in known_revisions():
        raise SchemaMismatch(
            f"{path} has schema revision {manifest.revision} of release {manifest.release}, which this release does "
            f"not know (it expects {REVISION}): restore it with the release that made it"
        )


def _check_empty(database: Database) -> None:
    with database.read() as connection:
        if not inspect(connection).has_table("collections"):
            return
        n = connection.execute(select(func.count()).select_from(schema.collections)).scalar_one()
    if n:
        raise Conflict(f"the database holds {n} collections, which a restore would replace: --force does it")


def _restore_sqlite(database: Database, archive: Archive, report: Report) -> None:
    (part,) = archive.manifest.parts
    target = Path(database.place)
    with tempfile.TemporaryDirectory(prefix=".nearbit-restore-", dir=target.parent) as scratch:
        copy = Path(scratch) / part.name
        report("unpacking the database")
        with archive.part(part) as file, copy.open("wb") as out:
            for piece in pieces_of(file):
                out.write(piece)
        copied = Database.open(f"sqlite:///{copy}")
        migrate(copied)
        copied.close()
        report("restoring the database")
        copy_sqlite(database, copy, target)


def _restore_postgresql(database: Database, archive: Archive, report: Report) -> None:
    manifest = archive.manifest
    with database.ddl() as connection:
        _drop_tables(connection, manifest)
        upgrade(connection, manifest.revision)
        for part in manifest.parts:
            assert part.table is not None
            report(f"restoring {part.table}")
            statement = copy_statement(part.table, part.columns, "FROM")
            with archive.part(part) as file, cursor_of(connection).copy(statement) as copy:
                for piece in pieces_of(file):
                    copy.write(piece)
        for name, number in manifest.numbers.items():
            connection.execute(text("SELECT setval(:name, :number)"), {"name": name, "number": number})
        upgrade(connection)


def _drop_tables(connection: Connection, manifest: Manifest) -> None:
    """Drop what this release or the backup knows as a table of nearbit; a database may hold others."""
    ours = {*schema.metadata.tables, *manifest.n_rows, _VERSION_TABLE}
    found = [name for name in inspect(connection).get_table_names() if name in ours]
    if found:
        named = ", ".join(f'"{name}"' for name in found)
        connection.exec_driver_sql(f"DROP TABLE {named} CASCADE")
