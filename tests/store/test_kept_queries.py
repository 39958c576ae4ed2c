from __future__ import annotations

from service.store import kept_queries
from service.store.database import Database
from tests.conftest import new_collection


def test_the_last_queries_are_kept_each_once_until_they_are_cleared(database: Database) -> None:
    (collection, _), (other, _) = new_collection(database), new_collection(database)
    with database.write() as connection:
        kept_queries.add(connection, other.id, ["theirs"], keep=3)
        for texts in (["a", "b"], ["c"], [], ["d", "c", "c"]):
            kept_queries.add(connection, collection.id, texts, keep=4)
        assert kept_queries.last(connection, collection.id, 10) == ["c", "d"]
        kept_queries.add(connection, collection.id, ["1", "2", "3", "4", "5"], keep=4)
        assert kept_queries.last(connection, collection.id, 3) == ["5", "4", "3"]
        assert kept_queries.last(connection, collection.id, 10) == ["5", "4", "3", "2"]
        kept_queries.clear(connection, collection.id)
        assert kept_queries.last(connection, collection.id, 10) == []
        assert kept_queries.last(connection, other.id, 10) == ["theirs"]


def test_queries_are_listed_and_deleted_one_by_one(database: Database) -> None:
    (collection, _), (other, _) = new_collection(database), new_collection(database)
    with database.write() as connection:
        for of in (collection, other):
            kept_queries.add(connection, of.id, ["a", "b", "b", "c"], keep=4)
        first, has_more = kept_queries.page(connection, collection.id, 1 << 62, 3)
        assert ([query.text for query in first], has_more) == (["c", "b", "b"], True)
        rest, has_more = kept_queries.page(connection, collection.id, first[-1].number, 3)
        assert ([query.text for query in rest], has_more) == (["a"], False)
        assert not kept_queries.remove(connection, other.id, rest[0].number)
        assert kept_queries.remove(connection, collection.id, rest[0].number)
        assert not kept_queries.remove(connection, collection.id, rest[0].number)
        assert [query.text for query in kept_queries.page(connection, collection.id, 1 << 62, 3)[0]] == ["c", "b", "b"]
        assert len(kept_queries.page(connection, other.id, 1 << 62, 9)[0]) == 4


def test_a_page_of_long_queries_ends_early(database: Database) -> None:
    collection, _ = new_collection(database)
    with database.write() as connection:
        kept_queries.add(connection, collection.id, [f"{i}" * 600_000 for i in range(3)], keep=3)
        found, has_more = kept_queries.page(connection, collection.id, 1 << 62, 100)
    assert ([query.text[0] for query in found], has_more) == (["2", "1"], True)
