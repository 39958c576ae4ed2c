"""Vectors are found the same from SQL and from memory, and words beside them say when they are not at hand."""

from __future__ import annotations

import numpy as np
import pytest

from service.hashing.content import Embedding
from service.hashing.vectors import VectorSettings
from service.ingest.collections import CollectionWriter
from service.search.request import QueryOptions, SearchRequest, TextOptions
from service.search.results import SearchResult
from service.store.documents import NewDocument
from tests.use_cases import UseCases, run

VECTORS = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)


@pytest.fixture
def vectors(use_cases: UseCases) -> UseCases:
    """Thirty vectors in a collection of 32 bits, every third with a text; the follower has not seen them."""
    writer = CollectionWriter(use_cases.database, use_cases.follower)
    run(writer.create("vectors", "embedding", 32, vectors=VectorSettings(4)))
    texts = [None if i % 3 else f"note {i} about bread" for i in range(len(VECTORS))]
    contents = [Embedding(vector, text, keep="float16") for vector, text in zip(VECTORS, texts, strict=True)]
    run(use_cases.documents.add("vectors", [NewDocument(f"d{i}", one, {"n": i}) for i, one in enumerate(contents)]))
    return use_cases


def found(result: SearchResult) -> list[tuple[str, int | None, float | None]]:
    return [(match.document.id, match.distance, match.score) for match in result.matches]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"radius": 14},
        {"rerank": "features", "shortlist": 20},
        {"filter": {"n": {"gte": 10}}},
        {"filter": {"n": {"gte": 10}}, "rerank": "features", "min_score": 0.2},
    ],
)
def test_sql_and_memory_find_the_same_vectors(vectors: UseCases, options: dict[str, object]) -> None:
    asked = np.random.default_rng(1).standard_normal((12, 4)).tolist()

    def answers() -> list[SearchResult]:
        by_vectors = SearchRequest.of(
            TextOptions(**options), kind="similar", collection="vectors", vectors=asked, is_batch=True
        )
        by_id = SearchRequest.of(TextOptions(**options), kind="similar", collection="vectors", document_id="d3")
        return [*run(vectors.search.answer(by_vectors)), *run(vectors.search.answer(by_id))]

    from_sql = answers()
    vectors.follower.poll()
    from_memory = answers()
    assert {one.work.source for one in from_sql} == {"sql"}
    assert {one.work.source for one in from_memory} == {"memory"}
    assert list(map(found, from_sql)) == list(map(found, from_memory))
    assert any(map(found, from_sql))


def test_a_search_among_vectors_says_that_words_are_missing_and_finds_them_later(vectors: UseCases) -> None:
    request = SearchRequest.of(QueryOptions(), kind="search", collection="vectors", texts=("bread",))
    (before,) = run(vectors.search.answer(request))
    assert (before.matches, before.partial, before.code) == ([], ("words",), None)
    for options in ({"facets": "n"}, {"sort": "n"}):
        counted = SearchRequest.of(QueryOptions(**options), kind="search", collection="vectors", texts=("bread",))
        (none,) = run(vectors.search.answer(counted))
        assert (none.matches, none.work.n_matching) == ([], 0)
    both = SearchRequest.of(
        QueryOptions(), kind="search", collection="vectors", texts=("bread",), vectors=VECTORS[:1].tolist()
    )
    (by_code,) = run(vectors.search.answer(both))
    assert (by_code.matches[0].document.id, by_code.partial) == ("d0", ("words",))
    vectors.follower.poll()
    (after,) = run(vectors.search.answer(request))
    assert len(after.matches) == 10
    assert after.partial == ()
