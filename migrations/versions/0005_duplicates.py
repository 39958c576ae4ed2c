"""Groups of near duplicates, and the jobs that found them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "duplicate_searches",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("collection_id", KEY, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("n_groups", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("n_documents", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("n_capped", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name=op.f("fk_duplicate_searches_collection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicate_searches")),
        sa.UniqueConstraint("job_id", name=op.f("uq_duplicate_searches_job_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_duplicate_searches_collection_id"), "duplicate_searches", ["collection_id"])
    op.create_table(
        "duplicates",
        sa.Column("search_id", KEY, nullable=False),
        sa.Column("group_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document_key", KEY, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("is_capped", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id"], ["duplicate_searches.id"], name=op.f("fk_duplicates_search_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("search_id", "group_no", "place", name=op.f("pk_duplicates")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("duplicates")
    op.drop_index(op.f("ix_duplicate_searches_collection_id"), "duplicate_searches")
    op.drop_table("duplicate_searches")
