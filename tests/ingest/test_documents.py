"""Documents that are put, as a request over HTTP cannot arrange it."""

from __future__ import annotations

import pytest

from service.errors import DuplicateIds, InvalidContent
from service.hashing.content import Text
from service.hashing.untrained import untrained_hash_function
from service.store import codes, documents, spaces
from tests.use_cases import UseCases


def test_documents_encoded_for_a_space_that_was_replaced_meanwhile_are_encoded_again(use_cases: UseCases) -> None:
    space = use_cases.next_space()

    def promote() -> None:
        with use_cases.database.lane(use_cases.collection.id) as lane:
            spaces.promote(lane, space.id)

    use_cases.encoder.meanwhile = promote
    added = use_cases.add("bread")
    assert added.space.id == space.id
    with use_cases.database.read() as connection:
        expected = untrained_hash_function(32, seed=77).encode([Text("bread")]).codes
        stored = codes.get(connection, space.id, added.documents[0].key)
    assert (stored == expected).all()


@pytest.mark.parametrize(
    ("texts", "ids", "error", "message"),
    [
        (["bread", " "], None, InvalidContent, r"documents\[1\]: text must hold"),
        (["bread", "x" * 100_001], None, InvalidContent, r"documents\[1\]: text must be at most 100000"),
        (["bread", "butter"], ["a", "a"], DuplicateIds, "more than once: a"),
    ],
)
def test_of_a_batch_with_a_fault_nothing_is_kept(
    use_cases: UseCases, texts: list[str], ids: list[str | None] | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        use_cases.add(*texts, ids=ids)
    with use_cases.database.read() as connection:
        assert documents.count(connection, use_cases.collection.id) == 0
