"""Vectors of documents, kept and compared."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from service.encoding.batcher import Batcher
from service.hashing.content import Text
from service.hashing.function import digest_of
from service.hashing.untrained import untrained_hash_function
from service.search.rerank import Reranker, Vector, VectorCache, cosines

FUNCTION = untrained_hash_function(16)
CONTENT = FUNCTION.to_bytes()
DIGEST = digest_of(CONTENT)
TEXTS = ["bread and butter", "wind and waves", "bread bread bread", "?!", "butter"]


def vector(*entries: tuple[int, float]) -> Vector:
    indices, values = zip(*entries, strict=True) if entries else ((), ())
    return Vector(np.array(indices, np.int32), np.array(values, np.float32))


def vectors_of(
    queries: list[str], texts: dict[int, tuple[int, str]], max_bytes: int = 1 << 20
) -> tuple[list[Vector], dict[int, Vector], Reranker]:
    async def scenario() -> tuple[list[Vector], dict[int, Vector], Reranker]:
        batcher = Batcher(lambda digest: CONTENT, device="cpu")
        reranker = Reranker(batcher, max_bytes)
        stored = {key: (revision, Text(text)) for key, (revision, text) in texts.items()}
        made = await reranker.vectors(DIGEST, [Text(query) for query in queries], stored)
        await batcher.close()
        return *made, reranker

    return asyncio.run(scenario())


def test_the_cosine_is_that_of_the_features() -> None:
    (query,), found, _ = vectors_of(["bread and wind"], {i: (1, text) for i, text in enumerate(TEXTS)})
    rows = FUNCTION.featurizer.transform([Text("bread and wind"), *map(Text, TEXTS)]).toarray()
    lengths = np.linalg.norm(rows, axis=1)
    expected = rows[1:] @ rows[0] / np.where(lengths[1:] > 0, lengths[1:] * lengths[0], 1)
    np.testing.assert_allclose(cosines(query, [found[i] for i in range(len(TEXTS))]), expected, atol=1e-6)


def test_a_vector_is_the_same_alone_and_among_others() -> None:
    _, together, _ = vectors_of(["x"], {i: (1, text) for i, text in enumerate(TEXTS)})
    for i, text in enumerate(TEXTS):
        _, alone, _ = vectors_of([], {i: (1, text)})
        np.testing.assert_array_equal(alone[i].indices, together[i].indices)
        np.testing.assert_array_equal(alone[i].values, together[i].values)


@pytest.mark.parametrize("query", [vector(), vector((3, 1.0))])
def test_without_a_common_feature_the_cosine_is_zero(query: Vector) -> None:
    documents = [vector((1, 1.0)), vector(), vector((9, 1.0))]
    assert cosines(query, documents).tolist() == [0, 0, 0]
    assert cosines(query, []).tolist() == []


def test_a_vector_is_kept_for_its_hash_function_and_revision_alone() -> None:
    _, found, reranker = vectors_of([], {7: (2, "bread")})
    assert reranker.kept(DIGEST, {7: 2, 8: 1}) == {7: found[7]}
    assert reranker.kept(DIGEST, {7: 1}) == reranker.kept(DIGEST, {7: 3}) == reranker.kept("other", {7: 2}) == {}


def test_another_revision_takes_the_place_of_the_one_before() -> None:
    cache = VectorCache(10_000)
    cache.put("d", 1, 1, vector((1, 1.0), (2, 1.0)))
    cache.put("d", 1, 2, vector((3, 1.0)))
    assert len(cache) == 1
    assert cache.get("d", 1, 1) is None
    assert cache.get("d", 1, 2) is not None
    assert cache.n_bytes == 8 + 500


def test_the_cache_holds_no_more_than_its_memory_and_drops_what_was_used_longest_ago() -> None:
    cache = VectorCache(3 * 508)
    for key in (1, 2, 3):
        cache.put("d", key, 1, vector((key, 1.0)))
    assert cache.get("d", 1, 1) is not None
    cache.put("d", 4, 1, vector((4, 1.0)))
    assert [key for key in (1, 2, 3, 4) if cache.get("d", key, 1)] == [1, 3, 4]
    assert cache.n_bytes == 3 * 508
    cache.put("d", 5, 1, vector(*((i, 1.0) for i in range(1_000))))
    assert (len(cache), cache.n_bytes) == (0, 0)


def test_a_cache_without_memory_keeps_nothing_and_the_vectors_come_all_the_same() -> None:
    _, found, reranker = vectors_of(["bread"], {1: (1, "bread")}, max_bytes=0)
    assert len(reranker.cache) == 0
    assert len(found[1].indices) == 1


def test_many_and_long_texts_are_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.search.rerank._CONTENTS_AT_ONCE", 3)
    monkeypatch.setattr("service.search.rerank._CHARS_AT_ONCE", 50)
    texts = {i: (1, f"word{i} " * (i % 9 + 1)) for i in range(30)}
    queries, found, _ = vectors_of(["word1", "word2"], texts)
    assert [len(v.indices) for v in queries] == [1, 1]
    for i, v in found.items():
        np.testing.assert_array_equal(v.indices, FUNCTION.featurizer.transform([Text(f"word{i}")]).indices)
