"""Maps of code spaces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "maps",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("n_documents", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["space_id"], ["code_spaces.id"], name=op.f("fk_maps_space_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maps")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_maps_space_id"), "maps", ["space_id"])
    op.create_table(
        "map_chunks",
        sa.Column("map_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["map_id"], ["maps.id"], name=op.f("fk_map_chunks_map_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("map_id", "number", name=op.f("pk_map_chunks")),
    )


def downgrade() -> None:
    op.drop_table("map_chunks")
    op.drop_table("maps")
