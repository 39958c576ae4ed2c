"""A shortlist is put in the order of how sure a query is of the bits in which documents differ, as brute force does."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from service.hashing.codes import flip_cost, hamming_distance
from service.hashing.content import Content, Embedding, Image, Kind, from_wire
from service.hashing.vectors import VectorSettings
from service.ingest.collections import CollectionWriter
from service.search.request import SearchRequest, TextOptions
from service.search.results import SearchResult
from service.store.documents import NewDocument
from tests.examples import examples
from tests.use_cases import UseCases, run

N, N_BITS, DIMS = 120, 32, 6
VECTORS = np.random.default_rng(0).standard_normal((N + 3, DIMS)).astype(np.float16).astype(np.float32)


def content(kind: Kind, i: int) -> Content:
    if kind == "embedding":
        return Embedding(VECTORS[i], keep="float16")
    return from_wire(text=f"text {i} of {i % 7} and {i % 3}") if kind == "text" else Image(picture(i))


def picture(i: int) -> bytes:
    file = BytesIO()
    shades = np.random.default_rng(i).integers(0, 256, (6, 6)).astype(np.uint8)
    PillowImage.fromarray(shades).save(file, "PNG")
    return file.getvalue()


def asking(kind: Kind, numbers: list[int]) -> dict[str, Any]:
    if kind == "text":
        return {"texts": [content(kind, i).text for i in numbers]}  # type: ignore[union-attr]
    if kind == "embedding":
        return {"vectors": [VECTORS[i].tolist() for i in numbers]}
    return {"images": [base64.b64encode(picture(i)).decode() for i in numbers]}


@pytest.fixture(params=["text", "embedding", "image"])
def filled(use_cases: UseCases, request: pytest.FixtureRequest) -> tuple[UseCases, Kind]:
    kind: Kind = request.param
    vectors = VectorSettings(DIMS) if kind == "embedding" else None
    run(CollectionWriter(use_cases.database, use_cases.follower).create(kind, kind, N_BITS, vectors=vectors))
    new = [NewDocument(f"d{i}", content(kind, i), {"n": i % 5}) for i in range(N)]
    run(use_cases.documents.add(kind, new))
    return use_cases, kind


def expected(use_cases: UseCases, kind: Kind, result: SearchResult, query: Content, options: TextOptions) -> list[Any]:
    """Ids, distances and scores by brute force; documents arrived in the order of their numbers."""
    encoded = run(use_cases.encoder.encode(str(result.space.digest), [content(kind, i) for i in range(N)]))
    asked = run(use_cases.encoder.encode(str(result.space.digest), [query]))
    distances = hamming_distance(encoded.codes, asked.codes[0])
    costs = flip_cost(encoded.codes, asked.codes[0], asked.confidence[0])
    allowed = [i for i in range(N) if options.filter is None or i % 5 == options.filter["n"]]
    near = [i for i in allowed if options.radius is None or distances[i] <= options.radius]
    shortlist = sorted(near, key=lambda i: (distances[i], i))[: options.shortlist or 500]
    ranked = sorted(shortlist, key=lambda i: (costs[i], distances[i], i))
    scores = np.round(1 - 2 * costs.astype(np.float64) / asked.confidence.sum(dtype=np.float64), 6)
    return [(f"d{i}", distances[i], pytest.approx(scores[i], abs=2e-6)) for i in ranked[: options.k]]


def found(result: SearchResult) -> list[Any]:
    return [(match.document.id, match.distance, match.score) for match in result.matches]


OPTIONS = st.builds(
    TextOptions,
    rerank=st.just("confidence"),
    k=st.integers(1, 12),
    shortlist=st.none() | st.integers(12, 150),
    radius=st.none() | st.integers(4, N_BITS),
    filter=st.none() | st.fixed_dictionaries({"n": st.integers(0, 5)}),
)


@settings(examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=OPTIONS, numbers=st.lists(st.integers(0, N + 2), min_size=1, max_size=3))
def test_the_order_is_that_of_brute_force(
    filled: tuple[UseCases, Kind], options: TextOptions, numbers: list[int]
) -> None:
    use_cases, kind = filled
    many = SearchRequest.of(options, collection=kind, is_batch=True, **asking(kind, numbers))
    one = SearchRequest.of(options, collection=kind, document_id="d5")
    for _ in range(2):  # from SQL, unless an earlier example has loaded the replica, then from memory
        for number, result in zip(numbers, run(use_cases.search.answer(many)), strict=True):
            assert found(result) == expected(use_cases, kind, result, content(kind, number), options)
            assert result.work.n_reranked <= (options.shortlist or 500)
            assert result.partial == ()
        (result,) = run(use_cases.search.answer(one))
        more = options.model_copy(update={"k": options.k + 1, "shortlist": (options.shortlist or 500) + 1})
        others = [row for row in expected(use_cases, kind, result, content(kind, 5), more) if row[0] != "d5"]
        assert found(result) == others[: options.k]
        use_cases.follower.poll()


def test_what_bits_add_explains_the_whole_score(filled: tuple[UseCases, Kind]) -> None:
    use_cases, kind = filled
    use_cases.follower.poll()
    options = TextOptions(rerank="confidence", k=5, explain=True, min_score=0.0)
    (result,) = run(use_cases.search.answer(SearchRequest.of(options, collection=kind, **asking(kind, [7]))))
    assert len(result.matches) > 1
    for match in result.matches:
        assert match.explanation is not None
        assert match.explanation.parts == {"code": pytest.approx(match.score, abs=1e-5)}
        assert len(match.explanation.differing) == match.distance
        assert (match.score or 0) >= 0


def test_a_query_of_which_nothing_is_known_keeps_the_order_of_the_distances(use_cases: UseCases) -> None:
    use_cases.add(*(f"text {i} of {i % 7}" for i in range(30)))
    for options in (TextOptions(rerank="confidence", k=30), TextOptions(k=30)):
        request = SearchRequest.of(options, collection="texts", texts=["?!"])
        (result,) = run(use_cases.search.answer(request))
        keys = [match.document.key for match in result.matches]
        distances = [match.distance or 0 for match in result.matches]
        assert sorted(zip(distances, keys, strict=True)) == list(zip(distances, keys, strict=True))
