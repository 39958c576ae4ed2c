"""Documents in other bodies than JSON: the same documents as in JSON, and nothing that JSON would not bring."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
        for name, contents in parts.items()
        for part in ([contents] if isinstance(contents, bytes) else contents)
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
    for document, expected, row in zip(stored, about, ROWS, strict=True):
        assert document.items() >= expected.items()
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


def put_file(client: TestClient, content: bytes) -> Any:
    return client.post(f"{VECTORS}/documents", content=content, headers={"Content-Type": "application/x-npy"})


def with_ids(
    ids: list[Any], id_type: str, vector_type: str = "<f4", fields: tuple[str, str] = ("id", "vector")
) -> bytes:
    array = np.empty(len(ids), dtype=[(fields[0], id_type), (fields[1], vector_type, (8,))])
    array[fields[0]], array[fields[1]] = ids, ROWS[: len(ids)]
    return npy(array)


@pytest.mark.parametrize(
    ("ids", "id_type", "expected"),
    [
        (["ä/1", "b"], "<U8", ["ä/1", "b"]),
        (["ä".encode(), b"b"], "S4", ["ä", "b"]),
        ([7, -8], "<i8", ["7", "-8"]),
    ],
)
def test_a_file_of_numpy_is_a_body_with_the_ids_that_it_names(
    vectors: TestClient, ids: list[Any], id_type: str, expected: list[str]
) -> None:
    put = put_file(vectors, with_ids(ids, id_type))
    assert put.status_code == 201, put.text
    stored = listed(vectors, VECTORS)
    assert [one["id"] for one in stored] == expected
    assert [np.frombuffer(base64.b64decode(one["vector"]), "<f4").tolist() for one in stored] == ROWS[:2].tolist()


def test_a_file_of_vectors_alone_is_given_ids(vectors: TestClient) -> None:
    put = put_file(vectors, npy(ROWS))
    assert put.status_code == 201, put.text
    assert {one["id"] for one in put.json()["documents"]} == {one["id"] for one in listed(vectors, VECTORS)}


BAD_FILES = [
    (b"", "not a .npy file that can be read"),
    (npy(ROWS)[:-1], "must have 160 bytes of entries, as its head says, got 159"),
    (npy(ROWS[:0]), "must have 1 to 1000 vectors per request, got 0"),
    (npy(ROWS[:, :7]), "vector must have 8 entries in this collection, got 7"),
    (
        with_ids(["a"], "<U1", fields=("key", "vector")),
        "must have the fields id and vector, its fields are key, vector",
    ),
    (with_ids([1.5], "<f8"), "must hold texts or integers, its type is float64"),
    (with_ids(["a", ""], "<U1"), "id of the body, ''"),
    (with_ids(["a", "x/.."], "<U4"), "id of the body, 'x/..'"),
    (with_ids([b"a", b"\xff"], "S1"), "must be valid Unicode"),
    (with_ids(["a"], "<U1", "<c8"), "must hold real numbers, its type is complex64"),
    (
        with_ids(["a"], "<U1").replace("a".encode("utf-32-le"), b"\xff\xff\xff\x7f"),
        "must be valid Unicode, got character",
    ),
    (npy(np.empty(3, dtype=[("id", "U0"), ("vector", "f4", (0,))])), "must hold vectors of 1 or more numbers"),
]


@pytest.mark.parametrize(("content", "reason"), BAD_FILES)
def test_a_file_that_does_not_fit_is_refused_whole(vectors: TestClient, content: bytes, reason: str) -> None:
    answer = put_file(vectors, content)
    assert answer.status_code == 422, answer.text
    assert reason in answer.json()["detail"]
    assert listed(vectors, VECTORS) == []


@pytest.mark.filterwarnings("ignore:Reading .*required additional header parsing")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_refused_or_read_and_nothing_else(vectors: TestClient, data: st.DataObject) -> None:
    file = bytearray(data.draw(st.sampled_from([npy(ROWS), with_ids(["a", "b"], "<U3")])))
    for _ in range(data.draw(st.integers(1, 4))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    assert put_file(vectors, bytes(file[: data.draw(st.integers(0, len(file)))])).status_code in (200, 201, 422)
