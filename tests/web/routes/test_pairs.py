from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.web.asserting import refused
from tests.web.conftest import Start

PAIRS = "/v1/collections/texts/pairs"


@pytest.fixture
def client(url: str, start: Start) -> TestClient:
    client = start(url)
    assert client.put("/v1/collections/texts").status_code == 201
    documents = [{"id": f"d{i}", "text": f"text number {i}"} for i in range(5)]
    assert client.post("/v1/collections/texts/documents", json={"documents": documents}).status_code == 201
    return client


def post(client: TestClient, *pairs: tuple[str, str, bool]) -> Any:
    return client.post(PAIRS, json={"pairs": [{"a": a, "b": b, "similar": similar} for a, b, similar in pairs]})


def listed(client: TestClient, **params: Any) -> Any:
    page = client.get(PAIRS, params=params).json()
    return [(pair["a"], pair["b"], pair["similar"]) for pair in page["items"]], page["next_cursor"]


def test_pairs_are_kept_listed_and_deleted(client: TestClient) -> None:
    assert post(client, ("d1", "d0", True), ("d2", "d3", False)).json() == {"n_pairs": 2}
    assert post(client, ("d0", "d1", False), ("d4", "d2", True)).json() == {"n_pairs": 3}
    whole = [("d0", "d1", False), ("d2", "d3", False), ("d2", "d4", True)]
    assert listed(client) == (whole, None)
    first, cursor = listed(client, limit=2)
    assert first + listed(client, cursor=cursor)[0] == whole
    assert client.delete(PAIRS, params={"a": "d3", "b": "d2"}).status_code == 204
    assert listed(client)[0] == [whole[0], whole[2]]
    refused(client.delete(PAIRS, params={"a": "d3", "b": "d2"}), 404, "not-found")
    assert client.delete(PAIRS).status_code == 204
    assert listed(client) == ([], None)


def test_pairs_that_mean_nothing_are_refused_and_none_is_kept(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = refused(post(client, ("d0", "d1", True), ("d0", "gone", True), ("d1", "d1", True)), 422, "invalid-input")
    assert problem["errors"] == [
        {"where": "body.pairs.1", "rule": "there is no document 'gone'"},
        {"where": "body.pairs.2", "rule": "a and b must differ, got 'd1' twice"},
    ]
    for body in (
        {},
        {"pairs": []},
        {"pairs": [{"a": "d0", "b": "d1"}]},
        {"pairs": [{"a": "d0", "b": 1, "similar": True}]},
    ):
        refused(client.post(PAIRS, json=body), 422, "invalid-input")
    refused(client.delete(PAIRS, params={"a": "d0"}), 422, "invalid-input")
    refused(client.get("/v1/collections/none/pairs"), 404, "not-found")
    monkeypatch.setattr("service.ingest.pairs.MAX_PAIRS", 1)
    refused(post(client, ("d0", "d1", True), ("d0", "d2", True)), 422, "invalid-input")
    assert listed(client) == ([], None)
