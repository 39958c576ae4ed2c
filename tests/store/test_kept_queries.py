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
