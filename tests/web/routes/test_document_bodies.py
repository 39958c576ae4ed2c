"""Documents in a body of several parts: the same documents as in JSON, and nothing that JSON would not bring."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from tests.hashing.pictures import PNG, png
from tests.web.asserting import refused

VECTORS, PICTURES = "/v1/collections/vectors", "/v1/collections/pictures"
ROWS = np.random.default_rng(0).integers(-50, 50, (5, 8)).astype(np.float32)


@pytest.fixture
def vectors(client: TestClient) -> TestClient:
    """A client of a service with an empty collection of vectors."""
    assert client.put(VECTORS, json={"kind": "embedding", "dims": 8, "n_bits": 32}).status_code == 201
    return client


def npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def post(client: TestClient, collection: str, documents: object = None, **parts: Any) -> Any:
    files = [
        (name, ("file", part))
        for name, given in parts.items()
        for part in ([given] if isinstance(given, bytes) else given)
    ]
    if documents is not None:
        files.append(("documents", ("file", json.dumps({"documents": documents}).encode())))
    return client.post(f"{collection}/documents", files=files)


def listed(client: TestClient, collection: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(f"{collection}/documents").json()["items"]
    return items


@pytest.mark.parametrize("entries", ["<f4", ">f4", "<f2", "<f8", "i1", "<i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_vectors_of_any_numbers_are_stored_as_from_json(vectors: TestClient, entries: str, order: Any) -> None:
    about = [{"id": f"v{i}", "text": f"text {i}", "metadata": {"n": i}} for i in range(5)]
    put = post(vectors, VECTORS, about, vectors=npy(np.array(ROWS, entries, order=order)))
    assert put.status_code == 201, put.text
    assert [one["id"] for one in put.json()["documents"]] == [one["id"] for one in about]
    stored = listed(vectors, VECTORS)
    for document, given, row in zip(stored, about, ROWS, strict=True):
        assert document.items() >= given.items()
        assert np.frombuffer(base64.b64decode(document["vector"]), "<f4").tolist() == row.tolist()
    same = [one | {"vector": row.tolist()} for one, row in zip(about, ROWS, strict=True)]
    again = vectors.post(f"{VECTORS}/documents", json={"documents": same})
    assert again.status_code == 200
    assert not any(one["changed"] for one in again.json()["documents"])


def test_vectors_without_documents_are_given_ids(vectors: TestClient) -> None:
    put = post(vectors, VECTORS, vectors=npy(ROWS))
    assert put.status_code == 201, put.text
    assert {one["id"] for one in put.json()["documents"]} == {one["id"] for one in listed(vectors, VECTORS)}


def test_pictures_come_as_they_are(client: TestClient) -> None:
    client.put(PICTURES, json={"kind": "image", "n_bits": 32})
    pictures = [PNG, png(8, 9)]
    put = post(client, PICTURES, [{"id": "a", "metadata": {"n": 1}}, {"id": "b"}], images=pictures)
    assert put.status_code == 201, put.text
    assert [base64.b64decode(one["image"]) for one in listed(client, PICTURES)] == pictures
    assert post(client, PICTURES, images=pictures).status_code == 201
    answer = post(client, PICTURES, images=[PNG, PNG[:20]])
    assert "documents[1]" in refused(answer, 422, "invalid-content")["detail"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "must have a part named vectors, or parts named images"),
    ({"vectors": npy(ROWS), "images": PNG}, "must have a part named vectors, or parts named images"),
    ({"vectors": npy(ROWS), "other": b"x"}, "must be named documents, vectors or images, got 'other'"),
    ({"vectors": [npy(ROWS), npy(ROWS)]}, "must have one part named vectors, got 2"),
    ({"vectors": b"x"}, "vectors is not a .npy file that can be read"),
    ({"vectors": npy(ROWS)[:-1]}, "vectors must have 160 bytes of entries, as its head says, got 159"),
    ({"vectors": npy(ROWS) + b"x"}, "vectors must have 160 bytes of entries, as its head says, got 161"),
    ({"vectors": npy(ROWS[:0])}, "vectors must be 1 to 1000 per request, got 0"),
    ({"vectors": npy(np.ones((1_001, 8)))}, "vectors must be 1 to 1000 per request, got 1001"),
    ({"vectors": npy(ROWS[0])}, "vectors must be an array of 2 dimensions"),
    ({"vectors": npy(ROWS * 1j)}, "vectors must hold real numbers, its type is complex64"),
    ({"vectors": npy(ROWS[:, :7])}, "documents[0]: vector must have 8 entries in this collection, got 7"),
    (
        {"vectors": npy(np.where(np.arange(5)[:, None] == 3, np.nan, ROWS))},
        "documents[3]: vector must have",
    ),
    ({"vectors": npy(ROWS), "documents": [{"id": "a"}]}, "documents must be as many as vectors, got 1 and 5"),
    (
        {"vectors": npy(ROWS[:1]), "documents": [{"vector": [1]}]},
        "documents[0]: vector must not be given",
    ),
    ({"vectors": npy(ROWS[:2]), "documents": [{"id": "a"}, {"id": "a"}]}, "ids must be unique"),
    ({"vectors": npy(ROWS[:1]), "documents": [{"id": "a", "metadata": {"n": 1 << 70}}]}, "documents[0].metadata.n"),
]


@pytest.mark.parametrize(("parts", "reason"), BAD)
def test_what_does_not_fit_is_refused_whole(vectors: TestClient, parts: dict[str, Any], reason: str) -> None:
    answer = (
        post(vectors, VECTORS, **parts)
        if parts
        else vectors.post(
            f"{VECTORS}/documents", content=b"--b--", headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
    )
    assert answer.status_code == 422, answer.text
    assert reason in answer.json()["detail"]
    assert listed(vectors, VECTORS) == []


def test_a_part_that_is_no_json_is_refused(vectors: TestClient) -> None:
    files = [("vectors", ("v", npy(ROWS))), ("documents", ("d", b"{"))]
    assert vectors.post(f"{VECTORS}/documents", files=files).status_code == 400
    files[1] = ("documents", ("d", b'{"documents": [{"id": ""}]}'))
    assert vectors.post(f"{VECTORS}/documents", files=files).status_code == 422
