"""Collections of vectors may have those of several embedding models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "embedding_models",
        sa.Column("collection_id", KEY, nullable=False),
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("dims", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("deleted_at", INSTANT, nullable=True),
        sa.CheckConstraint("number BETWEEN 0 AND 61", name=op.f("ck_embedding_models_number")),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name=op.f("fk_embedding_models_collection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("collection_id", "number", name=op.f("pk_embedding_models")),
        sa.UniqueConstraint("collection_id", "name", name=op.f("uq_embedding_models_collection_id_name")),
        sqlite_with_rowid=False,
    )
    op.execute(
        """
        INSERT INTO embedding_models (collection_id, number, name, dims, created_at)
        SELECT id, 0, vectors ->> 'model', CAST(vectors ->> 'dims' AS integer), created_at
        FROM collections WHERE vectors IS NOT NULL
        """
    )
    op.add_column("documents", sa.Column("models", sa.BigInteger(), server_default="1", nullable=False))
    several = sa.text("models <> 1")
    op.create_index(
        op.f("ix_documents_collection_id_models"),
        "documents",
        ["collection_id", "models"],
        sqlite_where=several,
        postgresql_where=several,
    )
    op.add_column("code_spaces", sa.Column("model", sa.SmallInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("code_spaces", "model")
    op.drop_index(op.f("ix_documents_collection_id_models"), "documents")
    op.drop_column("documents", "models")
    op.drop_table("embedding_models")
