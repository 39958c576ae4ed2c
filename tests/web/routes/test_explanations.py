"""GET /bits and GET /compare over HTTP."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from pydantic_core import to_json

from service.hashing.content import Text
from service.hashing.untrained import untrained_hash_function
from service.index.document_replicas import DocumentReplicas
from service.search.explain import BitShare, BitWords, Explanation, WordShare
from service.web.schemas import explanations as schemas
from service.web.schemas.explanations import Bits, Comparison
from tests.web.asserting import refused
from tests.web.conftest import Start
from tests.web.routes.test_search import COLLECTION, CORPUS, DOCUMENTS, fill

BITS, COMPARE = f"{COLLECTION}/bits", f"{COLLECTION}/compare"


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    fill(client)
    return client


def code_of(id: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    title, text = CORPUS[id]
    return np.unpackbits(untrained_hash_function(32).encode([Text(text, title)]).codes[0])


def test_every_bit_is_described(filled: TestClient) -> None:
    answer = filled.get(BITS)
    assert answer.status_code == 200, answer.text
    described = Bits.model_validate_json(answer.content, strict=True)
    assert (described.documents, described.sampled, described.space.version) == (len(CORPUS), len(CORPUS), 1)
    ones = np.mean([code_of(id) for id in CORPUS], axis=0)
    assert [one.bit for one in described.bits] == list(range(32))
    assert [one.share for one in described.bits] == pytest.approx(ones.tolist(), abs=1e-4)
    for bit in described.bits:
        for value, side in ((1, bit.ones), (0, bit.zeros)):
            assert all(code_of(document.id)[bit.bit] == value for document in side.documents)
    titles = {d.id: d.title for bit in described.bits for d in (*bit.ones.documents, *bit.zeros.documents)}
    assert titles["sort"] == "Sorting"
    assert titles["cat"].startswith("The black cat")


def test_bits_follow_the_documents(filled: TestClient) -> None:
    assert filled.get(BITS).json()["documents"] == len(CORPUS)
    filled.post(DOCUMENTS, json={"documents": [{"text": f"new {i}"} for i in range(5)]})
    assert filled.get(BITS).json()["documents"] == len(CORPUS)  # as it was, while it is read anew
    for _ in range(100):
        if filled.get(BITS).json()["documents"] == len(CORPUS) + 5:
            return
    pytest.fail("the bits were not described anew")


def test_an_empty_collection_has_bits_without_a_share(client: TestClient) -> None:
    client.put(COLLECTION, json={"n_bits": 16})
    described = Bits.model_validate_json(client.get(BITS).content)
    assert [one.share for one in described.bits] == [None] * 16


def test_two_documents_are_compared_bit_by_bit_and_word_by_word(filled: TestClient) -> None:
    answer = filled.get(COMPARE, params={"a": "sort", "b": "tree"})
    assert answer.status_code == 200, answer.text
    found = Comparison.model_validate_json(answer.content)
    assert (found.a.id, found.a.title, found.b.id, found.b.title) == ("sort", "Sorting", "tree", "Trees")
    a, b = code_of("sort"), code_of("tree")
    assert found.distance == int((a != b).sum()) == len(found.differing)
    assert {one.bit for one in found.differing} == set(np.flatnonzero(a != b).tolist())
    for one in (*found.agreeing, *found.differing):
        assert (one.a, one.b) == (a[one.bit], b[one.bit])
        assert all(gain > 0 for _, gain in (*one.words_a, *one.words_b))
        for words, id in ((one.words_a, "sort"), (one.words_b, "tree")):
            assert all(word in " ".join(filter(None, CORPUS[id])).lower() for word, _ in words)
    assert [(word.a, word.b) for word in found.words] == [("sorting", "sort"), ("numbers", "numbers")]
    assert [word.weight for word in found.words] == sorted((word.weight for word in found.words), reverse=True)
    assert found.partial == []


def test_a_comparison_is_the_same_the_other_way_round_and_a_document_equals_itself(filled: TestClient) -> None:
    one = filled.get(COMPARE, params={"a": "cat", "b": "car"}).json()
    other = filled.get(COMPARE, params={"a": "car", "b": "cat"}).json()
    assert one["distance"] == other["distance"]
    assert [word["weight"] for word in one["words"]] == [word["weight"] for word in other["words"]]
    assert one["differing"][0]["words_a"] == other["differing"][0]["words_b"]
    same = filled.get(COMPARE, params={"a": "cat", "b": "cat"}).json()
    assert (same["distance"], same["differing"], len(same["agreeing"])) == (0, [], 32)


@pytest.mark.parametrize(("a", "b", "missing"), [("sort", "nothing", "nothing"), ("gone", "sort", "gone")])
def test_the_id_that_does_not_exist_is_named(filled: TestClient, a: str, b: str, missing: str) -> None:
    problem = refused(filled.get(COMPARE, params={"a": a, "b": b}), 404, "not-found")
    assert (problem["kind"], problem["name"]) == ("document", missing)


@pytest.mark.parametrize(
    "params", [{}, {"a": "x"}, {"a": "", "b": "x"}, {"a": "x\x00", "b": "y"}, {"a": "x", "c": "y"}]
)
def test_a_comparison_needs_two_ids(lite: TestClient, params: dict[str, str]) -> None:
    refused(lite.get(COMPARE, params=params), 422, "invalid-input")


def test_an_unknown_collection_is_named(lite: TestClient) -> None:
    for path in ("bits", "compare?a=x&b=y"):
        problem = refused(lite.get(f"/v1/collections/unknown/{path}"), 404, "not-found")
        assert problem["kind"] == "collection"


def test_without_words_in_memory_codes_are_compared_and_the_answer_says_so(
    sqlite_url: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start(sqlite_url)
    fill(client)
    monkeypatch.setattr(DocumentReplicas, "get", lambda self, collection_id: None)
    found = client.get(COMPARE, params={"a": "sort", "b": "tree"}).json()
    assert (found["partial"], found["words"]) == (["words"], [])
    assert len(found["agreeing"]) + len(found["differing"]) == 32
    assert client.get(BITS).json()["sampled"] == len(CORPUS)


def test_words_of_a_document_that_was_just_put_are_compared(url: str, start: Start) -> None:
    client = start(url, read_your_writes_s=60)
    fill(client)
    client.post(DOCUMENTS, json={"documents": [{"id": "new", "text": "sort numbers of a tree"}]})
    found = client.get(COMPARE, params={"a": "new", "b": "tree"}).json()
    assert {word["a"] for word in found["words"]} == {"sort", "numbers", "tree"}


def test_an_explanation_is_written_as_its_schema_has_it() -> None:
    bit = BitShare(3, 1, 0.5, -0.25)
    words = BitWords(3, 1, 0.5, None, True, [("a", 1.5)], [("b", 0.5), ("c", 0.25)], ("x",), ())
    written = to_json(Explanation({"words": 1.0}, [WordShare("cat", "cats", 2.5, 1.0)], [bit], [], [words]))
    read = schemas.Explanation.model_validate_json(written)
    assert json.loads(read.model_dump_json(exclude_unset=True)) == json.loads(written)
    assert (read.parts.words, read.parts.code, read.strongest[0].document[1]) == (1.0, None, ("c", 0.25))
