"""Judgments of code spaces, what people said of pairs of documents, and counts of what queries were like."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("collections", sa.Column("upkeep", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "pairs",
        sa.Column("number", KEY, sa.Identity(), nullable=False),
        sa.Column("collection_id", KEY, nullable=False),
        sa.Column("a", NAME, nullable=False),
        sa.Column("b", NAME, nullable=False),
        sa.Column("similar", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("a < b", name=op.f("ck_pairs_order")),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name=op.f("fk_pairs_collection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_pairs")),
        sa.UniqueConstraint("collection_id", "a", "b", name=op.f("uq_pairs_collection_id_a_b")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pairs_collection_id_number", "pairs", ["collection_id", "number"])
    op.create_table(
        "judgments",
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("label", NAME, nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"], ["code_spaces.id"], name=op.f("fk_judgments_space_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("space_id", "label", name=op.f("pk_judgments")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_counts",
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("figure", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"], ["code_spaces.id"], name=op.f("fk_usage_counts_space_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("space_id", "figure", "bucket", name=op.f("pk_usage_counts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "kept_queries",
        sa.Column("number", KEY, sa.Identity(), nullable=False),
        sa.Column("collection_id", KEY, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name=op.f("fk_kept_queries_collection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_kept_queries")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_kept_queries_collection_id_number", "kept_queries", ["collection_id", "number"])


def downgrade() -> None:
    op.drop_table("kept_queries")
    op.drop_table("usage_counts")
    op.drop_table("judgments")
    op.drop_table("pairs")
    op.drop_column("collections", "upkeep")
