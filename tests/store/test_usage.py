from __future__ import annotations

import pytest

from service.store import usage
from service.store.database import Database
from service.store.usage import UsageCounter
from tests.conftest import new_collection


def test_counts_of_several_processes_add_up_and_those_of_spaces_that_are_gone_are_dropped(database: Database) -> None:
    _, space = new_collection(database)
    counters = UsageCounter(), UsageCounter()
    for counter in counters:
        counter.add_documents(space.id, 10, 3)
        for known, nearest in ((True, 5), (True, 5), (True, None), (False, 9)):
            counter.add_query(space.id, known, nearest)
        counter.add_query(space.id + 1_000, True, 1)
    for counter in counters:
        with database.write() as connection:
            usage.add(connection, counter.take())
    assert not counters[0].take()
    with database.read() as connection:
        found = usage.get(connection, space.id)
        assert usage.get(connection, space.id + 1_000) == usage.UsageCounts()
    assert (found.n_documents, found.n_unknown_documents) == (20, 6)
    assert (found.n_queries, found.n_unknown_queries) == (6, 2)
    assert (found.first_nearest, found.nearest) == ({5: 4}, {})


def test_later_queries_are_counted_apart_from_the_first_ones(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "REFERENCE", 3)
    _, space = new_collection(database)
    for nearest in (1, 2, 9):
        counter = UsageCounter()
        for _ in range(2):
            counter.add_query(space.id, True, nearest)
        with database.write() as connection:
            usage.add(connection, counter.take())
    with database.read() as connection:
        found = usage.get(connection, space.id)
    assert (found.first_nearest, found.nearest) == ({1: 2, 2: 2}, {9: 2})
