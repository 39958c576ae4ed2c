"""Upgrades: the steps from one schema to the next, as alembic runs them from the files in `migrations/`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the schema up to date, or to a revision that is not before its own, in the connection's transaction."""
    with _config() as config:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def known_revisions() -> list[str]:
    """The revisions that there are files for, the latest first."""
    with _config() as config:
        return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]


@contextmanager
def _config() -> Iterator[Config]:
    """Alembic's settings, built here: an installed package has no pyproject.toml to read them from."""
    with resources.as_file(resources.files("migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        yield config
