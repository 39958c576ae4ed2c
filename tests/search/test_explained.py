"""Explanations of what a search answers: they add up, and what they name moves the score as they say."""

from __future__ import annotations

from typing import Any

import pytest

from service.hashing.content import Text
from service.search.request import QueryOptions, SearchRequest, TextOptions
from service.search.results import Match
from tests.use_cases import UseCases, by_document, by_texts, run

TEXTS = [
    "the black cat sleeps",
    "a black dog and a cat",
    "numbers in order",
    "sort the numbers of a list",
    "white cat black cat",
    "a tree of numbers",
]


@pytest.fixture(params=["untrained", "trained"])
def filled(request: pytest.FixtureRequest, use_cases: UseCases) -> UseCases:
    """Some documents in an untrained space, or in one after it, whose codes count."""
    use_cases.add(*TEXTS, ids=[f"d{i}" for i in range(len(TEXTS))])
    if request.param == "trained":
        use_cases.swap_space()
    use_cases.follower.poll()
    return use_cases


def search(use_cases: UseCases, query: str, **options: Any) -> list[Match]:
    given = QueryOptions(**{"explain": True, **options})
    name = use_cases.collection.name
    request = SearchRequest.of(given, kind="search", collection=name, texts=[query])
    (result,) = run(use_cases.search.answer(request))
    return result.matches


@pytest.mark.parametrize("rank", ["hybrid", "words", "code"])
@pytest.mark.parametrize("query", ["black cat", "numbers -list", "+cat dog tree", "blak cat"])
def test_the_parts_of_a_score_add_up_to_it(filled: UseCases, rank: str, query: str) -> None:
    matches = search(filled, query, rank=rank)
    assert matches
    for match in matches:
        one = match.explanation
        assert one is not None
        assert sum(one.parts.values()) == pytest.approx(match.score, abs=2e-5)
        assert sum(share.score for share in one.words) == pytest.approx(one.parts.get("words", 0), abs=1e-5)
        if match.words is not None and one.words:
            assert sum(share.bm25 for share in one.words) == pytest.approx(match.words, abs=1e-4)
        bits = [*one.agreeing, *one.differing]
        assert sum(bit.score or 0 for bit in bits) == pytest.approx(one.parts.get("code", 0), abs=1e-5)
        if rank != "words":
            assert len(bits) == 32


def test_without_a_word_that_is_named_the_score_loses_its_part(filled: UseCases) -> None:
    before = {match.document.id: match for match in search(filled, "black cat", rank="words")}
    after = {match.document.id: match for match in search(filled, "black", rank="words", explain=False)}
    for id, match in before.items():
        assert match.explanation is not None
        lost = sum(share.bm25 for share in match.explanation.words if share.typed == "cat")
        left = after[id].words if id in after else 0.0
        assert match.words is not None
        assert left == pytest.approx(match.words - lost, abs=1e-5)


def test_the_bits_of_what_is_similar_are_those_of_the_distance(filled: UseCases) -> None:
    (result,) = by_texts(filled, ["black cat"], TextOptions(explain=True))
    of_stored = by_document(filled, "d0", TextOptions(explain=True))
    for match in (*result.matches, *of_stored.matches):
        one = match.explanation
        assert one is not None
        assert one.parts == {}
        assert len(one.differing) == match.distance
        assert {word for bit in one.strongest for word, _ in bit.document} <= set(_words(match))
    assert any(bit.query for bit in result.matches[0].explanation.strongest)  # type: ignore[union-attr]


def test_re_ranked_matches_are_explained_by_their_words(filled: UseCases) -> None:
    (result,) = by_texts(filled, ["black cat"], TextOptions(explain=True, rerank="features"))
    for match in result.matches:
        assert match.explanation is not None
        assert match.explanation.parts == {"words": pytest.approx(match.score, abs=1e-5)}


def _words(match: Match) -> list[str]:
    content = match.document.content
    assert isinstance(content, Text)
    return content.text.lower().split()
