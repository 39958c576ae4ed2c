from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.access.key_text import LENGTH
from tests.web.asserting import refused
from tests.web.conftest import Start

ADMIN = {"Authorization": "Bearer the admin's"}
DOCUMENTS = "/v1/collections/{}/documents"


def make(client: TestClient, *scopes: str, **members: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A key that was made, and the header with which it is sent."""
    response = client.post("/v1/keys", json={"name": "one", "scopes": scopes, **members}, headers=ADMIN)
    assert response.status_code == 201, response.text
    key: dict[str, Any] = response.json()
    return key, {"Authorization": f"Bearer {key['key']}"}


@pytest.fixture
def guarded(url: str, start: Start) -> TestClient:
    """A client, without a key, of a service with the key of an administrator and two collections."""
    client = start(url, admin_key="the admin's")
    for name in ("mine", "yours"):
        assert client.put(f"/v1/collections/{name}", json={"n_bits": 16}, headers=ADMIN).status_code == 201
        put(client, name, 1, ADMIN)
    return client


def put(client: TestClient, collection: str, n: int, headers: dict[str, str]) -> Any:
    documents = [{"id": f"{i}", "text": f"text {i}"} for i in range(n)]
    return client.post(DOCUMENTS.format(collection), json={"documents": documents}, headers=headers)


def test_a_key_is_shown_once_works_at_once_and_no_longer_when_it_is_revoked(guarded: TestClient) -> None:
    expires_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    key, header = make(guarded, "write", "read", name="for Ada", collections=["mine"], expires_at=expires_at)
    assert key["key"].startswith("nb_")
    assert len(key["key"]) == LENGTH
    assert (key["name"], key["scopes"], key["collections"]) == ("for Ada", ["read", "write"], ["mine"])
    assert guarded.get(DOCUMENTS.format("mine"), headers=header).status_code == 200
    listed = guarded.get("/v1/keys", headers=ADMIN)
    assert key["key"] not in listed.text
    assert listed.json()["items"] == [{name: key[name] for name in key if name != "key"}]
    revoked = guarded.delete(f"/v1/keys/{key['id']}", headers=ADMIN)
    assert revoked.json()["revoked_at"] is not None
    assert guarded.delete(f"/v1/keys/{key['id']}", headers=ADMIN).json() == revoked.json()
    refused(guarded.get(DOCUMENTS.format("mine"), headers=header), 401, "unauthorized")
    refused(guarded.delete("/v1/keys/99", headers=ADMIN), 404, "not-found")


def test_keys_are_listed_in_pages(guarded: TestClient) -> None:
    ids = [make(guarded, "read")[0]["id"] for _ in range(3)]
    first = guarded.get("/v1/keys?limit=2", headers=ADMIN).json()
    second = guarded.get("/v1/keys", params={"cursor": first["next_cursor"]}, headers=ADMIN).json()
    assert [key["id"] for key in first["items"] + second["items"]] == ids
    assert second["next_cursor"] is None


def test_a_key_for_some_collections_neither_reads_nor_writes_nor_lists_others(guarded: TestClient) -> None:
    _, header = make(guarded, "admin", collections=["mine", "new"])
    assert put(guarded, "mine", 2, header).status_code == 201
    for method, path in (
        ("GET", "/v1/collections/yours"),
        ("GET", "/v1/collections/yours/similar?q=text"),
        ("GET", "/v1/collections/yours/documents/1"),
        ("DELETE", "/v1/collections/yours"),
        ("POST", "/v1/collections/yours/retrain"),
        ("GET", "/v1/collections/none"),
        ("PUT", "/v1/collections/none"),
        ("GET", "/v1/keys"),
        ("GET", "/v1/audit"),
        ("GET", "/metrics"),
    ):
        problem = refused(guarded.request(method, path, headers=header), 403, "collection-forbidden")
        assert problem["collections"] == ["mine", "new"]
    refused(put(guarded, "yours", 1, header), 403, "collection-forbidden")
    assert [c["name"] for c in guarded.get("/v1/collections", headers=header).json()["items"]] == ["mine"]
    assert guarded.put("/v1/collections/new", json={"n_bits": 16}, headers=header).status_code == 201
    page = guarded.get("/v1/collections?limit=1", headers=header).json()
    page = guarded.get("/v1/collections", params={"cursor": page["next_cursor"]}, headers=header).json()
    assert [c["name"] for c in page["items"]] == ["new"]
    assert "checks" not in guarded.get("/readyz", headers=header).json()


@pytest.mark.long_on_postgresql
def test_a_key_for_some_collections_sees_the_jobs_of_those_alone(guarded: TestClient) -> None:
    _, header = make(guarded, "admin", collections=["mine"])
    jobs = {
        name: guarded.post(f"/v1/collections/{name}/duplicates", json={"radius": 1}, headers=ADMIN).json()["id"]
        for name in ("mine", "yours")
    }
    assert guarded.get(f"/v1/jobs/{jobs['mine']}", headers=header).status_code == 200
    assert guarded.get(f"/v1/jobs/{jobs['mine']}/errors", headers=header).status_code == 200
    refused(guarded.get(f"/v1/jobs/{jobs['yours']}", headers=header), 403, "collection-forbidden")
    refused(guarded.get(f"/v1/jobs/{jobs['yours']}/errors", headers=header), 403, "collection-forbidden")
    refused(guarded.post(f"/v1/jobs/{jobs['yours']}/cancel", headers=header), 403, "collection-forbidden")
    assert guarded.post(f"/v1/jobs/{jobs['mine']}/cancel", headers=header).json()["state"] == "cancelled"
    assert guarded.get(f"/v1/jobs/{jobs['yours']}", headers=ADMIN).json()["state"] == "queued"


@pytest.mark.long_on_postgresql
def test_the_first_key_must_be_one_that_can_make_the_next(client: TestClient) -> None:
    for members in ({"scopes": ["write"]}, {"scopes": ["admin"], "collections": ["mine"]}):
        problem = refused(client.post("/v1/keys", json={"name": "one", **members}), 422, "invalid-input")
        assert "the first key must have the scope admin" in problem["detail"]
    made = client.post("/v1/keys", json={"name": "one", "scopes": ["admin"]}).json()
    refused(client.get("/v1/collections"), 401, "unauthorized")
    header = {"Authorization": f"Bearer {made['key']}"}
    assert client.get("/v1/collections", headers=header).json()["items"] == []


@pytest.mark.parametrize(
    "members",
    [
        {"name": ""},
        {"name": "a\0b"},
        {"name": "x" * 201},
        {"scopes": []},
        {"scopes": ["root"]},
        {"collections": []},
        {"collections": ["no such/name"]},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2030-01-01T00:00:00"},
        {"expires_at": "9999-12-31T23:59:59-14:00"},
        {"requests_per_minute": 0},
        {"documents_per_minute": 1 << 40},
        {"surprise": 1},
    ],
)
def test_a_key_that_makes_no_sense_is_refused(lite: TestClient, members: dict[str, Any]) -> None:
    problem = refused(lite.post("/v1/keys", json={"name": "one", "scopes": ["read"], **members}), 422, "invalid-input")
    assert next(iter(members)) in problem["errors"][0]["where"]


@pytest.mark.long_on_postgresql
def test_a_key_is_refused_beyond_its_limits(guarded: TestClient) -> None:
    _, header = make(guarded, "write", documents_per_minute=5)
    assert put(guarded, "mine", 4, header).status_code == 201
    response = put(guarded, "mine", 4, header)
    problem = refused(response, 429, "key-limit-reached")
    assert (problem["limit"], problem["allowed"]) == ("documents_per_minute", 5)
    assert 30 <= int(response.headers["retry-after"]) <= 36
    _, header = make(guarded, "read", requests_per_minute=3)
    statuses = [guarded.get("/v1/collections", headers=header).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert guarded.get("/healthz", headers=header).status_code == 200


@pytest.mark.long_on_postgresql
def test_an_address_that_sends_many_wrong_keys_is_slowed_down(guarded: TestClient) -> None:
    _, made = make(guarded, "read")
    for n in range(30):
        refused(guarded.get("/v1/collections", headers={"Authorization": f"Bearer {n}"}), 401, "unauthorized")
    response = guarded.get("/v1/collections", headers={"Authorization": "Bearer 31"})
    refused(response, 429, "too-many-wrong-keys")
    assert response.headers["retry-after"] == "1"
    refused(guarded.get("/v1/collections", headers=ADMIN), 429, "too-many-wrong-keys")  # a right guess is not told
    assert "checks" not in guarded.get("/readyz", headers=ADMIN).json()
    assert guarded.get("/v1/collections", headers=made).status_code == 200
    figures = guarded.get("/metrics", headers=made).text
    assert 'nearbit_wrong_keys_total{slowed="false"} 30.0' in figures
    assert 'nearbit_wrong_keys_total{slowed="true"} 3.0' in figures


def test_calls_of_administrators_are_kept_with_who_made_them(guarded: TestClient) -> None:
    key, reader = make(guarded, "read", name="for Ada")
    refused(guarded.delete("/v1/collections/mine", headers=reader), 403, "forbidden")
    guarded.get("/v1/collections", headers=reader)
    response = guarded.delete("/v1/collections/mine", headers=ADMIN)
    page = guarded.get("/v1/audit?limit=2", headers=ADMIN).json()
    last, before = page["items"]
    assert last["request_id"] == response.headers["x-request-id"]
    assert (last["key_id"], last["key_name"], last["status"]) == (None, "NEARBIT_ADMIN_KEY", 204)
    assert (last["method"], last["route"]) == ("DELETE", "/v1/collections/{collection}")
    assert (last["path"], last["collection"]) == ("/v1/collections/mine", "mine")
    assert (before["key_id"], before["key_name"], before["status"]) == (key["id"], "for Ada", 403)
    rest = guarded.get("/v1/audit", params={"cursor": page["next_cursor"]}, headers=ADMIN).json()["items"]
    assert [(call["method"], call["route"]) for call in rest] == [
        ("POST", "/v1/keys"),
        ("PUT", "/v1/collections/{collection}"),
        ("PUT", "/v1/collections/{collection}"),
    ]
