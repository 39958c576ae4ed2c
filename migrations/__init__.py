"""Alembic migrations of the nearbit schema."""
