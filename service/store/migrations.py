"""The schema of a database: bring it up to date, or refuse to work on another than this release knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from service.errors import SchemaMismatch
from service.store.database import Database


def migrate(database: Database) -> str:
    """Bring the schema up to date in one transaction, and return its revision; two processes at once do it once.

    Raises:
        SchemaMismatch: the schema is that of a newer release.
    """
    with _config() as config, database.ddl() as connection:
        _refuse_unknown(config, _found(connection))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        return _expected(config)


def check_schema(database: Database) -> None:
    """Return if the schema is the one that this release expects.

    Raises:
        SchemaMismatch: it is another, or there is none.
    """
    with _config() as config, database.read() as connection:
        found, expected = _found(connection), _expected(config)
        _refuse_unknown(config, found)
    if found != expected:
        raise SchemaMismatch(
            f"the database is at schema revision {found or 'none'}, this release expects {expected}: "
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


@contextmanager
def _config() -> Iterator[Config]:
    """Alembic's settings, built here: an installed package has no pyproject.toml to read them from."""
    with resources.as_file(resources.files("migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        yield config


def _expected(config: Config) -> str:
    return str(ScriptDirectory.from_config(config).get_current_head())


def _found(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_unknown(config: Config, found: str | None) -> None:
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    if found is not None and found not in known:
        raise SchemaMismatch(
            f"the database is at schema revision {found}, which this release does not know (it expects {known[0]}): "
            "run the newer release that made it"
        )
