"""Documents have a title and the seq of their last change, deletions are noted, collections say how words are read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("collections", sa.Column("compacted_seq", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("collections", sa.Column("words", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("collections", sa.Column("words_version", sa.Integer(), server_default="0", nullable=False))
    op.add_column("documents", sa.Column("title", sa.Text(), nullable=True))
    op.add_column("documents", sa.Column("seq", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(op.f("ix_documents_collection_id_seq"), "documents", ["collection_id", "seq"])
    op.create_table(
        "deletions",
        sa.Column("collection_id", KEY, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("document_key", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name=op.f("fk_deletions_collection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("collection_id", "seq", name=op.f("pk_deletions")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "word_snapshots",
        sa.Column("collection_id", KEY, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name=op.f("fk_word_snapshots_collection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("collection_id", "token", name=op.f("pk_word_snapshots")),
    )


def downgrade() -> None:
    op.drop_table("word_snapshots")
    op.drop_table("deletions")
    op.drop_index(op.f("ix_documents_collection_id_seq"), "documents")
    op.drop_column("documents", "seq")
    op.drop_column("documents", "title")
    for column in ("words_version", "words", "compacted_seq"):
        op.drop_column("collections", column)
