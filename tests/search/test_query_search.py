"""Scores add up by the formula in docs/search.md, and what a query requires holds for what codes find, too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from service.search import fuse
from service.search.request import QueryOptions, SearchRequest
from service.search.results import SearchResult
from tests.use_cases import UseCases, run

TEXTS = [
    "the black cat sleeps",
    "a black dog and a cat",
    "numbers in order",
    "sort the numbers of a list",
    "white cat black cat",
    "nothing of the kind",
    "a tree of numbers",
    "dogs bark at the cat",
]


@pytest.fixture(params=["untrained", "trained"])
def filled(request: pytest.FixtureRequest, use_cases: UseCases) -> UseCases:
    """Some documents in an untrained space, or in one after it, whose codes count."""
    use_cases.add(*TEXTS, ids=[f"d{i}" for i in range(len(TEXTS))])
    if request.param == "trained":
        use_cases.swap_space()
    use_cases.follower.poll()
    return use_cases


def ask(use_cases: UseCases, queries: Sequence[str], **options: object) -> list[SearchResult]:
    request = SearchRequest.of(
        QueryOptions(**options),  # type: ignore[arg-type]
        kind="search",
        collection=use_cases.collection.name,
        texts=queries,
        is_batch=True,
    )
    return run(use_cases.search.answer(request))


def ids(result: SearchResult) -> list[str]:
    return [match.document.id for match in result.matches]


@pytest.mark.parametrize("query", ["black cat", "numbers", "+cat dog", "tree xyzzy"])
def test_a_score_is_the_share_of_the_best_by_words_plus_the_weight_of_the_agreement(
    filled: UseCases, query: str
) -> None:
    (result,) = ask(filled, [query], k=100)
    weight = fuse.code_weight(32, result.space.version > 1)
    best = max(match.words or 0.0 for match in result.matches)
    assert best > 0
    for match in result.matches:
        assert match.words is not None
        assert match.code is not None
        assert -1 <= match.code <= 1
        assert match.score == pytest.approx(match.words / best + weight * match.code, abs=1e-4)
    scores = [match.score for match in result.matches]
    assert scores == sorted(scores, reverse=True)


def test_by_code_alone_the_score_is_the_agreement_and_the_distance_that_of_the_codes(filled: UseCases) -> None:
    (result,) = ask(filled, ["black cat"], rank="code", k=100)
    assert len(result.matches) == len(TEXTS)
    assert result.code is not None
    replica = filled.follower.replica(filled.collection.id)
    assert replica is not None
    for match in result.matches:
        stored, _ = replica.table.get(np.array([match.document.key]))
        assert match.distance == int(np.unpackbits(stored[0] ^ np.frombuffer(result.code, np.uint8)).sum())
        assert match.score == match.code


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ("numbers +cat", {0, 1, 4, 7}),
        ("numbers -cat", {2, 3, 5, 6}),
        ("+black -dog", {0, 4}),
        ('numbers "black cat"', {0, 4}),
        ('cat -"black cat"', {1, 2, 3, 5, 6, 7}),
    ],
)
def test_what_is_required_and_excluded_holds_for_what_codes_find(
    filled: UseCases, query: str, allowed: set[int]
) -> None:
    for rank in ("hybrid", "words"):
        (result,) = ask(filled, [query], rank=rank, k=100)
        assert result.matches
        assert set(ids(result)) <= {f"d{i}" for i in allowed}


def test_words_find_the_same_whatever_the_codes_are(filled: UseCases) -> None:
    for query in ("black cat", "numbers", "sort"):
        hybrid, by_words = (ask(filled, [query], rank=rank, k=100)[0] for rank in ("hybrid", "words"))
        with_words = {m.document.id: m.words for m in hybrid.matches if m.words}
        assert with_words == {m.document.id: m.words for m in by_words.matches}
        if hybrid.space.version == 1:
            assert set(ids(hybrid)) == set(ids(by_words))


def test_a_document_that_was_deleted_since_the_words_were_read_is_no_match(filled: UseCases) -> None:
    run(filled.changes.delete(filled.collection.name, ["d0", "d4"]))
    for rank in ("hybrid", "words", "code"):
        (result,) = ask(filled, ["black cat"], rank=rank, k=2)
        assert len(result.matches) == 2
        assert not {"d0", "d4"} & set(ids(result))


def test_an_answer_of_many_is_that_of_each_alone(filled: UseCases) -> None:
    queries = ["black cat", "numbers +list", '"black cat"', "xyzzy"]
    together = ask(filled, queries, k=3)
    assert together == [ask(filled, [query], k=3)[0] for query in queries]
