"""The tables of nearbit: collections, documents, code spaces, codes, buckets, jobs, nodes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The types as they were when this migration was written: it must make the same tables for ever.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
BUILDING = "state IN ('training', 'encoding', 'evaluating', 'ready')"
UNFINISHED = "state IN ('queued', 'running')"


def upgrade() -> None:
    op.create_table(
        "collections",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("n_bits", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("n_bits BETWEEN 8 AND 256 AND n_bits % 8 = 0", name=op.f("ck_collections_n_bits")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
        sa.UniqueConstraint("name", name=op.f("uq_collections_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "documents",
        sa.Column("key", KEY, sa.Identity(), nullable=False),
        sa.Column("collection_id", KEY, nullable=False),
        sa.Column("id", NAME, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        refers_to("collections", "documents", "collection_id"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_documents")),
        sa.UniqueConstraint("collection_id", "id", name=op.f("uq_documents_collection_id_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_documents_collection_id_key", "documents", ["collection_id", "key"])
    op.create_table(
        "hash_functions",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_hash_functions")),
    )
    op.create_table(
        "code_spaces",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("collection_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("n_bits", sa.Integer(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("activated_at", INSTANT, nullable=True),
        sa.Column("retired_seq", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('training', 'encoding', 'evaluating', 'ready', 'active', 'retired', 'failed')",
            name=op.f("ck_code_spaces_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('evaluating', 'ready', 'active', 'retired') OR digest IS NOT NULL",
            name=op.f("ck_code_spaces_digest"),
        ),
        refers_to("collections", "code_spaces", "collection_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_spaces")),
        sa.UniqueConstraint("collection_id", "version", name=op.f("uq_code_spaces_collection_id_version")),
        sqlite_autoincrement=True,
    )
    only_one("one_active_space", "code_spaces", ["collection_id"], "state = 'active'")
    only_one("one_building_space", "code_spaces", ["collection_id"], BUILDING)
    op.create_table(
        "codes",
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("document_key", KEY, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=True),
        refers_to("code_spaces", "codes", "space_id"),
        sa.PrimaryKeyConstraint("space_id", "document_key", name=op.f("pk_codes")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_codes_space_id_seq", "codes", ["space_id", "seq"], unique=True)
    op.create_table(
        "buckets",
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("table_no", sa.SmallInteger(), nullable=False),
        sa.Column("address", sa.Integer(), nullable=False),
        sa.Column("document_key", KEY, nullable=False),
        refers_to("code_spaces", "buckets", "space_id"),
        sa.PrimaryKeyConstraint("space_id", "table_no", "address", "document_key", name=op.f("pk_buckets")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("collection_id", KEY, nullable=False),
        sa.Column("space_id", KEY, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name=op.f("ck_jobs_state")
        ),
        refers_to("collections", "jobs", "collection_id"),
        refers_to("code_spaces", "jobs", "space_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    only_one("one_unfinished_job", "jobs", ["collection_id", "kind"], UNFINISHED)
    op.create_index("ix_jobs_collection_id_created_at", "jobs", ["collection_id", "created_at"])
    op.create_table(
        "nodes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("applied", sa.JSON(), nullable=False),
        sa.Column("heartbeat_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
    )


def downgrade() -> None:
    for table in ("nodes", "jobs", "buckets", "codes", "code_spaces", "hash_functions", "documents", "collections"):
        op.drop_table(table)


def refers_to(parent: str, child: str, column: str, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{child}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=name, ondelete=ondelete)


def only_one(name: str, table: str, columns: list[str], where: str) -> None:
    condition: dict[str, Any] = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
    op.create_index(name, table, columns, unique=True, **condition)
