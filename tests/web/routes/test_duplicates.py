from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.config import Settings
from service.processes.jobs import JobRunner
from service.store import leases
from service.store.database import Database
from tests.web.asserting import refused

TEXTS = "/v1/collections/texts"
FIND = f"{TEXTS}/duplicates"


def put(client: TestClient, *documents: tuple[str, str], **members: Any) -> dict[str, Any]:
    body = {"documents": [{"id": id, "text": text, **members} for id, text in documents]}
    response = client.post(f"{TEXTS}/documents", json=body)
    assert response.is_success, response.text
    answer: dict[str, Any] = response.json()
    return answer


def find(client: TestClient, url: str, **options: Any) -> dict[str, Any]:
    """Look for near duplicates, and return the job when it has ended."""
    response = client.post(FIND, json={"radius": 0, **options})
    assert response.status_code == 202, response.text
    assert response.headers["location"] == f"/v1/jobs/{response.json()['id']}"
    work_once(url)
    job: dict[str, Any] = client.get(response.headers["location"]).json()
    assert (job["state"], job["error"]) == ("succeeded", None)
    return job


def work_once(url: str) -> None:
    """Run the jobs that wait, as a job runner does."""
    database = Database.open(url)
    runner = JobRunner(database, Settings())
    leases.work(database, 30, runner.kinds(), threading.Event(), once=True)
    runner.close()
    database.close()


def listed(client: TestClient, **parameters: Any) -> dict[str, Any]:
    response = client.get(FIND, params=parameters)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def ids(page: dict[str, Any]) -> list[list[str]]:
    return [[document["id"] for document in group["documents"]] for group in page["items"]]


@pytest.fixture
def copies(client: TestClient) -> TestClient:
    """A client of a service with a collection in which some texts came more than once."""
    client.put(TEXTS, json={"n_bits": 64})
    put(client, ("a", "how to bake bread"), ("b", "sail a boat"), ("c", "how to bake bread"), title="One")
    put(client, ("d", "sail a boat"), ("e", "how to bake bread"), ("f", "a garden of roses"), title="One")
    return client


def test_copied_documents_are_grouped_the_largest_group_first(copies: TestClient, url: str) -> None:
    job = find(copies, url, by="code")
    assert job["kind"] == "duplicates"
    assert job["params"] == {"radius": 0, "by": "code", "linkage": "single", "keep": "first", "filter": None}
    assert job["progress"] == {"stage": "done", "groups": 2, "documents": 5}
    page = listed(copies)
    assert page["items"][0] == {
        "representative": "a",
        "capped": False,
        "documents": [{"id": id, "title": "One", "distance": 0} for id in "ace"],
    }
    assert ids(page) == [["a", "c", "e"], ["b", "d"]]
    about = {name: page[name] for name in ("job", "params", "version", "n_groups", "n_documents", "n_capped")}
    assert about == {
        "job": job["id"],
        "params": job["params"],
        "version": 1,
        "n_groups": 2,
        "n_documents": 5,
        "n_capped": 0,
    }
    assert page["finished_at"] >= job["created_at"]


def test_by_words_no_code_space_is_looked_at(copies: TestClient, url: str) -> None:
    put(copies, ("g", "A GARDEN of roses."), title="Another title")
    find(copies, url)
    page = listed(copies)
    assert ids(page) == [["a", "c", "e"], ["b", "d"], ["f", "g"]]
    assert page["version"] is None


def test_a_filter_chooses_the_documents(copies: TestClient, url: str) -> None:
    put(copies, ("g", "sail a boat"), ("h", "sail a boat"), metadata={"lang": "en"})
    find(copies, url, filter={"lang": "en"})
    assert ids(listed(copies)) == [["g", "h"]]
    assert listed(copies)["params"]["filter"] == {"lang": "en"}


def test_a_filter_of_the_wrong_type_is_refused_once_the_metadata_are_in_memory(copies: TestClient) -> None:
    put(copies, ("g", "sail a boat"), metadata={"year": 2000})
    body = {"radius": 1, "filter": {"year": {"gte": "abc"}}}
    deadline = time.monotonic() + 120
    while (response := copies.post(FIND, json=body)).status_code == 202 and time.monotonic() < deadline:
        copies.post(f"/v1/jobs/{response.json()['id']}/cancel")
        time.sleep(0.05)
    assert "filter.year.gte" in refused(response, 422, "invalid-input")["detail"]


def test_pages_follow_each_other(copies: TestClient, url: str) -> None:
    find(copies, url)
    first = listed(copies, limit=1)
    second = listed(copies, limit=1, cursor=first["next_cursor"])
    assert ids(first) + ids(second) == [["a", "c", "e"], ["b", "d"]]
    assert second["next_cursor"] is None


def test_a_page_ends_with_the_group_before_too_many_documents(
    copies: TestClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find(copies, url)
    monkeypatch.setattr("service.search.duplicates._PAGE_MEMBERS", 4)
    first = listed(copies)
    assert ids(first) == [["a", "c", "e"]]
    assert ids(listed(copies, cursor=first["next_cursor"])) == [["b", "d"]]


def test_documents_deleted_or_changed_since_are_left_out_and_the_next_one_represents(
    copies: TestClient, url: str
) -> None:
    find(copies, url)
    copies.delete(f"{TEXTS}/documents/a")
    put(copies, ("d", "another text"))
    page = listed(copies)
    assert ids(page) == [["c", "e"]]
    assert page["items"][0]["representative"] == "c"
    assert (page["n_groups"], page["n_documents"]) == (2, 5)


def test_a_cursor_of_an_earlier_job_is_a_conflict(copies: TestClient, url: str) -> None:
    find(copies, url)
    cursor = listed(copies, limit=1)["next_cursor"]
    find(copies, url)
    refused(copies.get(FIND, params={"cursor": cursor}), 409, "conflict")


def test_there_are_no_groups_before_a_job_has_finished(copies: TestClient) -> None:
    refused(copies.get(FIND), 404, "not-found")
    first = copies.post(FIND, json={"radius": 1}).json()
    assert refused(copies.post(FIND, json={"radius": 2}), 409, "job-running")["job_id"] == first["id"]
    refused(copies.get(FIND), 404, "not-found")
    assert copies.post(f"/v1/jobs/{first['id']}/cancel").json()["state"] == "cancelled"
    assert copies.post(FIND, json={"radius": 2}).status_code == 202


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "radius"),
        ({"radius": -1}, "radius"),
        ({"radius": 5, "by": "code"}, "radius must be 0 to 4, an eighth of the 32 bits"),
        ({"radius": 9}, "radius must be 0 to 8, an eighth of the 64 bits"),
        ({"radius": 1, "by": "topic"}, "by"),
        ({"radius": 1 << 70}, "radius"),
        ({"radius": "many"}, "radius"),
        ({"radius": 1, "keep": "shortest"}, "keep"),
        ({"radius": 1, "linkage": "average"}, "linkage"),
        ({"radius": 1, "filter": []}, "filter"),
        ({"radius": 1, "filter": {"a": None}}, "filter.a"),
        ({"radius": 1, "filter": {"a": {"in": ["x" * 1_100_000]}}}, "filter must be at most"),
        ({"radius": 1, "n": 1}, "n"),
        ([], "body"),
    ],
)
def test_a_search_that_cannot_be_is_refused(lite: TestClient, body: Any, named: str) -> None:
    assert named in refused(lite.post(FIND, json=body), 422, "invalid-input")["detail"]


@pytest.mark.parametrize("cursor", ["x", "MTox", "IjE6MSI=", "IngiIA", "IjE6MTIzNDU2Nzg5MDEyMzQ1Njc4OTAi"])
def test_a_cursor_that_cannot_be_is_refused(copies: TestClient, url: str, cursor: str) -> None:
    find(copies, url)
    refused(copies.get(FIND, params={"cursor": cursor}), 422, "malformed-cursor")


def test_an_unknown_collection_is_not_found(lite: TestClient) -> None:
    refused(lite.post("/v1/collections/none/duplicates", json={"radius": 0}), 404, "not-found")
    refused(lite.get("/v1/collections/none/duplicates"), 404, "not-found")


def test_a_put_that_checks_tells_what_each_document_duplicates(copies: TestClient) -> None:
    body = {
        "documents": [{"id": "x", "text": "sail a boat", "title": "One"}, {"id": "y", "text": "quite another text"}]
    }
    response = copies.post(f"{TEXTS}/documents", params={"check_duplicates": 0}, json=body)
    assert response.status_code == 201
    documents = response.json()["documents"]
    assert documents[0]["duplicates"] == {
        "count": 2,
        "nearest": [{"id": "b", "distance": 0}, {"id": "d", "distance": 0}],
    }
    assert documents[1] == {
        "id": "y",
        "created": True,
        "changed": True,
        "known": True,
        "revision": 1,
        "skipped": False,
        "duplicates": {"count": 0, "nearest": []},
    }


def test_a_put_that_skips_stores_no_duplicates_and_says_so(copies: TestClient) -> None:
    body = {"documents": [{"text": "sail a boat", "title": "One"}, {"id": "a", "text": "sail a boat", "title": "One"}]}
    response = copies.post(f"{TEXTS}/documents", params={"skip_duplicates": 0}, json=body)
    assert response.status_code == 200
    assert [one["id"] for one in response.json()["documents"]] == [None, "a"]
    for one in response.json()["documents"]:
        assert (one["created"], one["changed"], one["skipped"]) == (False, False, True)
        assert one["duplicates"]["nearest"][0] == {"id": "b", "distance": 0}
    assert copies.get(f"{TEXTS}/documents/a").json()["text"] == "how to bake bread"
    assert copies.get(TEXTS).json()["n_documents"] == 6


def test_a_put_that_does_not_ask_is_told_nothing_of_duplicates(copies: TestClient) -> None:
    (document,) = put(copies, ("x", "sail a boat"))["documents"]
    assert document == {"id": "x", "created": True, "changed": True, "known": True, "revision": 1}


@pytest.mark.parametrize("name", ["check_duplicates", "skip_duplicates"])
@pytest.mark.parametrize("radius", ["-1", "5", "33", "1e99", "", "x"])
def test_a_radius_that_cannot_be_is_refused_and_nothing_is_kept(lite: TestClient, name: str, radius: str) -> None:
    body = {"documents": [{"id": "kept", "text": "a text"}]}
    problem = refused(lite.post(f"{TEXTS}/documents", params={name: radius}, json=body), 422, "invalid-input")
    assert name in problem["detail"]
    refused(lite.get(f"{TEXTS}/documents/kept"), 404, "not-found")
