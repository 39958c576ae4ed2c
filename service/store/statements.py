"""Rows into SQL and out of it, in the way of each database: upserts, many rows at once, few rows fast."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Connection, Table, Text, TypeDecorator, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

_PART_CHARS = 2_000_000


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT into the table that knows ON CONFLICT."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


class ListParameter(TypeDecorator[Sequence[Any]]):
    """Many values in one parameter: an array on PostgreSQL, a JSON list on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, item: type[TypeEngine[Any]]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """An array where there are arrays."""
        return Text() if dialect.name == "sqlite" else ARRAY(self.item)

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        """The list as the database takes it."""
        return json.dumps(value) if dialect.name == "sqlite" else value


class _Each(FunctionElement[Any]):
    """The values of a `ListParameter`, one row each."""

    inherit_cache = True


@compiles(_Each, "sqlite")
def _each_sqlite(element: _Each, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **kw)}))"  # noqa: S608


@compiles(_Each, "postgresql")
def _each_postgresql(element: _Each, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **kw)}))"


def is_one_of(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """A condition: the column is one of the values that the parameter `name` holds as a list.

    One parameter, however many values: the statement is compiled and planned once and no limit on parameters is met.
    """
    item = BigInteger if column.type.python_type is int else Text
    return column.bool_op("IN")(_Each(bindparam(name, type_=ListParameter(item))))


@dataclass(frozen=True, slots=True)
class BulkStatement:
    """A statement that is run for many rows in one call of the driver.

    Attributes:
        sqlite: with one `?` per column; the rows go through `executemany`.
        postgresql: with one `%b` per column, each a whole column as an array for `unnest`, in binary form.
    """

    sqlite: str
    postgresql: str

    def run(self, connection: Connection, *columns: Sequence[Any]) -> None:
        """Run it for the rows whose columns these are; columns are lists of equal length."""
        if not columns[0]:
            return
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(self.sqlite, list(zip(*columns, strict=True)))
            return
        for rows in _in_parts(columns):  # the driver holds the interpreter's lock while it writes out a statement
            connection.exec_driver_sql(self.postgresql, tuple(column[rows] for column in columns))


def _in_parts(columns: Sequence[Sequence[Any]]) -> Iterator[slice]:
    """Slices of rows that hold about `_PART_CHARS` characters or bytes each; one for rows of numbers."""
    firsts = [next((value for value in column if value is not None), None) for column in columns]
    sized = [column for column, first in zip(columns, firsts, strict=True) if isinstance(first, str | bytes)]
    start, n_chars = 0, 0
    for row in range(len(columns[0])) if sized else ():
        n_chars += sum(len(column[row] or "") for column in sized)
        if n_chars > _PART_CHARS:
            yield slice(start, row + 1)
            start, n_chars = row + 1, 0
    if start < len(columns[0]):
        yield slice(start, len(columns[0]))


@dataclass(frozen=True, slots=True)
class DriverQuery:
    """A statement that reads a few rows, handed straight to the driver.

    For the statements that every query runs: such a one takes 0.01 ms, and SQLAlchemy's part in it five times as much.

    Attributes:
        sqlite: with `?` for each parameter; many values are one parameter, a JSON list.
        postgresql: with `%s` for each parameter; many values are one parameter, a list.
    """

    sqlite: str
    postgresql: str

    def rows(self, connection: Connection, *parameters: str | int | list[int]) -> list[tuple[Any, ...]]:
        """The rows, with values as the driver gives them."""
        return list(self.each(connection, *parameters))

    def each(self, connection: Connection, *parameters: str | int | list[int]) -> Iterator[tuple[Any, ...]]:
        """The rows one by one: SQLite reads no further than they are asked for."""
        driver: Any = connection.connection.driver_connection
        if connection.dialect.name == "sqlite":
            values = [json.dumps(value) if isinstance(value, list) else value for value in parameters]
            return iter(driver.execute(self.sqlite, values))
        return iter(driver.execute(self.postgresql, parameters))
