"""Documents may hold content other than a text; on PostgreSQL metadata is JSONB.

PostgreSQL rewrites the table of documents, and SQLite copies it: nobody writes meanwhile, and on PostgreSQL nobody
reads documents either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

HOLDS_CONTENT = "text IS NOT NULL OR content IS NOT NULL"
NAME = "ck_documents_content"
# JSONB keeps numbers as decimals: 1e+300 would come back as an integer of 301 digits, 1000...0.0 comes back as 1e+300.
LARGE_FLOAT = re.compile(r'("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?e\+\d+)')


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        rewrite_metadata(r"\\u(0000|d[89a-f])", storable)
        rewrite_metadata(r"[0-9]e\+", with_decimal_point)
        op.execute(
            "ALTER TABLE documents ALTER COLUMN metadata TYPE jsonb USING metadata::jsonb,"
            " ALTER COLUMN text DROP NOT NULL, ADD COLUMN content bytea,"
            f" ADD CONSTRAINT {NAME} CHECK ({HOLDS_CONTENT})"
        )
        return
    with op.batch_alter_table("documents", table_kwargs={"sqlite_autoincrement": True}) as documents:
        documents.alter_column("text", existing_type=sa.Text(), nullable=True)
        documents.add_column(sa.Column("content", sa.LargeBinary(), nullable=True))
        documents.create_check_constraint(op.f(NAME), HOLDS_CONTENT)


def downgrade() -> None:
    op.execute("DELETE FROM documents WHERE text IS NULL")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"ALTER TABLE documents DROP CONSTRAINT {NAME}, DROP COLUMN content, ALTER COLUMN text SET NOT NULL,"
            " ALTER COLUMN metadata TYPE json USING metadata::json"
        )
        return
    with op.batch_alter_table("documents", table_kwargs={"sqlite_autoincrement": True}) as documents:
        documents.drop_constraint(op.f(NAME), type_="check")
        documents.drop_column("content")
        documents.alter_column("text", existing_type=sa.Text(), nullable=False)


def rewrite_metadata(pattern: str, rewrite: Callable[[str], str]) -> None:
    """Rewrite the metadata whose JSON matches a pattern: what JSONB would refuse or change."""
    connection = op.get_bind()
    find = sa.text(
        "SELECT key, metadata::text FROM documents WHERE key > :after AND metadata::text ~ :pattern"
        " ORDER BY key LIMIT 500"
    )
    update = sa.text("UPDATE documents SET metadata = CAST(:metadata AS json) WHERE key = :key")
    after = 0
    while rows := connection.execute(find, {"after": after, "pattern": pattern}).all():
        for key, metadata in rows:
            connection.execute(update, {"key": key, "metadata": rewrite(metadata)})
        after = rows[-1][0]


def with_decimal_point(text: str) -> str:
    """JSON in which large floats are written out, with a decimal point."""
    return LARGE_FLOAT.sub(lambda found: found[1] or f"{Decimal(found[2]):f}.0", text)


def storable(text: str) -> str:
    """JSON in which U+FFFD stands for NUL and lone surrogates, which only the releases before 0.1.0 took."""

    def replaced(value: Any) -> Any:
        if isinstance(value, str):
            return re.sub("[\x00\ud800-\udfff]", "\ufffd", value)
        if isinstance(value, list):
            return [replaced(item) for item in value]
        if isinstance(value, dict):
            return {replaced(name): replaced(member) for name, member in value.items()}
        return value

    return json.dumps(replaced(json.loads(text)))
