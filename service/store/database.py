"""Transactions, the commit lane, and everything in which SQLite and PostgreSQL differ as databases.

Longer than other files because no other file is to know these differences: pragmas, locks, poolers, drivers' errors.
"""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from sqlalchemy import Connection, Engine, bindparam, create_engine, event, exc, make_url, select, update
from sqlalchemy.engine import URL

from service import tracing
from service.errors import ConfigurationError, DatabaseUnavailable, NotFound, StorageFull
from service.store.schema import collections, now

if TYPE_CHECKING:
    from psycopg import Connection as PostgresConnection

_MIGRATION_LOCK = 0x6E656172  # "near": any number that no other program takes as its advisory lock
# At most 16 connections per process, so that several processes fit into PostgreSQL's default of 100; more callers wait.
_POOL = {"pool_size": 8, "max_overflow": 8, "pool_use_lifo": True}

# SQLite's primary result codes for: perm, busy, locked, read-only, i/o error, corrupt, cannot open, protocol.
_SQLITE_UNAVAILABLE = frozenset({3, 5, 6, 8, 10, 11, 14, 15})
_SQLITE_FULL = 13
_INCREMENTAL = 2  # of SQLite's modes of auto_vacuum
_SQLITE_NO_DATABASE = 26
# SQLSTATEs: connection, resources, operator intervention, lock timeout, deadlock, a standby that cannot write.
_POSTGRESQL_UNAVAILABLE = ("08", "53", "57", "58", "55P03", "40001", "40P01", "25006")
_POSTGRESQL_BUSY = ("55P03", "40001", "40P01")
_POSTGRESQL_FULL = "53100"
_POOLED = "pooled"


class Database:
    """A SQLite file or a PostgreSQL database, open; safe to use from many threads.

    The context managers turn what a driver raises when the database is gone, busy for too long or full into
    `DatabaseUnavailable` and `StorageFull`; the transaction is rolled back then, and the next call tries anew.

    Attributes:
        engine: the SQLAlchemy engine behind it, for tests and migrations.
        dialect: "sqlite" or "postgresql".
    """

    def __init__(self, engine: Engine, lock_timeout_s: float, scratch: tempfile.TemporaryDirectory[str] | None) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        driver: Any = engine.dialect.dbapi
        self._driver_error: type[Exception] = driver.Error
        self._lock_timeout_s = lock_timeout_s
        self._scratch = scratch
        self._closed = False
        # SQLite has one writer anyway; waiting for it here is immediate, its own busy handler sleeps and polls.
        self._writer = threading.Lock() if self.embedded else None
        self._kept: list[tuple[Connection, Any]] = []  # to a file, with the driver's; the last one is the next
        self._reading: Engine = engine
        if not self.embedded:
            self._reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @classmethod
    def open(cls, url: str, *, lock_timeout_s: float = 30.0, creates: bool = True) -> Self:
        """A database at a SQLAlchemy URL; the first connection is made when the first transaction needs it.

        Args:
            url: sqlite:///FILE (missing folders are made), sqlite:// (a file that lives as long as the object), or
                postgresql://USER:PASSWORD@HOST/NAME.
            lock_timeout_s: seconds to wait for another writer.
            creates: make the file, when the first transaction begins, if there is none.

        Raises:
            ConfigurationError: not such a URL.
            DatabaseUnavailable: there is no file, and none is to be made.
        """
        try:
            parsed = make_url(url)
        except (exc.ArgumentError, ValueError):
            raise ConfigurationError(
                "database_url must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
            ) from None
        backend = parsed.drivername.partition("+")[0]
        if backend == "sqlite":
            return cls._open_sqlite(parsed, lock_timeout_s, creates)
        if backend in ("postgresql", "postgres"):
            return cls._open_postgresql(parsed, lock_timeout_s)
        raise ConfigurationError(f"database_url must start with sqlite:// or postgresql://, got {backend}://")

    @classmethod
    def _open_sqlite(cls, url: URL, lock_timeout_s: float, creates: bool) -> Self:
        scratch = None
        if url.database in (None, "", ":memory:"):
            scratch = tempfile.TemporaryDirectory(prefix="nearbit-")
            url = url.set(database=str(Path(scratch.name) / "nearbit.db"))
        assert url.database is not None
        if not (creates or scratch or Path(url.database).exists()):
            raise DatabaseUnavailable(
                f"there is no file {url.database}: is database_url right? `nearbit migrate` makes it"
            )
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        # isolation_level None: the driver begins nothing, the dialect does. (A "begin" event, as in SQLAlchemy's
        # manual, makes every statement look for listeners, which costs a fifth of a short read.)
        connect_args = {"isolation_level": None, "timeout": lock_timeout_s, "check_same_thread": False}
        # A connection is a file handle, and threads are few; the event loop must never wait for one that a thread has.
        pool = {**_POOL, "max_overflow": -1}
        engine = create_engine(url.set(drivername="sqlite"), connect_args=connect_args, **pool)
        event.listen(engine, "connect", _prepare_sqlite)
        engine.dialect.do_begin = _begin_sqlite  # type: ignore[assignment, method-assign]
        return cls(engine, lock_timeout_s, scratch)

    @classmethod
    def _open_postgresql(cls, url: URL, lock_timeout_s: float) -> Self:
        if "@" in (url.host or ""):
            raise ConfigurationError("database_url must hold the @ of a password as %40")
        connect_args = {
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,  # ms; a server that vanished without a word is noticed after that
            "client_encoding": "utf8",
        }
        connect_args = {name: value for name, value in connect_args.items() if name not in url.query}
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"), connect_args=connect_args, pool_pre_ping=True, **_POOL
        )
        # Before SQLAlchemy's own first look at the server, which fails on one that does not speak UTF-8.
        event.listen(engine, "connect", partial(_prepare_postgresql, int(lock_timeout_s * 1000)), insert=True)
        return cls(engine, lock_timeout_s, None)

    @property
    def place(self) -> str:
        """Where the database is: the same for every process that opens it by the same URL, as whatever user."""
        url = self.engine.url
        if self.embedded:
            return str(Path(str(url.database)).resolve())
        options = "&".join(sorted(f"{name}={value}" for name, value in url.normalized_query.items()))
        return f"{url.host or ''}:{url.port or ''}/{url.database}?{options}"

    @property
    def embedded(self) -> bool:
        """Whether this is a SQLite file."""
        return self.dialect == "sqlite"

    def read(self) -> AbstractContextManager[Connection]:
        """A connection that sees one snapshot of the database until the block ends, and takes no write lock."""
        return tracing.around("sql read", self._read_of_file() if self.embedded else self._read_of_server())

    def write(self) -> AbstractContextManager[Connection]:
        """A connection in a write transaction: committed when the block ends, rolled back when it raises."""
        return tracing.around("sql write", self._write())

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self.translated(), self._one_writer(), self.engine.connect() as connection:
            if self.embedded:
                _begin_immediate(connection)
            with connection.begin():
                self._bound_waits(connection)
                yield connection

    @contextmanager
    def lane(self, collection_id: int) -> Iterator[Lane]:
        """The commit lane of a collection: a write transaction in which nobody else draws a `seq` of it.

        Seqs thus become visible in the order in which they were drawn, so that a reader of `seq > last` loses none.

        Raises:
            NotFound: the collection is gone.
        """
        with self.write() as connection:
            row = connection.execute(_LOCK_COLLECTION, {"id": collection_id}).first()
            if row is None:
                raise NotFound("collection", str(collection_id))
            yield Lane(connection, collection_id, row.last_seq, bool(row.has_expired))

    @contextmanager
    def ddl(self) -> Iterator[Connection]:
        """A write transaction for a change of the schema: one at a time over all processes, foreign keys unenforced.

        SQLite alters a table by copying it and dropping the old one, which would cascade to the rows of its children.
        """
        with self.translated(), self._one_writer(), self.engine.connect() as connection:
            if not self.embedded:
                with connection.begin():
                    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
                    yield connection
                return
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA foreign_keys = OFF")
            try:
                _begin_immediate(connection)
                with connection.begin():
                    yield connection
            finally:
                driver.execute("PRAGMA foreign_keys = ON")

    def shrink(self, n_pages: int) -> int:
        """Give up to `n_pages` unused pages of a SQLite file back to the file system; return how many are left.

        0 for what gives space back by itself (PostgreSQL) or not at all: a file that was made before this release
        began to, until `VACUUM` has been run on it once. One short write transaction.
        """
        if not self.embedded:
            return 0
        with self.translated(), self._one_writer(), self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            if driver.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
                return 0
            # A script, as `execute` would leave the statement after its first page.
            driver.executescript(f"PRAGMA incremental_vacuum({int(n_pages)})")
            return int(driver.execute("PRAGMA freelist_count").fetchone()[0])

    def ping(self) -> None:
        """Return if the database answers.

        Raises:
            DatabaseUnavailable: it does not.
        """
        with self.read() as connection:
            connection.exec_driver_sql("SELECT 1")

    def close(self) -> None:
        """Release every file handle, those of transactions under way as they end; closing twice is fine."""
        self._closed = True
        self._close_kept()
        self.engine.pool.dispose()
        if self._scratch is not None:
            self._scratch.cleanup()

    @contextmanager
    def _read_of_server(self) -> Iterator[Connection]:
        with self.translated(), self._reading.connect() as connection, connection.begin() as transaction:
            self._bound_waits(connection)
            yield connection
            transaction.rollback()

    @contextmanager
    def _read_of_file(self) -> Iterator[Connection]:
        """A read transaction of a connection that is kept, begun and ended by the driver.

        The pool and SQLAlchemy's transaction take longer than a short read. A statement that goes through SQLAlchemy
        begins its transaction within this one, see `_begin_sqlite`.
        """
        with self.translated():
            try:
                connection, driver = self._kept.pop()
            except IndexError:
                connection = self.engine.connect()
                driver = connection.connection.driver_connection
            try:
                driver.execute("BEGIN")
                yield connection
                if connection.in_transaction():
                    connection.rollback()
                else:
                    driver.execute("ROLLBACK")  # the driver remembers how it is compiled, unlike that of its `rollback`
            except BaseException:
                connection.close()  # which rolls back
                raise
            if len(self._kept) < _POOL["pool_size"]:
                self._kept.append((connection, driver))
            else:
                connection.close()
            if self._closed:
                self._close_kept()

    def _close_kept(self) -> None:
        with suppress(IndexError):
            while True:
                self._kept.pop()[0].close()

    def _bound_waits(self, connection: Connection) -> None:
        """Bound how long the transaction waits for a lock, where that could not be set for the whole session."""
        if not self.embedded and connection.info.get(_POOLED):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(self._lock_timeout_s * 1000)}")

    @contextmanager
    def _one_writer(self) -> Iterator[None]:
        if self._writer is None:
            yield
            return
        if not self._writer.acquire(timeout=self._lock_timeout_s):
            raise DatabaseUnavailable(f"the database is busy: no turn to write within {self._lock_timeout_s:g} s")
        try:
            yield
        finally:
            self._writer.release()

    def _meaning(self, error: BaseException | None, connecting: bool = False) -> Exception | None:
        url = self.engine.url
        secrets = [str(secret) for secret in (url.password, url.query.get("password")) if secret]
        if isinstance(error, sqlite3.Error):
            return _translate_sqlite(error, url.database)
        return _translate_postgresql(error, _one_line(error, secrets), connecting)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what a driver raises into what it means to a caller, see the class."""
        if self._closed:
            raise DatabaseUnavailable("the database is closed")
        try:
            yield
        except exc.DBAPIError as error:
            raise self._meaning(error.orig, connecting=error.statement is None) or error from error
        except self._driver_error as error:  # of what goes past SQLAlchemy
            raise self._meaning(error) or error from error
        except exc.TimeoutError as error:
            raise DatabaseUnavailable("the database is busy: no free connection") from error
        finally:
            if self._closed:
                self.engine.pool.dispose()


@dataclass
class Lane:
    """The commit lane of one collection, held until the transaction ends; made by `Database.lane`.

    Attributes:
        connection: the write transaction.
        collection_id: the collection.
        last_seq: the last seq drawn.
        has_expired: whether there may be documents that have expired and are not deleted yet.
    """

    connection: Connection
    collection_id: int
    last_seq: int
    has_expired: bool

    def draw(self, n: int) -> int:
        """Draw `n` consecutive seqs for the caller; return the first."""
        first = self.last_seq + 1
        self.last_seq += n
        self.connection.execute(_SET_LAST_SEQ, {"collection": self.collection_id, "seq": self.last_seq})
        return first


# FOR NO KEY UPDATE on PostgreSQL: lanes exclude each other, but not a job that merely refers to the collection.
_LOCK_COLLECTION = (
    select(collections.c.last_seq, (collections.c.expires_next <= now()).label("has_expired"))
    .where(collections.c.id == bindparam("id"), collections.c.dropped_at.is_(None))
    .with_for_update(key_share=True)
)
_SET_LAST_SEQ = update(collections).where(collections.c.id == bindparam("collection")).values(last_seq=bindparam("seq"))


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    if connection.execute("PRAGMA page_count").fetchone() == (0,):  # a new file; of another it would want the lock
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # see `shrink`
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "PRAGMA synchronous = FULL"
    )  # what was acknowledged survives a power cut, not only a killed process
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -32768")  # KiB


def _begin_sqlite(connection: Any) -> None:
    """What the dialect does where a transaction begins: nothing if it began immediate."""
    if not connection.in_transaction:
        connection.execute("BEGIN")


def _begin_immediate(connection: Connection) -> None:
    """Take SQLite's write lock now: upgrading a transaction that has read fails when another wrote meanwhile."""
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE")


def _prepare_postgresql(lock_timeout_ms: int, connection: PostgresConnection[Any], record: Any) -> None:
    """Refuse a database of another encoding, and bound waits for locks once per session where there are sessions.

    A pooler such as PgBouncer may give each transaction to another session of the server: what is set for a session,
    or prepared in it, is lost or left to strangers. A pooler is known by the process that it names as the server's,
    which is not the one that answers.
    """
    try:
        connection.autocommit = True
        encoding, set_for_session = connection.execute(
            "SELECT current_setting('server_encoding'),"
            " (SELECT set_config('lock_timeout', %s, false) WHERE pg_backend_pid() = %s)",
            (str(lock_timeout_ms), connection.info.backend_pid),
        ).fetchone() or (None, None)
        if encoding != "UTF8":
            raise ConfigurationError(
                f"the encoding of the database is {encoding}, nearbit needs UTF8: make it anew with "
                f"CREATE DATABASE {connection.info.dbname} ENCODING 'UTF8' TEMPLATE template0"
            )
        record.info[_POOLED] = set_for_session is None
        if record.info[_POOLED]:
            connection.prepare_threshold = None
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise


# What a driver's error means to a caller; None if it is a mistake of ours and should be seen as it is.
def _translate_sqlite(error: sqlite3.Error, file: str | None) -> Exception | None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == _SQLITE_FULL:
        return StorageFull("the disk or the database is full")
    if code == _SQLITE_NO_DATABASE:
        return ConfigurationError(f"database_url must name a SQLite database: {error}")
    return DatabaseUnavailable(f"the database does not answer: {error}", file) if code in _SQLITE_UNAVAILABLE else None


def _translate_postgresql(error: BaseException | None, line: str, connecting: bool) -> Exception | None:
    state = getattr(error, "sqlstate", None)
    if state == _POSTGRESQL_FULL:
        return StorageFull("the disk of the database is full")
    if state in _POSTGRESQL_BUSY:
        return DatabaseUnavailable("the database is busy: no turn to write in time", line)
    lost = state is None and type(error).__name__ in ("OperationalError", "ConnectionTimeout")
    if lost or (state is not None and state.startswith(_POSTGRESQL_UNAVAILABLE)):
        message = "cannot connect to the database" if connecting else "the database does not answer"
        return DatabaseUnavailable(message, line)
    if connecting and state is None and type(error).__name__ == "ProgrammingError":
        return ConfigurationError(f"database_url cannot be used: {line}")
    return None


def _one_line(error: BaseException | None, secrets: Sequence[str]) -> str:
    line = " ".join(str(error).split())
    for secret in secrets:
        line = line.replace(secret, "***").replace(quote(secret, safe=""), "***")
    return line
