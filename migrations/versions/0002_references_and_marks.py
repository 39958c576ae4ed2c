"""Spaces refer to their hash function; marks of a collection that is being deleted and of a space to be loaded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("collections") as collections:
        collections.add_column(sa.Column("dropped_at", INSTANT, nullable=True))
    # SQLite copies the table to add a foreign key, and would forget that a key is never given twice.
    with op.batch_alter_table("code_spaces", table_kwargs={"sqlite_autoincrement": True}) as code_spaces:
        code_spaces.add_column(sa.Column("preload_until", INSTANT, nullable=True))
        code_spaces.create_foreign_key(op.f("fk_code_spaces_digest"), "hash_functions", ["digest"], ["digest"])


def downgrade() -> None:
    with op.batch_alter_table("code_spaces", table_kwargs={"sqlite_autoincrement": True}) as code_spaces:
        code_spaces.drop_constraint(op.f("fk_code_spaces_digest"), type_="foreignkey")
        code_spaces.drop_column("preload_until")
    with op.batch_alter_table("collections") as collections:
        collections.drop_column("dropped_at")
