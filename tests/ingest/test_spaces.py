"""Code spaces that take over, with what is written meanwhile."""

from __future__ import annotations

import pytest

from service.errors import ForbiddenMove, NotFound
from service.hashing.content import Text
from service.hashing.untrained import untrained_hash_function
from service.search.request import TextOptions
from service.store import codes, documents, spaces
from service.store.documents import NewDocument
from tests.conftest import n_codes
from tests.use_cases import UseCases, by_texts, run


def test_a_promote_gives_every_document_its_code_first(use_cases: UseCases) -> None:
    use_cases.add("bread", "butter", "wind")
    space = use_cases.next_space()
    late = {"texts": 2}

    def meanwhile() -> None:
        if late["texts"]:
            late["texts"] -= 1
            with use_cases.database.lane(use_cases.collection.id) as lane:
                documents.put(lane, [NewDocument(None, Text(f"late {late['texts']}"), {})])
            use_cases.encoder.meanwhile = meanwhile

    use_cases.encoder.meanwhile = meanwhile
    promoted = run(use_cases.spaces.promote(use_cases.collection.name, space.version))
    assert promoted.state == "active"
    with use_cases.database.read() as connection:
        assert codes.count_missing(connection, use_cases.collection.id, space.id) == 0
        assert n_codes(connection, space.id) == 5


def test_a_document_that_changes_while_it_is_repaired_keeps_its_new_code(use_cases: UseCases) -> None:
    use_cases.add("bread", ids=["a"])
    space = use_cases.next_space()
    use_cases.encoder.meanwhile = lambda: use_cases.add("wind and waves", ids=["a"])
    run(use_cases.spaces.promote(use_cases.collection.name, space.version))
    with use_cases.database.read() as connection:
        document = documents.get(connection, use_cases.collection.id, "a")
        stored = codes.get(connection, space.id, document.key)
    assert (stored == untrained_hash_function(32, seed=77).encode([Text("wind and waves")]).codes).all()


def test_a_rollback_takes_along_what_was_added_and_goes_back_and_forth(use_cases: UseCases) -> None:
    use_cases.add("bread", ids=["a"])
    run(use_cases.spaces.promote(use_cases.collection.name, use_cases.next_space().version))
    use_cases.add("butter", ids=["b"])
    back = run(use_cases.spaces.roll_back(use_cases.collection.name))
    use_cases.follower.poll()
    (answer,) = by_texts(use_cases, ["butter"], TextOptions())
    assert (back.version, answer.space.version, len(answer.matches)) == (1, 1, 2)
    assert run(use_cases.spaces.roll_back(use_cases.collection.name)).version == 2


def test_there_is_nothing_to_roll_back_to_in_a_new_collection(use_cases: UseCases) -> None:
    with pytest.raises(NotFound, match="retired code space"):
        run(use_cases.spaces.roll_back(use_cases.collection.name))


def test_a_space_in_the_making_cannot_be_promoted(use_cases: UseCases) -> None:
    with use_cases.database.write() as connection:
        space = spaces.start(connection, use_cases.collection.id, 32, "test")
    with pytest.raises(ForbiddenMove, match="code space 2 is training and cannot become active"):
        run(use_cases.spaces.promote(use_cases.collection.name, space.version))


def test_only_the_active_version_can_be_rolled_back(use_cases: UseCases) -> None:
    run(use_cases.spaces.promote(use_cases.collection.name, use_cases.next_space().version))
    with pytest.raises(ForbiddenMove, match="code space 1 is retired and cannot become retired"):
        run(use_cases.spaces.roll_back(use_cases.collection.name, version=1))
    assert run(use_cases.spaces.roll_back(use_cases.collection.name, version=2)).version == 1
