"""The tables, with their invariants as constraints; migrations/ makes exactly this schema."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine


class Instant(TypeDecorator[datetime]):
    """A moment in UTC: timestamptz on PostgreSQL; on SQLite an ISO 8601 text of fixed width, which sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, which has no type for times."""
        return Text() if dialect.name == "sqlite" else DateTime(timezone=True)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Aware datetimes as the database keeps them."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Aware datetimes in UTC, whatever the database keeps or its session's time zone is."""
        return None if value is None else instant(value)


def instant(value: str | datetime) -> datetime:
    """The moment that a driver's value of an `Instant` means, in UTC."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value.astimezone(UTC)


SQLITE_NOW = "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')"
"""SQLite's clock as an `Instant`, in SQL."""


class now(FunctionElement[datetime]):  # noqa: N801
    """The database's clock as an `Instant`, shifted by seconds if given: one clock for leases on many machines."""

    type = Instant()
    inherit_cache = True

    def __init__(self, shift_s: float | ColumnElement[float] = 0.0) -> None:
        super().__init__(shift_s)


@compiles(now, "sqlite")
def _now_sqlite(element: now, compiler: SQLCompiler, **kw: Any) -> str:
    shift = compiler.process(element.clauses, **kw)
    return f"strftime('%Y-%m-%d %H:%M:%f+00:00', 'now', ({shift}) || ' seconds')"


@compiles(now, "postgresql")
def _now_postgresql(element: now, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **kw)}))"


Key = BigInteger().with_variant(Integer(), "sqlite")
"""A number the database gives; 64 bits on both (SQLite counts rows by type INTEGER alone)."""

Name = Text().with_variant(Text(collation="C"), "postgresql")
"""A caller's name for something; compared and sorted by code point on both databases."""

SPACE_STATES = ("training", "encoding", "evaluating", "ready", "active", "retired", "failed", "deleting")
BUILDING = ("training", "encoding", "evaluating", "ready")
JOB_STATES = ("queued", "running", "succeeded", "failed", "cancelled")
UNFINISHED = ("queued", "running")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


collections = Table(
    "collections",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("n_bits", Integer, nullable=False),
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    Column("last_version", Integer, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    Column("dropped_at", Instant),  # deleted by a user: gone for everyone but the job that deletes its rows
    Column("compacted_seq", BigInteger, nullable=False, server_default="0"),  # up to it, deletions may be forgotten
    Column("words", JSON(none_as_null=True)),  # how texts become words and words a rank; service.store.words
    Column("words_version", Integer, nullable=False, server_default="0"),
    Column("vectors", JSON(none_as_null=True)),  # of kind embedding: what they are; service.hashing.vectors
    Column("expires_next", Instant),  # no document expires before; null if none ever does
    Column("upkeep", JSON(none_as_null=True)),  # what new codes are judged by, and when they are made; store.upkeep
    CheckConstraint("n_bits BETWEEN 8 AND 256 AND n_bits % 8 = 0", name="n_bits"),
    sqlite_autoincrement=True,
)

# The models that made the vectors of a collection of kind embedding; number 0 is that of its creation.
embedding_models = Table(
    "embedding_models",
    metadata,
    Column("collection_id", Key, ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    Column("number", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", Name, nullable=False),
    Column("dims", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),  # gone for everyone but the job that deletes its vectors
    UniqueConstraint("collection_id", "name"),
    CheckConstraint("number BETWEEN 0 AND 61", name="number"),
    sqlite_with_rowid=False,
)

documents = Table(
    "documents",
    metadata,
    Column("key", Key, Identity(), primary_key=True),
    Column("collection_id", Key, ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("id", Name, nullable=False),
    Column("text", Text),  # of content that is a text
    Column("metadata", JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("content", LargeBinary),  # of any other; service.hashing.content knows its form
    Column("title", Text),
    Column("seq", BigInteger, nullable=False, server_default="0"),  # of its last change; 0 before there were any
    Column("models", BigInteger, nullable=False, server_default="1"),  # bit n: the content has a vector of model n
    Column("metadata_revision", Integer, nullable=False, server_default="0"),  # changes of all but the content
    Column("expires_at", Instant),  # from then on it is gone for every caller
    CheckConstraint("text IS NOT NULL OR content IS NOT NULL", name="content"),
    UniqueConstraint("collection_id", "id"),
    Index(None, "collection_id", "key"),
    Index(None, "collection_id", "seq"),
    Index(  # which documents a model covers, where there are several
        "ix_documents_collection_id_models",
        "collection_id",
        "models",
        sqlite_where=text("models <> 1"),
        postgresql_where=text("models <> 1"),
    ),
    Index(
        "ix_documents_collection_id_expires_at",
        "collection_id",
        "expires_at",
        sqlite_where=text("expires_at IS NOT NULL"),
        postgresql_where=text("expires_at IS NOT NULL"),
    ),
    sqlite_autoincrement=True,  # a key is never given twice: a tombstone of it may still be on its way to a replica
)

# Documents that are gone, for replicas of what is made of documents themselves: their words and their metadata.
deletions = Table(
    "deletions",
    metadata,
    Column("collection_id", Key, ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("document_key", Key, nullable=False),
    sqlite_with_rowid=False,
)

hash_functions = Table(
    "hash_functions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

code_spaces = Table(
    "code_spaces",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("collection_id", Key, ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("n_bits", Integer, nullable=False),
    Column("variant", Text, nullable=False),
    Column("digest", Text, ForeignKey("hash_functions.digest")),
    Column("report", JSON(none_as_null=True)),
    Column("error", Text),
    Column("created_at", Instant, nullable=False),
    Column("activated_at", Instant),
    Column("retired_seq", BigInteger),
    Column("preload_until", Instant),  # every API process loads it until then: it is about to be promoted again
    Column("compacted_seq", BigInteger, nullable=False, server_default="0"),  # up to it, tombstones may be gone
    Column("model", SmallInteger, nullable=False, server_default="0"),  # number of the one whose vectors it encodes
    Column("has_buckets", Boolean, nullable=False, server_default=true()),  # else its codes are all read for a query
    UniqueConstraint("collection_id", "version"),
    CheckConstraint(_one_of("state", SPACE_STATES), name="state"),
    CheckConstraint("state NOT IN ('evaluating', 'ready', 'active', 'retired') OR digest IS NOT NULL", name="digest"),
    Index(
        "one_active_space",
        "collection_id",
        unique=True,
        sqlite_where=text("state = 'active'"),
        postgresql_where=text("state = 'active'"),
    ),
    Index(
        "one_building_space",
        "collection_id",
        unique=True,
        sqlite_where=text(_one_of("state", BUILDING)),
        postgresql_where=text(_one_of("state", BUILDING)),
    ),
    sqlite_autoincrement=True,
)

# One row per (space, document) that ever had a code there; code NULL is the tombstone that tells replicas to forget it.
# No foreign key to documents: the tombstone outlives the document.
codes = Table(
    "codes",
    metadata,
    Column("space_id", Key, ForeignKey("code_spaces.id", ondelete="CASCADE"), primary_key=True),
    Column("document_key", Key, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("code", LargeBinary),
    Index("ix_codes_space_id_seq", "space_id", "seq", unique=True),
    sqlite_with_rowid=False,
)

# The Hamming-addressed hash table: derived from codes, in the same transaction, by store.codes alone.
buckets = Table(
    "buckets",
    metadata,
    Column("space_id", Key, ForeignKey("code_spaces.id", ondelete="CASCADE"), primary_key=True),
    Column("table_no", SmallInteger, primary_key=True, autoincrement=False),
    Column("address", Integer, primary_key=True, autoincrement=False),
    Column("document_key", Key, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# One row per snapshot file that an API process keeps: a file whose token is not here is of another history.
snapshots = Table(
    "snapshots",
    metadata,
    Column("space_id", Key, ForeignKey("code_spaces.id", ondelete="CASCADE"), primary_key=True),
    Column("token", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# The same for the files that hold the words of a collection.
word_snapshots = Table(
    "word_snapshots",
    metadata,
    Column("collection_id", Key, ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    Column("token", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("collection_id", Key, ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("space_id", Key, ForeignKey("code_spaces.id", ondelete="SET NULL")),
    Column("state", Text, nullable=False),
    Column("params", JSON, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("error", Text),
    Column("cancel_requested", Boolean, nullable=False, server_default=false()),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("worker", Text),
    Column("lease_until", Instant),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    CheckConstraint(_one_of("state", JOB_STATES), name="state"),
    Index(
        "one_unfinished_job",
        "collection_id",
        "kind",
        unique=True,
        sqlite_where=text(_one_of("state", UNFINISHED)),
        postgresql_where=text(_one_of("state", UNFINISHED)),
    ),
    Index("ix_jobs_collection_id_created_at", "collection_id", "created_at"),
)

# What a training measured while it ran, at most once per one per cent of its steps; store.job_history.
job_history = Table(
    "job_history",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("record", JSON, nullable=False),
    Column("codes", LargeBinary, nullable=False),  # of the landmarks
)

# One row per job that looks for near duplicates; the last finished one of a collection is what callers see.
duplicate_searches = Table(
    "duplicate_searches",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("collection_id", Key, ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("job_id", Text, nullable=False, unique=True),
    Column("version", Integer),  # of the code space, unless it went by words
    Column("params", JSON, nullable=False),
    Column("n_groups", BigInteger, nullable=False, server_default="0"),
    Column("n_documents", BigInteger, nullable=False, server_default="0"),
    Column("n_capped", BigInteger, nullable=False, server_default="0"),
    Column("finished_at", Instant),
    Index("ix_duplicate_searches_collection_id", "collection_id"),
    sqlite_autoincrement=True,  # a cursor names a search by its id
)

# The members of its groups, with the code and the revision of which this is true. No foreign key to documents.
duplicates = Table(
    "duplicates",
    metadata,
    Column("search_id", Key, ForeignKey("duplicate_searches.id", ondelete="CASCADE"), primary_key=True),
    Column("group_no", Integer, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("document_key", Key, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("code", LargeBinary, nullable=False),
    Column("is_capped", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

# Calls that came with a key of their caller's, so that a repetition gets the first answer; store.idempotency.
idempotent_calls = Table(
    "idempotent_calls",
    metadata,
    Column("id", LargeBinary, primary_key=True),  # digest of who calls and the key
    Column("digest", LargeBinary, nullable=False),  # of the call and its body
    Column("claim", Text, nullable=False),  # whose process runs it, or ran it
    Column("claimed_until", Instant, nullable=False),
    Column("status", Integer),  # of the answer; null until the call has done its work
    Column("headers", JSON(none_as_null=True)),
    Column("body", LargeBinary),  # compressed
    Column("created_at", Instant, nullable=False, index=True),
)

# What was received to be imported by a job, and how far that job is.
imports = Table(
    "imports",
    metadata,
    Column("id", Text, primary_key=True),
    Column("collection_id", Key, ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("job_id", Text, unique=True),  # None while it is received
    Column("received_at", Instant, nullable=False),  # the last part of it
    Column("n_bytes", BigInteger, nullable=False, server_default="0"),
    Column("done_bytes", BigInteger, nullable=False, server_default="0"),
    Column("n_lines", BigInteger, nullable=False, server_default="0"),  # done
    Column("n_stored", BigInteger, nullable=False, server_default="0"),
    Column("n_created", BigInteger, nullable=False, server_default="0"),
    Column("n_refused", BigInteger, nullable=False, server_default="0"),
    Index("ix_imports_collection_id", "collection_id"),
)

# The lines that are still to be imported, compressed; the transaction that stores their documents deletes them.
import_chunks = Table(
    "import_chunks",
    metadata,
    Column("import_id", Text, ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("first_line", BigInteger, nullable=False),
    Column("n_lines", Integer, nullable=False),
    Column("n_bytes", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

# The first lines of an import that were refused.
import_errors = Table(
    "import_errors",
    metadata,
    Column("import_id", Text, ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("document_id", Text),
    Column("reason", Text, nullable=False),
    Column("beginning", Text, nullable=False),
)

# What people said of two documents, by their ids: a document that is put anew keeps its pairs. Here a < b.
pairs = Table(
    "pairs",
    metadata,
    Column("number", Key, Identity(), primary_key=True),
    Column("collection_id", Key, ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("a", Name, nullable=False),
    Column("b", Name, nullable=False),
    Column("similar", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("collection_id", "a", "b"),
    Index("ix_pairs_collection_id_number", "collection_id", "number"),
    CheckConstraint("a < b", name="order"),
    sqlite_autoincrement=True,  # a cursor names a pair by its number
)

# The last report on the quality of a code space, for each metadata field that it was judged by; "" for none.
judgments = Table(
    "judgments",
    metadata,
    Column("space_id", Key, ForeignKey("code_spaces.id", ondelete="CASCADE"), primary_key=True),
    Column("label", Name, primary_key=True),
    Column("report", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    sqlite_with_rowid=False,
)

# Maps of code spaces: where each document lies in the plane. One that is not finished is seen by nobody.
maps = Table(
    "maps",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("space_id", Key, ForeignKey("code_spaces.id", ondelete="CASCADE"), nullable=False),
    Column("seq", BigInteger, nullable=False),  # every change up to it is in the map
    Column("n_documents", BigInteger, nullable=False, server_default="0"),
    Column("digest", Text),  # of its chunks
    Column("report", JSON(none_as_null=True)),
    Column("labels", JSON(none_as_null=True)),  # words of its regions
    Column("finished_at", Instant),
    Index("ix_maps_space_id", "space_id"),
    sqlite_autoincrement=True,  # an entity tag names a map by its id
)

# The documents of a map and their places, some ten thousand in each row; store.maps knows the form.
map_chunks = Table(
    "map_chunks",
    metadata,
    Column("map_id", Key, ForeignKey("maps.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

# How many queries and new documents were like what, for each space; see store.usage.
usage_counts = Table(
    "usage_counts",
    metadata,
    Column("space_id", Key, ForeignKey("code_spaces.id", ondelete="CASCADE"), primary_key=True),
    Column("figure", Text, primary_key=True),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The last texts that a collection was asked with, if it keeps them.
kept_queries = Table(
    "kept_queries",
    metadata,
    Column("number", Key, Identity(), primary_key=True),
    Column("collection_id", Key, ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_kept_queries_collection_id_number", "collection_id", "number"),
    sqlite_autoincrement=True,  # the greatest number is the latest, also after all were deleted
)

nodes = Table(
    "nodes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("applied", JSON, nullable=False),
    Column("heartbeat_at", Instant, nullable=False),
    Column("token", Text),  # another with each heartbeat: a restored database does not hold the last
)

# One row per key of a caller that was ever made. No key itself, and no foreign keys: collections are named, so that a
# key may be made before its collection.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("collections", JSON(none_as_null=True)),  # names; null: of all
    Column("requests_per_minute", Integer),
    Column("documents_per_minute", Integer),
    Column("concurrent_searches", Integer),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
    Column("revoked_at", Instant),
    sqlite_autoincrement=True,  # the id of a key is never given to another
)

# One row per call of a route for administrators, kept for some days. No foreign keys: it outlives what it names.
audit = Table(
    "audit",
    metadata,
    Column("id", Key, Identity(), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("key_id", Key),  # null: a key of the settings, or none was needed
    Column("key_name", Text),
    Column("address", Text),
    Column("method", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("collection", Text),
    Column("status", Integer, nullable=False),
    Column("request_id", Text, nullable=False),
    Index("ix_audit_at", "at"),
    sqlite_autoincrement=True,  # a page goes on after the id where the one before ended
)
