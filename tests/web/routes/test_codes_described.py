"""GET /encode and GET /distances over HTTP."""

from __future__ import annotations

import numpy as np
import pytest
from fastapi.testclient import TestClient

from service.hashing.content import Text
from service.hashing.untrained import untrained_hash_function
from service.search.sources import MemorySource, SqlSource
from service.store import collections
from service.web.schemas.explanations import DescribedCode, Distances
from tests.web.asserting import refused
from tests.web.routes.test_search import COLLECTION, CORPUS, fill


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    fill(client)
    return client


def code_of(title: str | None, text: str) -> bytes:
    return untrained_hash_function(32).encode([Text(text, title)]).codes[0].tobytes()


@pytest.mark.long_on_postgresql
def test_a_code_is_described_bit_by_bit_with_the_words_that_made_it_so(filled: TestClient) -> None:
    answer = filled.get(f"{COLLECTION}/encode", params={"q": "a black cat sleeps"})
    described = DescribedCode.model_validate_json(answer.content, strict=True)
    code = code_of(None, "a black cat sleeps")
    assert (described.code, described.id, described.title) == (code.hex(), None, None)
    assert [one.bit for one in described.bits] == list(range(32))
    assert bytes(np.packbits([one.value for one in described.bits])) == code
    assert max(one.confidence for one in described.bits) == 1
    assert {word for one in described.bits for word, _ in one.words} <= {"a", "black", "cat", "sleeps"}
    assert all(gain > 0 for one in described.bits for _, gain in one.words)


@pytest.mark.long_on_postgresql
def test_a_document_is_described_as_its_title_and_text(filled: TestClient) -> None:
    for id, (title, text) in CORPUS.items():
        described = filled.get(f"{COLLECTION}/encode", params={"id": id}).json()
        assert (described["id"], described["title"]) == (id, title)
        assert described["code"] == code_of(title, text).hex()


def test_every_document_is_counted_at_its_distance_from_memory_and_from_sql(filled: TestClient) -> None:
    filled.delete(f"{COLLECTION}/documents/cat")
    codes = np.array([list(code_of(*CORPUS[id])) for id in CORPUS if id != "cat"], dtype=np.uint8)
    asked = codes[0] ^ np.array([1, 0, 0, 128], dtype=np.uint8)
    expected = np.bincount(np.unpackbits(codes ^ asked, axis=1).sum(axis=1), minlength=33)
    answer = filled.get(f"{COLLECTION}/distances", params={"code": asked.tobytes().hex()})
    counted = Distances.model_validate_json(answer.content, strict=True)
    assert (counted.documents, counted.distances) == (len(codes), expected.tolist())
    assert counted.ones == np.unpackbits(codes, axis=1).sum(axis=0).tolist()
    services = filled.app.state.services  # type: ignore[attr-defined]
    with services.database.read() as connection:
        id = collections.get(connection, COLLECTION.rsplit("/", 1)[1]).id
        services.follower.poll()
        sources = [MemorySource(services.follower.replica(id)), SqlSource.of(connection, id)]
        for source in sources:
            assert sorted(map(bytes, np.concatenate([*source.all_codes(connection)]))) == sorted(map(bytes, codes))


@pytest.mark.long_on_postgresql
def test_what_cannot_be_described_is_refused(filled: TestClient) -> None:
    assert "8 hexadecimal" in refused(filled.get(f"{COLLECTION}/distances?code=ff"), 422, "invalid-input")["detail"]
    for query in ("", "?q=a&id=cat"):
        assert "q or id" in refused(filled.get(f"{COLLECTION}/encode{query}"), 422, "invalid-input")["detail"]
    refused(filled.get(f"{COLLECTION}/encode?id=none"), 404, "not-found")
    refused(filled.get("/v1/collections/none/distances?code=ff"), 404, "not-found")
    filled.put("/v1/collections/vectors", json={"kind": "embedding", "dims": 2})
    refused(filled.get("/v1/collections/vectors/encode?q=a"), 422, "invalid-input")
