"""Code spaces that have no buckets: while they are built, and where there are to be none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("code_spaces", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.add_column(sa.Column("has_buckets", sa.Boolean(), server_default=sa.true(), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("code_spaces", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.drop_column("has_buckets")
