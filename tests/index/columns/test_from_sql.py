"""Columns that are read from SQL for one request are those that a replica would have."""

from __future__ import annotations

from typing import Any

import pytest

from service.hashing.content import Text
from service.index.columns import from_sql
from service.index.columns.filters import Exists
from service.index.columns.from_sql import columns_from_sql
from service.store import documents
from service.store.database import Database
from service.store.documents import NewDocument
from tests.conftest import new_collection
from tests.index.columns import oracle

METADATA: list[dict[str, Any]] = [
    {"a": 1, "b": [1, 2.5, "x", True, None]},
    {"a": {"b": 2**63 - 1, "c": {"d": "\u673a\u5668"}}, "a.b": -0.0},
    {"a.b.c": 1e300, "ab": "other"},
    {},
]


@pytest.fixture
def stored(database: Database) -> tuple[int, dict[int, dict[str, Any]]]:
    collection, _ = new_collection(database)
    other, _ = new_collection(database)
    for id in (other.id, collection.id):
        with database.lane(id) as lane:
            put = documents.put(lane, [NewDocument(None, Text("text"), one) for one in METADATA])
    return collection.id, {one.key: metadata for one, metadata in zip(put, METADATA, strict=True)}


@pytest.mark.parametrize("fields", [None, ["a"], ["a.b"], ["b"], ["a.b.c", "nowhere"]])
def test_the_fields_that_are_asked_for_are_there(
    database: Database, stored: tuple[int, dict[int, dict[str, Any]]], fields: list[str] | None
) -> None:
    id, held = stored
    with database.read() as connection:
        view = columns_from_sql(connection, id, fields).view()
    assert view.all_keys().allowed_keys().tolist() == sorted(held)
    for field in fields or ["a", "b", "a.b", "a.b.c", "ab", "a.c.d"]:
        expected, n_missing = oracle.count(held, field)
        counts = view.count(field, None, 10)
        assert ([(oracle.rank(value)[1], n) for value, n in counts.values], counts.n_missing) == (expected, n_missing)
        exists = Exists(field, "filter")
        assert view.mask(exists).allowed_keys().tolist() == oracle.mask(held, exists)
    assert "ab" not in view.field_names(10) or fields is None


def test_metadata_are_read_in_parts_and_the_reading_can_be_given_up(
    database: Database, stored: tuple[int, dict[int, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_sql, "_CHARS_AT_ONCE", 10)
    id, held = stored
    calls: list[None] = []
    with database.read() as connection:
        assert len(columns_from_sql(connection, id, None, lambda: calls.append(None))) == len(held)
    assert len(calls) > 2

    def give_up() -> None:
        raise TimeoutError

    with database.read() as connection, pytest.raises(TimeoutError):
        columns_from_sql(connection, id, None, give_up)
