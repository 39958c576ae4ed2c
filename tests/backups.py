"""A backup of a database as its rows, and a restore of them in one transaction, as `psql` does of a plain dump."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, text

from service.store import schema
from service.store.database import Database


@dataclass(frozen=True)
class Backup:
    """Rows by table, and the last numbers that the database gave."""

    rows: dict[str, list[dict[str, Any]]]
    given: dict[str, int]


def back_up(database: Database) -> Backup:
    with database.read() as connection:
        rows = {
            table.name: [dict(row._mapping) for row in connection.execute(select(table))]
            for table in schema.metadata.sorted_tables
        }
        return Backup(rows, _given(connection))


def restore(database: Database, backup: Backup) -> None:
    with database.write() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            connection.execute(table.delete())
        for table in schema.metadata.sorted_tables:
            if backup.rows[table.name]:
                connection.execute(insert(table), backup.rows[table.name])
        if connection.dialect.name == "sqlite":
            connection.execute(text("DELETE FROM sqlite_sequence"))
            for name, number in backup.given.items():
                connection.execute(
                    text("INSERT INTO sqlite_sequence VALUES (:name, :number)"), {"name": name, "number": number}
                )
        else:
            for name, number in backup.given.items():
                connection.execute(text("SELECT setval(:name, :number)"), {"name": name, "number": number})


def _given(connection: Connection) -> dict[str, int]:
    if connection.dialect.name == "sqlite":
        return _pairs(connection, "SELECT name, seq FROM sqlite_sequence")
    query = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"
    return _pairs(connection, query)


def _pairs(connection: Connection, query: str) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(text(query))}
