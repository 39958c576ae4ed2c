"""Descriptions of bits: the figures are those of the codes, the words those that separate the sides."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import NotFound
from service.hashing.analysis import Analyzer
from service.hashing.codes import pack
from service.hashing.content import Embedding, Text
from service.search import bits as bits_module
from service.search.bits import BitDescriptions, SpaceBits, describe, read_bits
from service.store.document_summaries import DocumentSummary
from tests.use_cases import UseCases, run

TOPICS = [["cats", "sleeping", "warm"], ["numbers", "sorted", "list"]]


def documents_of(topics: Sequence[int], rng: np.random.Generator) -> list[DocumentSummary]:
    texts = [f"{' '.join(rng.choice(TOPICS[t], 2, replace=False))} and the rest {i % 3}" for i, t in enumerate(topics)]
    return [DocumentSummary(i, f"d{i}", Text(text), {}, f"Title {i}") for i, text in enumerate(texts)]


def ones_of(topics: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Bit 0 is the topic, bit 1 its opposite, bit 2 always one, the others are drawn."""
    ones = rng.integers(0, 2, (len(topics), 8)).astype(np.uint8)
    ones[:, 0], ones[:, 1], ones[:, 2] = topics, 1 - topics, 1
    return ones


def test_words_and_documents_of_a_side_are_those_of_its_topic() -> None:
    rng = np.random.default_rng(0)
    topics = rng.integers(0, 2, 60)
    ones = ones_of(topics, rng)
    described = describe(pack(ones), documents_of(topics.tolist(), rng), Analyzer("en"))
    assert set(described[0].ones.words[:3]) == set(TOPICS[1])
    assert set(described[0].zeros.words[:3]) == set(TOPICS[0])
    assert {int(document.id[1:]) for document in described[0].ones.documents} <= set(np.flatnonzero(topics).tolist())
    assert described[0].ones.documents[0].title.startswith("Title ")
    assert described[1].ones.words[:3] == described[0].zeros.words[:3]
    assert described[0].correlated[0] == (1, -1.0)


def test_shares_and_correlations_are_those_of_the_codes() -> None:
    rng = np.random.default_rng(1)
    topics = rng.integers(0, 2, 50)
    ones = ones_of(topics, rng)
    described = describe(pack(ones), documents_of(topics.tolist(), rng), Analyzer("en"))
    for bit, one in enumerate(described):
        assert one.share == pytest.approx(ones[:, bit].mean(), abs=1e-4)
        for other, correlation in one.correlated:
            assert correlation == pytest.approx(np.corrcoef(ones[:, bit], ones[:, other])[0, 1], abs=1e-3)
    assert described[2].share == 1
    assert described[2].correlated == []
    assert (described[2].ones.words, described[2].zeros.words, described[2].zeros.documents) == ((), (), [])


def test_documents_without_words_and_no_documents_have_bits_without_words() -> None:
    pictures = [DocumentSummary(i, f"d{i}", Embedding([1.0, i]), {}) for i in range(4)]
    described = describe(np.array([[1], [2], [3], [255]], np.uint8), pictures, Analyzer("en"))
    assert [one.ones.words for one in described] == [()] * 8
    assert [one.share for one in describe(np.empty((0, 2), np.uint8), [], Analyzer("en"))] == [None] * 16


def test_bits_of_a_collection_are_read_from_sql_whatever_is_in_memory(use_cases: UseCases) -> None:
    use_cases.add(*(f"text {i} of {TOPICS[i % 2][i % 3]}" for i in range(12)))
    described = read_bits(use_cases.database, use_cases.collection.name)
    assert (described.n_documents, described.n_sampled, len(described.bits)) == (12, 12, 32)
    assert described.space.version == 1
    use_cases.follower.poll()
    assert read_bits(use_cases.database, use_cases.collection.name) == described
    with pytest.raises(NotFound):
        read_bits(use_cases.database, "unknown")


def test_a_large_collection_is_sampled(use_cases: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    use_cases.add(*(f"text {i}" for i in range(30)))
    monkeypatch.setattr(bits_module, "_SAMPLE", 20)
    described = read_bits(use_cases.database, use_cases.collection.name)
    assert (described.n_documents, described.n_sampled) == (30, 20)
    monkeypatch.setattr(bits_module, "_READ_TOGETHER", 5)
    monkeypatch.setattr(bits_module, "_READ_CHARS", 50)
    assert read_bits(use_cases.database, use_cases.collection.name).n_sampled == 10


def test_a_space_is_described_once_for_all_and_anew_when_a_tenth_has_changed(
    use_cases: UseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cases.add(*(f"text {i}" for i in range(20)))
    name, calls = use_cases.collection.name, []

    def counted(*args: object) -> SpaceBits:
        calls.append(threading.current_thread())
        return read_bits(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(bits_module, "read_bits", counted)

    async def scenario() -> None:
        described = BitDescriptions(use_cases.database)
        first, second = await asyncio.gather(described.of(name), described.of(name))
        assert first is second
        assert len(calls) == 1
        assert calls[0] is not threading.current_thread()
        await asyncio.to_thread(use_cases.add, "one more", "and one")
        assert await described.of(name) is first
        assert len(calls) == 1
        await asyncio.to_thread(use_cases.add, "the third")
        assert await described.of(name) is first  # too old, and answered while the next is read
        await described.close()
        renewed = await described.of(name)
        assert (renewed.n_documents, len(calls)) == (23, 2)

    asyncio.run(scenario())


def test_what_is_at_hand_is_told_at_once_and_what_is_not_is_read_for_later(use_cases: UseCases) -> None:
    use_cases.add(*(f"text {i}" for i in range(20)))
    name = use_cases.collection.name
    space = read_bits(use_cases.database, name).space

    async def scenario() -> None:
        described = BitDescriptions(use_cases.database)
        assert described.at_hand(name, space, 20) is None
        await described.close()
        found = described.at_hand(name, space, 20)
        assert found is not None
        assert found.space == space

    asyncio.run(scenario())
    with pytest.raises(NotFound):
        run(BitDescriptions(use_cases.database).of("unknown"))
