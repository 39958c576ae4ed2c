"""Vectors of a second embedding model: put beside the first ones, learned from, promoted, rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.web.asserting import refused
from tests.web.conftest import Start, running

VECTORS = "/v1/collections/vectors"
DIMS, NEW_DIMS, N = 8, 6, 12
OLD, NEW = (
    np.random.default_rng(seed).standard_normal((N + 5, dims)).astype(np.float32).tolist()
    for seed, dims in ((1, DIMS), (2, NEW_DIMS))
)


@pytest.fixture
def client(url: str, start: Start) -> TestClient:
    """A client of a service that trains on ten documents, and a collection of twelve vectors."""
    return filled(start(url, min_train_documents=10))


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The same on SQLite alone, with a vector of each of two models for every document: for refusals."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path_factory.mktemp('refusing')}/nearbit.db"
        client = filled(running(stack, url, min_train_documents=10))
        put_new(client, *range(N))
        yield client


def filled(client: TestClient) -> TestClient:
    body = {"kind": "embedding", "dims": DIMS, "n_bits": 32, "model": "v1"}
    assert client.put(VECTORS, json=body).status_code == 201
    put(client, *range(N))
    return client


def put(client: TestClient, *numbers: int, **members: Any) -> Any:
    documents = [{"id": f"d{i}", "vector": OLD[i]} | members for i in numbers]
    response = client.post(f"{VECTORS}/documents", json={"documents": documents})
    assert response.status_code in (200, 201), response.text
    return response.json()


def put_new(client: TestClient, *numbers: int, **members: Any) -> Any:
    vectors = [{"id": f"d{i}", "vector": NEW[i]} for i in numbers]
    response = client.post(f"{VECTORS}/vectors", json={"model": "v2", "dims": NEW_DIMS, "vectors": vectors} | members)
    assert response.status_code == 200, response.text
    return response.json()


def models(client: TestClient) -> dict[str, Any]:
    items = client.get(f"{VECTORS}/models").json()["items"]
    return {one["name"]: (one["documents"], one["active"], one["spaces"]) for one in items}


def test_vectors_of_a_new_model_lie_beside_the_old_ones_in_any_order_and_again(client: TestClient) -> None:
    assert models(client) == {"v1": (N, True, [1])}
    first = put_new(client, 3, 1)
    assert (first["model"], first["changed"], first["missing"]) == ("v2", 2, [])
    assert put_new(client, 1, 2, 14)["missing"] == ["d14"]
    assert put_new(client, 1, 2, dims=None)["changed"] == 0
    assert models(client) == {"v1": (N, True, [1]), "v2": (3, False, [])}
    shown = client.get(f"{VECTORS}/models").json()["items"][1]
    assert (shown["dims"], shown["share"]) == (NEW_DIMS, 3 / N)


def test_vectors_of_another_model_change_no_document_and_no_answer(client: TestClient) -> None:
    before = client.get(f"{VECTORS}/documents/d1").json()
    answer = client.get(f"{VECTORS}/documents/d1/similar", params={"at_least_seq": 1}).json()
    seq = put_new(client, *range(N))["seq"]
    after = client.get(f"{VECTORS}/documents/d1").json()
    assert after.pop("vectors").keys() == {"v1", "v2"}
    assert after == {name: value for name, value in before.items() if name != "vector"}
    again = client.get(f"{VECTORS}/documents/d1/similar", params={"at_least_seq": seq}).json()
    assert again["matches"] == answer["matches"]


def test_what_is_shown_of_a_document_with_two_vectors_can_be_put_again(client: TestClient) -> None:
    put_new(client, 1)
    shown = client.get(f"{VECTORS}/documents/d1").json()
    document = {name: shown[name] for name in ("id", "vectors", "metadata")}
    response = client.post(f"{VECTORS}/documents", json={"documents": [document]})
    assert response.json()["documents"][0]["changed"] is False
    for path, body in (("documents", None), ("documents/get", {"ids": ["d1"]})):
        found = client.get(f"{VECTORS}/{path}") if body is None else client.post(f"{VECTORS}/{path}", json=body)
        assert [one["vectors"] for one in found.json()["items"] if one["id"] == "d1"] == [shown["vectors"]]


def test_a_document_that_is_put_again_keeps_its_other_vectors_only_if_its_content_is_the_same(
    client: TestClient,
) -> None:
    put_new(client, *range(N))
    assert put(client, 1, metadata={"a": 1})["documents"][0]["changed"] is False
    assert put(client, 2, text="another text")["documents"][0]["changed"] is True
    assert put(client, 3, vector=OLD[14])["documents"][0]["changed"] is True
    assert models(client)["v2"][0] == N - 2
    assert put(client, 4, vector=None, vectors={"v1": OLD[14], "v2": NEW[14]})["documents"][0]["changed"] is True
    assert models(client)["v2"][0] == N - 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"model": "v3"}, "dims must be given with the first vectors of a model, and 'v3' is new"),
        ({"model": "v3", "dims": 7}, "vectors[0]: vector must have 7 entries in this collection, got 6"),
        ({"dims": 7}, "dims must be 6, as the model 'v2' has, got 7"),
        ({"vectors": [{"id": "d1", "vector": NEW[1]}, {"id": "d2", "vector": OLD[1]}]}, "vectors[1]: vector must have"),
        ({"vectors": [{"id": "d1", "vector": [0] * NEW_DIMS}]}, "vectors[0]: vector must not be zero"),
        ({"vectors": [{"id": "d1", "vector": NEW[1]}] * 2}, "ids must be unique within a batch"),
        ({"vectors": []}, "vectors"),
        ({"model": "a b"}, "model"),
        ({"vectors": [{"id": "d1"}]}, "vector"),
    ],
)
def test_vectors_that_are_of_no_model_are_refused(refusing: TestClient, body: dict[str, Any], reason: str) -> None:
    response = refusing.post(
        f"{VECTORS}/vectors", json={"model": "v2", "vectors": [{"id": "d1", "vector": NEW[1]}]} | body
    )
    assert response.status_code == 422
    assert reason in response.text
    assert models(refusing) == {"v1": (N, True, [1]), "v2": (N, False, [])}


def test_collections_of_texts_have_no_models(refusing: TestClient) -> None:
    refusing.put("/v1/collections/texts")
    body = {"model": "v1", "dims": 2, "vectors": [{"id": "a", "vector": [1, 2]}]}
    response = refusing.post("/v1/collections/texts/vectors", json=body)
    assert refused(response, 422, "invalid-input")["detail"] == "vectors are for kind embedding only, got kind text"
    assert refusing.get("/v1/collections/texts/models").json() == {"items": []}
    response = refusing.post("/v1/collections/texts/retrain", json={"model": "v1"})
    assert "model is for kind embedding only" in refused(response, 422, "invalid-input")["detail"]
    response = refusing.get("/v1/collections/texts/similar", params={"q": "a", "model": "v1"})
    assert "model is for collections of kind embedding" in refused(response, 422, "invalid-input")["detail"]


def test_a_retrain_needs_a_model_and_enough_vectors_of_it(client: TestClient) -> None:
    put_new(client, *range(9))
    refused(client.post(f"{VECTORS}/retrain", json={"model": "v3"}), 404, "not-found")
    problem = refused(client.post(f"{VECTORS}/retrain", json={"model": "v2"}), 422, "too-few-documents")
    assert (problem["needed"], problem["found"]) == (10, 9)
    put_new(client, 9)
    assert client.post(f"{VECTORS}/retrain", json={"model": "v2"}).status_code == 202


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("similar", {"vectors": [OLD[0]]}),
        ("similar", {"codes": ["00000000"]}),
        ("search", {"queries": ["a"], "vectors": [OLD[0]]}),
        ("recommend", {"positive": [{"id": "d1"}]}),
    ],
)
def test_a_query_of_another_model_than_the_active_one_is_a_conflict(
    refusing: TestClient, path: str, body: dict[str, Any]
) -> None:
    assert refusing.post(f"{VECTORS}/{path}", json=body).status_code == 200
    assert refusing.post(f"{VECTORS}/{path}", json=body | {"model": "v1"}).status_code == 200
    new = body | ({"vectors": [NEW[0]]} if "vectors" in body else {})
    problem = refused(refusing.post(f"{VECTORS}/{path}", json=new | {"model": "v2"}), 409, "other-model")
    assert (problem["model"], problem["active"]) == ("v2", "v1")
    response = refusing.post(f"{VECTORS}/{path}", json=body | {"model": "v3"})
    assert (
        "model must be one of the collection's, v1, v2, got 'v3'" in refused(response, 422, "invalid-content")["detail"]
    )


def test_a_query_without_a_model_is_of_the_oldest_of_its_width(refusing: TestClient) -> None:
    response = refusing.post(f"{VECTORS}/similar", json={"vectors": [NEW[0]]})
    assert refused(response, 409, "other-model")["model"] == "v2"
    response = refusing.post(f"{VECTORS}/similar", json={"vectors": [[1, 2, 3]]})
    assert "8 of model v1, 6 of model v2" in refused(response, 422, "invalid-content")["detail"]
    response = refusing.get(f"{VECTORS}/documents/d1/similar", params={"model": "v2"})
    refused(response, 409, "other-model")
