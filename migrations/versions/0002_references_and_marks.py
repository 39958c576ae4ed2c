"""Spaces refer to their hash function; marks of deletions, compaction, spaces to load, the history of snapshots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
# Columns that say whose a row is. PostgreSQL's statistics know no owner that came after they were taken: it expects one
# row of it and compares each with each, or reads them all for every one of them. Without statistics it expects many.
OWNERS = (("codes", "space_id"), ("documents", "collection_id"))


def upgrade() -> None:
    with op.batch_alter_table("collections") as collections:
        collections.add_column(sa.Column("dropped_at", INSTANT, nullable=True))
    # SQLite copies the table to add a foreign key, and would forget that a key is never given twice.
    with op.batch_alter_table("code_spaces", table_kwargs={"sqlite_autoincrement": True}) as code_spaces:
        code_spaces.add_column(sa.Column("preload_until", INSTANT, nullable=True))
        code_spaces.add_column(sa.Column("compacted_seq", sa.BigInteger(), server_default="0", nullable=False))
        code_spaces.create_foreign_key(op.f("fk_code_spaces_digest"), "hash_functions", ["digest"], ["digest"])
        code_spaces.drop_constraint(op.f("ck_code_spaces_state"), type_="check")
        code_spaces.create_check_constraint(
            op.f("ck_code_spaces_state"),
            "state IN ('training', 'encoding', 'evaluating', 'ready', 'active', 'retired', 'failed', 'deleting')",
        )
    op.add_column("nodes", sa.Column("token", sa.Text(), nullable=True))
    op.create_table(
        "snapshots",
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"], ["code_spaces.id"], name=op.f("fk_snapshots_space_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("space_id", "token", name=op.f("pk_snapshots")),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table, column in OWNERS:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE bigint")  # forgets the statistics there are
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, column in OWNERS:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS -1")
    op.drop_table("snapshots")
    with op.batch_alter_table("nodes") as nodes:
        nodes.drop_column("token")
    op.execute("UPDATE code_spaces SET state = 'failed' WHERE state = 'deleting'")
    with op.batch_alter_table("code_spaces", table_kwargs={"sqlite_autoincrement": True}) as code_spaces:
        code_spaces.drop_constraint(op.f("ck_code_spaces_state"), type_="check")
        code_spaces.create_check_constraint(
            op.f("ck_code_spaces_state"),
            "state IN ('training', 'encoding', 'evaluating', 'ready', 'active', 'retired', 'failed')",
        )
        code_spaces.drop_constraint(op.f("fk_code_spaces_digest"), type_="foreignkey")
        code_spaces.drop_column("compacted_seq")
        code_spaces.drop_column("preload_until")
    with op.batch_alter_table("collections") as collections:
        collections.drop_column("dropped_at")
