from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.store import pairs
from service.store.database import Database
from service.store.pairs import Pair
from tests.conftest import new_collection

IDS = st.sampled_from(["a", "b", "é", "\U0001f600", "A"])
SAID = st.lists(st.tuples(IDS, IDS, st.booleans()).filter(lambda said: said[0] != said[1]), max_size=8)


@given(said=SAID, later=SAID)
def test_of_a_pair_in_either_order_what_was_said_last_is_kept(
    database: Database, said: list[tuple[str, str, bool]], later: list[tuple[str, str, bool]]
) -> None:
    collection, _ = new_collection(database)
    with database.write() as connection:
        for batch in (said, later):
            pairs.put(connection, collection.id, [Pair.of(*one) for one in batch])
        found = pairs.page(connection, collection.id, 0, 100)
        n = pairs.count(connection, collection.id)
    expected = {frozenset((a, b)): similar for a, b, similar in [*said, *later]}
    assert {frozenset((pair.a, pair.b)): pair.similar for pair in found} == expected
    assert n == len(found) == len(expected)


def test_pairs_come_in_pages_and_can_be_forgotten(database: Database) -> None:
    (collection, _), (other, _) = new_collection(database), new_collection(database)
    with database.write() as connection:
        for one in (collection, other):
            pairs.put(connection, one.id, [Pair.of("a", f"b{i}", i % 2 == 0) for i in range(5)])
        first = pairs.page(connection, collection.id, 0, 3)
        rest = pairs.page(connection, collection.id, first[-1].number, 3)
        assert [pair.b for pair in [*first, *rest]] == [f"b{i}" for i in range(5)]
        assert pairs.remove(connection, collection.id, ("b1", "a")) == 1
        assert pairs.remove(connection, collection.id, ("b1", "a")) == 0
        assert pairs.remove(connection, collection.id) == 4
        assert (pairs.count(connection, collection.id), pairs.count(connection, other.id)) == (0, 5)
