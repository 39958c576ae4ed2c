"""Collections of vectors and of pictures: what they take in, and what they refuse."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.hashing.pictures import PNG, png
from tests.web.asserting import refused

VECTORS, PICTURES = "/v1/collections/vectors", "/v1/collections/pictures"
DIMS = 8


@pytest.fixture
def vectors(client: TestClient) -> TestClient:
    """A client of a service with an empty collection of vectors."""
    body = {"kind": "embedding", "dims": DIMS, "n_bits": 32}
    assert client.put(VECTORS, json=body).status_code == 201
    return client


@pytest.fixture
def pictures(client: TestClient) -> TestClient:
    """A client of a service with an empty collection of pictures."""
    assert client.put(PICTURES, json={"kind": "image", "n_bits": 32}).status_code == 201
    return client


def some_vectors(n: int, seed: int = 0) -> list[list[float]]:
    """Random vectors."""
    found: list[list[float]] = np.random.default_rng(seed).standard_normal((n, DIMS)).astype(np.float32).tolist()
    return found


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def put(client: TestClient, collection: str, *documents: dict[str, Any]) -> Any:
    return client.post(f"{collection}/documents", json={"documents": documents})


def test_a_collection_of_vectors_shows_what_its_vectors_are(client: TestClient) -> None:
    body = {"kind": "embedding", "dims": DIMS, "metric": "cosine", "model": "v1", "keep": "int8", "n_bits": 32}
    created = client.put(VECTORS, json=body)
    assert created.status_code == 201
    assert created.json().items() >= body.items()
    assert client.put(VECTORS, json=body).status_code == 200
    assert client.get(VECTORS).json().items() >= body.items()
    assert client.get("/v1/collections").json()["items"] == [created.json()]
    for name, other in (("dims", 9), ("model", "v2"), ("keep", "float16")):
        answer = client.put(VECTORS, json=body | {name: other})
        assert (
            f"exists with {name} = {body[name]}, asked for {other}"
            in refused(answer, 409, "collection-differs")["detail"]
        )


def test_a_collection_of_texts_says_nothing_of_vectors(client: TestClient) -> None:
    assert client.put("/v1/collections/texts").json().keys() == {"name", "kind", "n_bits", "seq", "created_at"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"kind": "embedding"}, "dims must be given for kind embedding"),
        ({"dims": 3}, "dims is for kind embedding only, got kind text"),
        ({"kind": "text", "model": "v1"}, "model is for kind embedding only"),
        ({"kind": "image", "keep": "int8"}, "keep is for kind embedding only"),
        ({"kind": "image", "language": "en"}, "language is not for a collection of kind image"),
        ({"kind": "embedding", "dims": 0}, "dims"),
        ({"kind": "embedding", "dims": 3, "metric": "euclidean"}, "metric"),
        ({"kind": "embedding", "dims": 3, "model": "a b"}, "model"),
        ({"kind": "embedding", "dims": 3, "keep": "bits"}, "keep"),
        ({"kind": "sound"}, "kind"),
    ],
)
def test_settings_that_do_not_fit_the_kind_are_refused_by_name(
    lite: TestClient, body: dict[str, Any], reason: str
) -> None:
    answer = lite.put("/v1/collections/refused", json=body)
    refused(answer, 422, "invalid-input")
    assert reason in answer.text
    assert lite.get("/v1/collections/refused").status_code == 404


def test_a_vector_comes_back_in_a_form_in_which_it_can_be_put_again(vectors: TestClient) -> None:
    vector = some_vectors(1)[0]
    first = put(vectors, VECTORS, {"id": "a", "vector": vector, "text": "a text", "title": "a title"})
    assert first.status_code == 201, first.text
    document = vectors.get(f"{VECTORS}/documents/a").json()
    assert document["text"] == "a text"
    assert document["title"] == "a title"
    back = np.frombuffer(base64.b64decode(document["vector"]), "<f4")
    assert np.abs(back - vector).max() < 2e-3
    again = put(vectors, VECTORS, {name: document[name] for name in ("id", "vector", "text", "title")})
    assert again.json()["documents"][0].items() >= {"created": False, "changed": False, "known": True}.items()
    for changed in ({"vector": vector[::-1]}, {"vector": vector, "text": "another"}, {"vector": vector}):
        assert put(vectors, VECTORS, {"id": "a"} | changed).json()["documents"][0]["changed"] is True
    assert "text" not in vectors.get(f"{VECTORS}/documents/a").json()


def test_a_picture_comes_back_as_it_was_put(pictures: TestClient) -> None:
    assert put(pictures, PICTURES, {"id": "a", "image": b64(PNG), "metadata": {"n": 1}}).status_code == 201
    (listed,) = pictures.get(f"{PICTURES}/documents").json()["items"]
    assert listed == pictures.get(f"{PICTURES}/documents/a").json()
    assert (base64.b64decode(listed["image"]), listed["metadata"]) == (PNG, {"n": 1})
    assert not listed.keys() & {"text", "title", "vector"}
    assert put(pictures, PICTURES, {"id": "a", "image": b64(png(9))}).json()["documents"][0]["changed"] is True


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "vector is missing: the collection is of kind embedding"),
        ({"text": "a"}, "vector is missing: the collection is of kind embedding"),
        ({"vector": [1, 2, 3]}, "vector must have 8 entries in this collection, got 3"),
        ({"vector": [0] * 8}, "vector must not be zero"),
        ({"vector": "AAAA"}, "got 3 bytes"),
        ({"vector": "?"}, "or base64"),
        ({"vector": [1] * 7 + ["1"]}, "entry 7 is a text"),
        ({"vector": [1] * 8, "image": "AAAA"}, "image is not for a collection of kind embedding"),
        ({"vector": [1] * 8, "text": " "}, "text must hold at least one character"),
        ({"vector": [1] * 8, "text": "a\x00"}, "NUL"),
    ],
)
def test_a_document_that_is_no_vector_of_the_collection_is_refused_with_its_place(
    vectors: TestClient, given: dict[str, Any], reason: str
) -> None:
    documents = [{"vector": vector} for vector in some_vectors(1)]
    detail = refused(put(vectors, VECTORS, *documents, given), 422, "invalid-content")["detail"]
    assert detail.startswith("documents[1]: ")
    assert reason in detail
    assert vectors.get(VECTORS).json()["n_documents"] == 0


def test_numbers_that_json_does_not_have_are_no_vector(vectors: TestClient) -> None:
    for number in ("NaN", "Infinity", "1e400", "9" * 400):
        body = f'{{"documents": [{{"vector": [{", ".join(["1"] * 7 + [number])}]}}]}}'
        answer = vectors.post(f"{VECTORS}/documents", content=body, headers={"content-type": "application/json"})
        refused(answer, 422, "invalid-content")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"text": "a"}, "image is missing: the collection is of kind image"),
        ({"image": "no base64"}, "image must be standard base64"),
        ({"image": "AAAA"}, "PNG or JPEG"),
        ({"image": b64(PNG), "title": "a"}, "title is not for a collection of kind image"),
    ],
)
def test_a_document_that_is_no_picture_is_refused(pictures: TestClient, given: dict[str, Any], reason: str) -> None:
    detail = refused(put(pictures, PICTURES, given), 422, "invalid-content")["detail"]
    assert detail.startswith("documents[0]: ")
    assert reason in detail


def test_texts_do_not_take_vectors_and_pictures(lite: TestClient) -> None:
    for name, given in (("vector", [1.0]), ("image", b64(PNG))):
        answer = put(lite, "/v1/collections/texts", {name: given})
        detail = refused(answer, 422, "invalid-content")["detail"]
        assert detail.startswith(f"documents[0]: {name} is not for a collection of kind text")
    answer = put(lite, "/v1/collections/texts", {})
    assert "documents[0]: text is missing" in refused(answer, 422, "invalid-content")["detail"]


def test_pictures_have_no_word_settings(pictures: TestClient) -> None:
    detail = refused(pictures.patch(PICTURES, json={"k1": 1}), 422, "invalid-input")["detail"]
    assert "k1 is not for a collection of kind image" in detail
