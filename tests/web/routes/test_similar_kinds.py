"""Similar vectors and pictures, and words beside vectors."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from service.hashing.codes import hamming_distance
from service.hashing.content import Contents, Embedding, Image
from service.hashing.untrained import untrained_hash_function
from tests.hashing.pictures import png
from tests.web.asserting import refused
from tests.web.serving import until

VECTORS, PICTURES = "/v1/collections/vectors", "/v1/collections/pictures"
DIMS, N_BITS, N = 8, 32, 40
GIVEN = np.random.default_rng(0).standard_normal((N, DIMS)).astype(np.float32)
TEXTS = ["sort a list", "parse a date", "draw a graph", "read a file"]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def vectors(client: TestClient) -> TestClient:
    """A client of a service with a collection of vectors, every other with a text."""
    body = {"kind": "embedding", "dims": DIMS, "n_bits": N_BITS}
    assert client.put(VECTORS, json=body).status_code == 201
    documents: list[dict[str, Any]] = [
        {"id": f"d{i}", "vector": vector, "metadata": {"even": i % 2 == 0}} for i, vector in enumerate(GIVEN.tolist())
    ]
    for i, document in enumerate(documents[::2]):
        document["text"] = TEXTS[i % len(TEXTS)]
    assert client.post(f"{VECTORS}/documents", json={"documents": documents}).status_code == 201
    until(client, "/readyz", 200)
    return client


@pytest.fixture
def pictures(client: TestClient) -> TestClient:
    """A client of a service with a collection of pictures, from dark to bright."""
    assert client.put(PICTURES, json={"kind": "image", "n_bits": N_BITS}).status_code == 201
    documents = [{"id": f"d{i}", "image": b64(png(i * 25)), "metadata": {"n": i}} for i in range(10)]
    assert client.post(f"{PICTURES}/documents", json={"documents": documents}).status_code == 201
    until(client, "/readyz", 200)
    return client


def ask(client: TestClient, path: str, body: dict[str, Any] | None = None, **options: Any) -> Any:
    """The answer to a query, or the answers to many."""
    if body is None:
        response = client.get(path, params={"at_least_seq": 1, **options})
    else:
        response = client.post(path, json={"at_least_seq": 1, **body, **options})
    assert response.status_code == 200, response.text
    found = response.json()
    return found.get("answers", found)


def codes_of(contents: Contents, kind: Any) -> Any:
    return untrained_hash_function(N_BITS, kind=kind, dims=DIMS).encode(contents).codes


def test_the_nearest_vectors_are_those_of_the_nearest_codes(vectors: TestClient) -> None:
    asked = np.random.default_rng(1).standard_normal((20, DIMS)).astype(np.float32)
    codes = codes_of([Embedding(vector, keep="float16") for vector in GIVEN], "embedding")
    forms = [vector.tolist() if i % 2 else b64(vector.astype("<f4").tobytes()) for i, vector in enumerate(asked)]
    answers = ask(vectors, f"{VECTORS}/similar", {"vectors": forms}, k=N)
    for vector, answer in zip(asked, answers, strict=True):
        (code,) = codes_of([Embedding(vector, keep="float16")], "embedding")
        distances = hamming_distance(codes, code)
        order = np.argsort(distances, kind="stable")
        assert answer["code"] == code.tobytes().hex()
        assert [(m["id"], m["distance"]) for m in answer["matches"]] == [(f"d{i}", distances[i]) for i in order]
        assert not any("vector" in match for match in answer["matches"])


def test_a_vector_finds_its_document_at_distance_zero_however_it_is_kept(client: TestClient) -> None:
    for keep in ("float32", "float16", "int8"):
        path = f"/v1/collections/{keep}"
        client.put(path, json={"kind": "embedding", "dims": DIMS, "n_bits": 256, "keep": keep})
        documents = [{"id": f"d{i}", "vector": vector} for i, vector in enumerate(GIVEN.tolist())]
        client.post(f"{path}/documents", json={"documents": documents})
        for i, answer in enumerate(ask(client, f"{path}/similar", {"vectors": GIVEN.tolist()}, k=1)):
            assert [(m["id"], m["distance"]) for m in answer["matches"]] == [(f"d{i}", 0)]


def test_a_stored_vector_a_vector_and_a_code_ask_the_same(vectors: TestClient) -> None:
    by_vector = ask(vectors, f"{VECTORS}/similar", {"vectors": GIVEN[3:4].tolist()}, k=6)[0]
    by_code = ask(vectors, f"{VECTORS}/similar", code=by_vector["code"], k=6)
    (among_many,) = ask(vectors, f"{VECTORS}/similar", {"codes": [by_vector["code"].upper()]}, k=6)
    by_id = ask(vectors, f"{VECTORS}/documents/d3/similar", k=5)
    assert by_vector["matches"] == by_code["matches"] == among_many["matches"]
    assert by_vector["matches"][1:] == by_id["matches"]
    assert by_id["code"] == by_code["code"] == by_vector["code"]
    assert by_code["known"] is None


def test_the_code_of_a_text_asks_as_the_text_does(client: TestClient) -> None:
    client.put("/v1/collections/texts")
    client.post("/v1/collections/texts/documents", json={"documents": [{"text": text} for text in TEXTS]})
    by_text = ask(client, "/v1/collections/texts/similar", q="sort a file")
    by_code = ask(client, "/v1/collections/texts/similar", code=by_text["code"], explain=True)
    assert [match["distance"] for match in by_code["matches"]] == [match["distance"] for match in by_text["matches"]]


def test_filters_groups_and_diversity_hold_for_vectors(vectors: TestClient) -> None:
    (answer,) = ask(
        vectors, f"{VECTORS}/similar", {"vectors": GIVEN[:1].tolist()}, filter={"even": False}, facets="even"
    )
    assert {match["metadata"]["even"] for match in answer["matches"]} == {False}
    assert answer["facets"]["even"]["values"] == [{"value": False, "count": N // 2}]
    (answer,) = ask(vectors, f"{VECTORS}/similar", {"vectors": GIVEN[:1].tolist()}, group_by="even", k=2)
    assert sorted(group["value"] for group in answer["groups"]) == [False, True]
    (answer,) = ask(vectors, f"{VECTORS}/similar", {"vectors": GIVEN[:1].tolist()}, diversity=0.5)
    assert len(answer["matches"]) == 10


@pytest.mark.parametrize("k", [5, 30])
def test_reranked_vectors_are_in_the_order_of_their_cosine(vectors: TestClient, k: int) -> None:
    asked = np.random.default_rng(2).standard_normal(DIMS)
    unit = GIVEN / np.linalg.norm(GIVEN, axis=1, keepdims=True)
    cosines = unit @ (asked / np.linalg.norm(asked))
    best = [f"d{i}" for i in np.argsort(-cosines)]
    options = {"rerank": "features", "shortlist": N, "k": k}
    (answer,) = ask(vectors, f"{VECTORS}/similar", {"vectors": [asked.tolist()]}, **options)
    assert [match["id"] for match in answer["matches"]] == best[:k]
    assert [match["score"] for match in answer["matches"]] == pytest.approx(np.sort(cosines)[::-1][:k], abs=2e-3)
    assert answer["work"]["reranked"] == N
    by_id = ask(vectors, f"{VECTORS}/documents/d3/similar", **options)
    assert [match["id"] for match in by_id["matches"]] == [f"d{i}" for i in np.argsort(-unit @ unit[3])][1 : k + 1]


def test_a_search_among_vectors_finds_words_and_with_vectors_both(vectors: TestClient) -> None:
    words = ask(vectors, f"{VECTORS}/search", q="date", highlight=True)
    assert {match["text"] for match in words["matches"]} == {"parse a date"}
    assert {match["distance"] for match in words["matches"]} == {None}
    assert words["code"] is None
    assert words["matches"][0]["highlight"]["marks"] == [[8, 12]]
    body = {"queries": ["date"], "vectors": GIVEN[:1].tolist()}
    (by_code,) = ask(vectors, f"{VECTORS}/search", body, rank="code", k=N)
    assert by_code["matches"][0]["id"] == "d0"
    (both,) = ask(vectors, f"{VECTORS}/search", body, k=N)
    assert both["matches"][0]["text"] == "parse a date"
    assert both["code"] is not None
    assert all(match["distance"] is not None for match in both["matches"])


def test_vectors_are_recommended_from_stored_ones(vectors: TestClient) -> None:
    body = {"positive": [{"id": "d0"}, {"id": "d1"}], "negative": [{"id": "d2"}]}
    for rank in ("hybrid", "code", "words"):
        answer = ask(vectors, f"{VECTORS}/recommend", body, rank=rank)
        assert answer["matches"]
        assert not {"d0", "d1", "d2"} & {match["id"] for match in answer["matches"]}


def test_explanations_of_vectors_tell_bits_and_no_words_of_vectors(vectors: TestClient) -> None:
    (answer,) = ask(vectors, f"{VECTORS}/similar", {"vectors": GIVEN[:1].tolist()}, explain=True, k=2)
    explained = answer["matches"][0]["explain"]
    assert len(explained["agreeing"]) == N_BITS
    assert all(not bit["query"] and not bit["document"] for bit in explained["strongest"])
    (both,) = ask(vectors, f"{VECTORS}/search", {"queries": ["date"], "vectors": GIVEN[:1].tolist()}, explain=True, k=2)
    assert both["matches"][0]["explain"]["words"][0]["found"] == "date"
    assert vectors.get(f"{VECTORS}/bits").json()["documents"] == N
    assert vectors.get(f"{VECTORS}/compare", params={"a": "d0", "b": "d1"}).json()["words"] == []


def test_pictures_find_themselves_and_others_by_id(pictures: TestClient) -> None:
    (answer,) = ask(pictures, f"{PICTURES}/similar", {"images": [b64(png(50))]}, k=3, filter={"n": {"gte": 1}})
    codes = codes_of([Image(png(i * 25)) for i in range(10)], "image")
    distances = hamming_distance(codes, codes[2])
    order = [i for i in np.argsort(distances, kind="stable") if i >= 1][:3]
    assert [(m["id"], m["distance"]) for m in answer["matches"]] == [(f"d{i}", distances[i]) for i in order]
    assert all(match.keys() == {"id", "distance", "metadata"} for match in answer["matches"])
    assert len(ask(pictures, f"{PICTURES}/documents/d1/similar")["matches"]) == 9
    assert len(ask(pictures, f"{PICTURES}/recommend", {"positive": [{"id": "d1"}]})["matches"]) == 9
    assert ask(pictures, f"{PICTURES}/similar", code=answer["code"], explain=True)["matches"]
    assert pictures.get(f"{PICTURES}/bits").json()["documents"] == 10
    assert pictures.get(f"{PICTURES}/compare", params={"a": "d0", "b": "d1"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"texts": ["a"]}, "texts cannot be asked of a collection of kind embedding: ask by vectors, by codes, or by"),
        ({"images": [b64(png())]}, "images cannot be asked of a collection of kind embedding"),
        ({"vectors": [[1, 2, 3]]}, "vectors[0]: vector must have 8 entries in this collection, got 3"),
        ({"vectors": [[1] * 8] * 20 + [[0] * 8]}, "vectors[20]: vector must not be zero"),
        ({"vectors": [[1] * 8], "k": 0}, "k"),
        ({"vectors": [[1] * 8] * 200, "k": 1000}, "vectors times k must be at most"),
        ({"vectors": []}, "vectors"),
        ({"vectors": [[1] * 8], "codes": ["00000000"]}, "must have one of texts, vectors, images, codes"),
        ({}, "must have one of texts, vectors, images, codes"),
        ({"codes": ["0000"]}, "codes[0] must be 8 hexadecimal digits, as wide as the 32 bits"),
        ({"codes": ["000"]}, "codes"),
        ({"codes": ["zzzzzzzz"]}, "codes"),
        ({"codes": ["00000000"], "rerank": "features"}, "rerank=features is not for codes"),
        ({"codes": ["00000000"], "rerank": "confidence"}, "rerank=confidence is not for codes"),
        ({"codes": ["00000000"], "ties": "confidence"}, "ties=confidence is not for codes"),
    ],
)
def test_what_vectors_cannot_be_asked_is_refused(vectors: TestClient, body: dict[str, Any], reason: str) -> None:
    response = vectors.post(f"{VECTORS}/similar", json=body)
    assert response.status_code == 422, response.text
    assert reason in response.text


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("search", {"queries": ["a"], "rank": "code"}, "rank=code must come with vectors"),
        ("search", {"queries": ["a"], "radius": 3}, "radius must come with vectors"),
        ("search", {"queries": ["a", "b"], "vectors": [[1] * 8]}, "vectors must be as many as queries, got 1 for 2"),
        ("search", {"queries": ["a"], "vectors": [["x"]]}, "vectors[0]: vector must be a list of numbers"),
        ("recommend", {"positive": [{"text": "a"}]}, "positive[0] must have an id"),
    ],
)
def test_what_a_search_among_vectors_cannot_be_asked_is_refused(
    vectors: TestClient, path: str, body: dict[str, Any], reason: str
) -> None:
    response = vectors.post(f"{VECTORS}/{path}", json=body)
    assert response.status_code == 422, response.text
    assert reason in response.json()["detail"]


def test_a_search_among_pictures_is_refused_with_what_to_do(pictures: TestClient) -> None:
    for options in ({}, {"rank": "code"}):
        response = pictures.get(f"{PICTURES}/search", params={"q": "a", **options})
        assert "ask for similar pictures" in refused(response, 422, "invalid-input")["detail"]
    for body, reason in (
        ({"images": ["AAAA"]}, "images[0]: "),
        ({"images": [b64(png())], "rerank": "features"}, "rerank=features is not for a collection of kind image"),
        ({"images": [b64(png())], "highlight": True}, "highlight is not for a collection of kind image"),
        ({"vectors": [[1]]}, "ask by images"),
    ):
        response = pictures.post(f"{PICTURES}/similar", json=body)
        assert response.status_code == 422
        assert reason in response.json()["detail"]


def test_a_query_needs_a_text_or_a_code(lite: TestClient) -> None:
    for parameters in ({}, {"q": "a", "code": "00000000"}):
        problem = refused(lite.get("/v1/collections/texts/similar", params=parameters), 422, "invalid-input")
        assert "q or code" in str(problem)
    problem = refused(lite.get("/v1/collections/texts/similar", params={"code": "00"}), 422, "invalid-input")
    assert problem["detail"].startswith("code must be 8 hexadecimal digits")
