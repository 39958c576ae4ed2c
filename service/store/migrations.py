"""The schema of a database: bring it up to date, or refuse to work on another than this release knows."""

from __future__ import annotations

from sqlalchemy import Connection, inspect

from service.errors import SchemaMismatch
from service.store.database import Database

REVISION = "0014"
"""The schema of this release: the latest file in `migrations/versions/`."""


def migrate(database: Database) -> str:
    """Bring the schema up to date in one transaction, and return its revision; two processes at once do it once.

    Raises:
        SchemaMismatch: the schema is that of a newer release.
    """
    from service.store.upgrades import upgrade

    with database.ddl() as connection:
        _refuse_unknown(_found(connection))
        upgrade(connection)
        return REVISION


def check_schema(database: Database) -> None:
    """Return if the schema is the one that this release expects.

    Raises:
        SchemaMismatch: it is another, or there is none.
    """
    with database.read() as connection:
        found = _found(connection)
    _refuse_unknown(found)
    if found != REVISION:
        raise SchemaMismatch(
            f"the database is at schema revision {found or 'none'}, this release expects {REVISION}: "
            "run `nearbit migrate`"
        )


def prepare(database: Database) -> None:
    """Give a new embedded database its schema; of any other, check it.

    Raises:
        SchemaMismatch: the schema is not the one that this release expects.
    """
    if database.embedded:
        with database.read() as connection:
            new = not inspect(connection).get_table_names()
        if new:
            migrate(database)
            return
    check_schema(database)


def _found(connection: Connection) -> str | None:
    """What alembic has noted in the database. Asked in SQL: every start asks, and alembic takes long to import."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
    return revision


def _refuse_unknown(found: str | None) -> None:
    if found in (None, REVISION):
        return
    from service.store.upgrades import known_revisions

    if found not in known_revisions():
        raise SchemaMismatch(
            f"the database is at schema revision {found}, which this release does not know (it expects {REVISION}): "
            "run the newer release that made it"
        )
