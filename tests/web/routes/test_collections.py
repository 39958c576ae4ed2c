import pytest
from fastapi.testclient import TestClient

from tests.web.asserting import refused
from tests.web.conftest import Start


def test_a_collection_is_created_once_and_then_found_as_it_is(client: TestClient) -> None:
    created = client.put("/v1/collections/docs.v-1_A", json={"kind": "text", "n_bits": 128})
    again = client.put("/v1/collections/docs.v-1_A", json={"n_bits": 128})
    assert (created.status_code, again.status_code) == (201, 200)
    assert created.json() == again.json()
    assert created.json() | {"created_at": ""} == {
        "name": "docs.v-1_A",
        "kind": "text",
        "n_bits": 128,
        "seq": 0,
        "created_at": "",
    }
    assert created.json()["created_at"].endswith("Z")


def test_without_a_body_a_collection_has_64_bits(client: TestClient) -> None:
    assert client.put("/v1/collections/docs").json()["n_bits"] == 64


def test_the_same_name_with_another_width_is_a_conflict_that_names_both(client: TestClient) -> None:
    client.put("/v1/collections/docs", json={"n_bits": 32})
    problem = refused(client.put("/v1/collections/docs", json={"n_bits": 64}), 409, "collection-differs")
    assert problem["detail"] == "collection 'docs' exists with n_bits = 32, asked for 64"
    assert problem["collection"] == "docs"


@pytest.mark.parametrize("n_bits", [0, 7, 12, 264, -8, "x", 8.5, None, True])
def test_a_width_that_codes_cannot_have_is_refused(lite: TestClient, n_bits: object) -> None:
    problem = refused(lite.put("/v1/collections/new", json={"n_bits": n_bits}), 422, "invalid-input")
    assert "n_bits" in problem["detail"]


@pytest.mark.parametrize("name", ["-a", "a b", "a%00b", "ü", "x" * 65, "a%0A", ".a"])
def test_a_name_that_cannot_be_is_refused(lite: TestClient, name: str) -> None:
    refused(lite.put(f"/v1/collections/{name}"), 422, "invalid-input")


def test_an_unknown_kind_or_member_is_refused(lite: TestClient) -> None:
    refused(lite.put("/v1/collections/new", json={"kind": "smell"}), 422, "invalid-input")
    assert "n_bit" in refused(lite.put("/v1/collections/new", json={"n_bit": 8}), 422, "invalid-input")["detail"]


def test_a_collection_shows_the_number_of_its_documents_and_its_active_space(client: TestClient) -> None:
    client.put("/v1/collections/docs", json={"n_bits": 16})
    added = client.post("/v1/collections/docs/documents", json={"documents": [{"text": "one"}, {"text": "two"}]})
    detail = client.get("/v1/collections/docs").json()
    assert (detail["n_documents"], detail["seq"]) == (2, added.json()["seq"])
    assert detail["space"] == added.json()["space"]
    assert detail["replica"]["state"] in ("loading", "following")
    assert detail["replica"]["error"] is None


def test_lists_are_paged_by_name(client: TestClient) -> None:
    for name in ("b", "a", "C", "d", "e"):
        client.put(f"/v1/collections/{name}")
    names, cursor, n_pages = [], None, 0
    while cursor is not None or n_pages == 0:
        page = client.get("/v1/collections", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        names += [c["name"] for c in page["items"]]
        cursor, n_pages = page["next_cursor"], n_pages + 1
    assert (names, n_pages) == (["C", "a", "b", "d", "e"], 3)


@pytest.mark.parametrize("cursor", ["x", "", "MQ", "bnVsbA", "IsOkIg", "Ilx1MDAwMCI", "a" * 5000, "\u00fc"])
def test_a_cursor_that_was_never_given_out_is_refused(lite: TestClient, cursor: str) -> None:
    refused(lite.get("/v1/collections", params={"cursor": cursor}), 422, "malformed-cursor")


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "1e2", "9" * 30])
def test_a_limit_out_of_range_is_refused(lite: TestClient, limit: str) -> None:
    refused(lite.get("/v1/collections", params={"limit": limit}), 422, "invalid-input")


def test_a_deleted_collection_is_gone_with_its_documents_and_may_come_again(client: TestClient) -> None:
    client.put("/v1/collections/docs", json={"n_bits": 16})
    client.post("/v1/collections/docs/documents", json={"documents": [{"id": "a", "text": "one"}]})
    assert client.delete("/v1/collections/docs").status_code == 204
    refused(client.delete("/v1/collections/docs"), 404, "not-found")
    refused(client.get("/v1/collections/docs"), 404, "not-found")
    refused(client.get("/v1/collections/docs/similar", params={"q": "one"}), 404, "not-found")
    assert client.put("/v1/collections/docs", json={"n_bits": 32}).status_code == 201
    assert client.get("/v1/collections/docs").json()["n_documents"] == 0


def test_with_an_admin_key_only_a_caller_with_it_creates_and_deletes_collections(sqlite_url: str, start: Start) -> None:
    key = "a key with spaces and ü"
    client = start(sqlite_url, admin_key=key, host="0.0.0.0")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {key}".encode("latin-1")}):
        response = client.put("/v1/collections/docs", headers=headers)
        refused(response, 401, "unauthorized")
        assert response.headers["www-authenticate"].startswith("Bearer")
    bearer = {"Authorization": f"Bearer {key}".encode()}
    assert client.put("/v1/collections/docs", headers=bearer).status_code == 201
    refused(client.delete("/v1/collections/docs"), 401, "unauthorized")
    refused(client.get("/v1/collections/docs"), 401, "unauthorized")
    assert client.get("/v1/collections/docs", headers=bearer).status_code == 200
    assert client.delete("/v1/collections/docs", headers=bearer).status_code == 204
