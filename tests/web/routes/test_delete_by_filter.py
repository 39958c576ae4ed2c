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


def put(client: TestClient, n: int, start: int = 0) -> None:
    documents = [{"id": f"{i}", "text": f"text {i}", "metadata": {"n": i, "even": i % 2 == 0}} for i in range(n)]
    for first in range(0, n, 1_000):
        client.post(DOCUMENTS, json={"documents": documents[first : first + 1_000]}).raise_for_status()


def test_documents_that_pass_a_filter_are_deleted_in_order_of_arrival(client: TestClient) -> None:
    client.put(TEXTS, json={"n_bits": 16})
    put(client, 10)
    answer = client.post(f"{DOCUMENTS}/delete", json={"filter": {"even": True, "n": {"lt": 7}}}).json()
    assert answer == {"deleted": 4, "ids": ["0", "2", "4", "6"], "seq": answer["seq"]}
    found = client.get(f"{TEXTS}/similar", params={"q": "text 2", "k": 20, "at_least_seq": answer["seq"]}).json()
    assert {match["id"] for match in found["matches"]} == {"1", "3", "5", "7", "8", "9"}
    assert client.post(f"{DOCUMENTS}/delete", json={"filter": {"n": {"lt": 7}, "even": True}}).json() == {
        "deleted": 0,
        "ids": [],
        "seq": None,
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": ["1"], "filter": {"n": 1}},
        {"filter": {}},
        {"filter": {"n": {"lt": "x"}}},
        {"filter": {"n": [1]}},
        {"filter": []},
        {"filter": {"n": "x" * (1 << 20)}},
        {"ids": []},
    ],
)
def test_what_says_not_which_documents_is_refused(lite: TestClient, body: object) -> None:
    lite.post(DOCUMENTS, json={"documents": [{"id": "1", "text": "one", "metadata": {"n": 1}}]})
    refused(lite.post(f"{DOCUMENTS}/delete", json=body), 422, "invalid-input")
    assert lite.get(f"{DOCUMENTS}/1").status_code == 200


def test_more_than_a_thousand_are_deleted_by_a_job(url: str, start: Start) -> None:
    client = start(url)
    client.put(TEXTS, json={"n_bits": 16})
    put(client, 1_100)
    headers = {"Idempotency-Key": "once"}
    response, again = (
        client.post(f"{DOCUMENTS}/delete", json={"filter": {"n": {"gte": 10}}}, headers=headers) for _ in range(2)
    )
    assert response.status_code == again.status_code == 202
    job = response.json()
    assert (job["kind"], job["params"]["total"], job["id"]) == ("delete", 1_090, again.json()["id"])
    running = client.post(f"{DOCUMENTS}/delete", json={"filter": {"n": {"gte": 9}}})
    assert refused(running, 409, "job-running")["job_id"] == job["id"]
    client.post(DOCUMENTS, json={"documents": [{"id": "11", "text": "changed", "metadata": {"n": 11}}]})
    work(Settings(database_url=url), once=True)
    done = client.get(response.headers["location"]).json()
    assert (done["state"], done["progress"]) == ("succeeded", {"stage": "done", "deleted": 1_089, "total": 1_090})
    assert client.get(TEXTS).json()["n_documents"] == 11
    assert client.get(f"{DOCUMENTS}/11").json()["text"] == "changed"
