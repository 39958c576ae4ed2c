"""What repeated, conditional and expiring writes need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("collections", sa.Column("expires_next", INSTANT, nullable=True))
    op.add_column("documents", sa.Column("metadata_revision", sa.Integer(), server_default="0", nullable=False))
    op.add_column("documents", sa.Column("expires_at", INSTANT, nullable=True))
    expiring = sa.text("expires_at IS NOT NULL")
    op.create_index(
        op.f("ix_documents_collection_id_expires_at"),
        "documents",
        ["collection_id", "expires_at"],
        sqlite_where=expiring,
        postgresql_where=expiring,
    )
    op.create_table(
        "idempotent_calls",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("claimed_until", INSTANT, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotent_calls")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_idempotent_calls_created_at"), "idempotent_calls", ["created_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_idempotent_calls_created_at"), "idempotent_calls")
    op.drop_table("idempotent_calls")
    op.drop_index(op.f("ix_documents_collection_id_expires_at"), "documents")
    op.drop_column("documents", "expires_at")
    op.drop_column("documents", "metadata_revision")
    op.drop_column("collections", "expires_next")
