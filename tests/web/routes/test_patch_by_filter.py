from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from service.config import Settings
from service.processes.jobs import work
from tests.web.asserting import refused
from tests.web.conftest import Start

TEXTS = "/v1/collections/texts"
DOCUMENTS = f"{TEXTS}/documents"

pytestmark = pytest.mark.long_on_postgresql


def put(client: TestClient, n: int) -> None:
    client.put(TEXTS, json={"n_bits": 16}).raise_for_status()
    documents = [{"id": f"{i}", "text": f"text {i}", "metadata": {"n": i, "even": i % 2 == 0}} for i in range(n)]
    for first in range(0, n, 1_000):
        client.post(DOCUMENTS, json={"documents": documents[first : first + 1_000]}).raise_for_status()


def test_documents_that_pass_a_filter_are_patched_in_order_of_arrival(client: TestClient) -> None:
    put(client, 10)
    patch = {"filter": {"even": True, "n": {"lt": 7}}, "metadata": {"even": None, "seen": {"by": "me"}}}
    answer = client.post(f"{DOCUMENTS}/patch", json=patch).json()
    changed = [{"id": id, "revision": 2, "changed": True} for id in ("0", "2", "4", "6")]
    assert answer == {"documents": changed, "missing": [], "seq": answer["seq"]}
    assert client.get(f"{DOCUMENTS}/2").json()["metadata"] == {"n": 2, "seen": {"by": "me"}}
    assert client.get(f"{DOCUMENTS}/8").json()["metadata"] == {"n": 8, "even": True}
    params = {"q": "text", "k": 10, "filter": '{"seen.by": "me"}', "at_least_seq": answer["seq"]}
    found = client.get(f"{TEXTS}/similar", params=params).json()["matches"]
    assert {match["id"] for match in found} == {"0", "2", "4", "6"}
    assert client.post(f"{DOCUMENTS}/patch", json=patch).json()["documents"] == []
    again = {"filter": {"n": {"lt": 3}}, "metadata": {"n": 1}, "expires_at": "2099-01-01T00:00:00Z"}
    first, second = (client.post(f"{DOCUMENTS}/patch", json=again).json()["documents"] for _ in range(2))
    assert [one["changed"] for one in first] == [True] * 3
    assert [one["changed"] for one in second] == [False] * 3
    assert client.get(f"{DOCUMENTS}/0").json()["expires_at"] == "2099-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "documents or filter"),
        ({"filter": {"n": 1}}, "metadata or expires_at"),
        ({"filter": {"n": 1}, "documents": [{"id": "1"}]}, "documents or filter"),
        ({"documents": [{"id": "1"}], "metadata": {"a": 1}}, "with filter only"),
        ({"filter": {}, "metadata": {"a": 1}}, "filter"),
        ({"filter": {"n": {"lt": "x"}}, "metadata": {"a": 1}}, "n"),
        ({"filter": {"n": 1}, "metadata": {"a": 1 << 64}}, "64 bits"),
        ({"filter": {"n": 1}, "metadata": {"a": "x" * 20_000}}, "at most 16384 bytes"),
        ({"filter": {"n": 1}, "expires_at": "never"}, "expires_at"),
    ],
)
def test_what_says_not_what_to_change_of_which_is_refused(lite: TestClient, body: object, says: str) -> None:
    lite.post(DOCUMENTS, json={"documents": [{"id": "1", "text": "one", "metadata": {"n": 1}}]})
    assert says in refused(lite.post(f"{DOCUMENTS}/patch", json=body), 422, "invalid-input")["detail"]
    assert lite.get(f"{DOCUMENTS}/1").json()["metadata"] == {"n": 1}


def test_a_patch_that_one_document_cannot_take_changes_none(lite: TestClient) -> None:
    documents = [{"id": f"{i}", "text": "text", "metadata": {"big": 1, "a": "x" * 10_000 * i}} for i in range(2)]
    lite.post(DOCUMENTS, json={"documents": documents}).raise_for_status()
    response = lite.post(f"{DOCUMENTS}/patch", json={"filter": {"big": 1}, "metadata": {"b": "x" * 10_000}})
    assert "the patched document '1'" in refused(response, 422, "invalid-input")["detail"]
    assert "b" not in lite.get(f"{DOCUMENTS}/0").json()["metadata"]


def test_more_than_a_thousand_are_patched_by_a_job(url: str, start: Start) -> None:
    client = start(url)
    put(client, 1_100)
    body = {"filter": {"n": {"gte": 10}}, "metadata": {"even": None}, "expires_at": "2099-01-01T00:00:00Z"}
    headers = {"Idempotency-Key": "once"}
    response, again = (client.post(f"{DOCUMENTS}/patch", json=body, headers=headers) for _ in range(2))
    assert response.status_code == again.status_code == 202
    job = response.json()
    assert (job["kind"], job["params"]["total"], job["id"]) == ("patch", 1_090, again.json()["id"])
    assert refused(client.post(f"{DOCUMENTS}/patch", json=body), 409, "job-running")["job_id"] == job["id"]
    client.post(DOCUMENTS, json={"documents": [{"id": "11", "text": "changed", "metadata": {"n": 11, "even": 1}}]})
    work(Settings(database_url=url), once=True)
    done = client.get(response.headers["location"]).json()
    expected = {"stage": "done", "patched": 1_089, "refused": 0, "total": 1_090}
    assert (done["state"], done["progress"]) == ("succeeded", expected)
    assert client.get(f"{DOCUMENTS}/11").json()["metadata"] == {"n": 11, "even": 1}
    patched = client.get(f"{DOCUMENTS}/12").json()
    assert (patched["metadata"], patched["expires_at"]) == ({"n": 12}, "2099-01-01T00:00:00Z")
