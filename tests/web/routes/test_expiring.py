from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from service.processes.jobs import delete_due
from service.store import schema
from service.store.database import Database
from service.store.schema import now
from tests.web.asserting import refused
from tests.web.conftest import Start

TEXTS = "/v1/collections/texts"
DOCUMENTS = f"{TEXTS}/documents"
LATER = "2200-01-01T00:00:00Z"


def put(client: TestClient, expiries: dict[str, str | None]) -> int:
    documents = [
        {"id": id, "text": f"bread {id}", "metadata": {"kind": "x"}, "expires_at": moment}
        for id, moment in expiries.items()
    ]
    response = client.post(DOCUMENTS, json={"documents": documents})
    assert response.status_code in (200, 201), response.text
    seq: int = response.json()["seq"]
    return seq


def pass_time(url: str, id: str) -> None:
    """Have a document expire, as if its time had passed."""
    database = Database.open(url)
    with database.write() as connection:
        of_document = schema.documents.c.id == id
        connection.execute(update(schema.documents).where(of_document).values(expires_at=now()))
        connection.execute(update(schema.collections).values(expires_next=now()))
    database.close()


def seen(client: TestClient, seq: int) -> list[set[str]]:
    """The ids that each way to read shows, and what it counts."""
    parameters = {"k": 20, "at_least_seq": seq}

    def ids(path: str, **more: object) -> set[str]:
        answer = client.get(f"{TEXTS}/{path}", params={**parameters, **more}).json()
        return {match["id"] for match in answer["matches"]}

    listed = client.get(DOCUMENTS).json()["items"]
    filtered = client.get(DOCUMENTS, params={"where": "kind:x", "facets": "kind"}).json()
    by_id = client.post(f"{DOCUMENTS}/get", json={"ids": ["a", "b", "c"]}).json()
    faceted = client.get(f"{TEXTS}/search", params={**parameters, "q": "bread", "facets": "kind"}).json()
    shown = {one["id"] for one in listed}
    assert filtered["total"] == filtered["facets"]["kind"]["values"][0]["count"] == len(shown)
    assert faceted["facets"]["kind"]["values"][0]["count"] == len(shown)
    assert client.get(TEXTS).json()["n_documents"] == len(shown)
    return [
        shown,
        {one["id"] for one in filtered["items"]},
        {one["id"] for one in by_id["items"]},
        ids("similar", q="bread"),
        ids("similar", q="bread", filter='{"kind": "x"}'),
        ids("search", q="bread"),
        ids("search", q="bread", rank="code"),
        ids("search", q="bread", sort="kind"),
        {match["id"] for match in faceted["matches"]},
    ]


def test_a_document_is_gone_for_every_reader_at_its_time_and_then_deleted(url: str, start: Start) -> None:
    client = start(url)
    client.put(TEXTS, json={"n_bits": 32})
    seq = put(client, {"a": None, "b": LATER, "c": LATER})
    assert client.get(f"{DOCUMENTS}/b").json()["expires_at"] == LATER
    assert seen(client, seq) == [{"a", "b", "c"}] * 9
    pass_time(url, "b")
    assert seen(client, seq) == [{"a", "c"}] * 9
    refused(client.get(f"{DOCUMENTS}/b"), 404, "not-found")
    refused(client.get(f"{DOCUMENTS}/b/similar"), 404, "not-found")
    refused(client.patch(f"{DOCUMENTS}/b", json={"metadata": {}}), 404, "not-found")
    database = Database.open(url)
    delete_due(database)
    database.close()
    assert seen(client, seq) == [{"a", "c"}] * 9


def test_a_write_finds_an_expired_document_as_gone_as_a_read_does(client: TestClient) -> None:
    client.put(TEXTS, json={"n_bits": 32})
    past = "2020-01-01T00:00:00Z"
    put(client, {"a": past, "b": past, "c": past})
    assert not client.delete(f"{DOCUMENTS}/a").json()["deleted"]
    again = client.post(DOCUMENTS, params={"if_absent": True}, json={"documents": [{"id": "b", "text": "new"}]})
    assert (again.json()["existing"], again.json()["documents"][0]["created"]) == (0, True)
    assert client.post(f"{DOCUMENTS}/delete", json={"filter": {"kind": "x"}}).json()["deleted"] == 0
    assert [one["id"] for one in client.get(DOCUMENTS).json()["items"]] == ["b"]


def test_a_time_can_be_put_off_and_cleared_by_a_patch_and_by_a_put(client: TestClient) -> None:
    client.put(TEXTS, json={"n_bits": 32})
    put(client, {"a": LATER, "b": LATER})
    answer = client.patch(f"{DOCUMENTS}/a", json={"expires_at": "2100-01-01T02:00:00.1239+02:00"}).json()
    assert (answer["revision"], answer["changed"]) == (2, True)
    assert client.get(f"{DOCUMENTS}/a").json()["expires_at"] == "2100-01-01T00:00:00.123000Z"
    client.patch(f"{DOCUMENTS}/a", json={"metadata": {"n": 1}})
    assert "expires_at" in client.get(f"{DOCUMENTS}/a").json()
    client.patch(f"{DOCUMENTS}/a", json={"expires_at": None})
    put(client, {"b": None})
    for id in "ab":
        assert "expires_at" not in client.get(f"{DOCUMENTS}/{id}").json()


@pytest.mark.parametrize("moment", [1_800_000_000, "1800000000", "2030-01-01", "2030-01-01T00:00:00", "soon", True])
def test_a_time_that_is_none_is_refused(lite: TestClient, moment: object) -> None:
    body = {"documents": [{"text": "a", "expires_at": moment}]}
    problem = refused(lite.post(DOCUMENTS, json=body), 422, "invalid-input")
    assert "documents.0.expires_at" in problem["detail"]
