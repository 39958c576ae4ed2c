from __future__ import annotations

from fastapi.testclient import TestClient

from service.store import collections, judgments, spaces
from service.store.database import Database
from tests.web.asserting import refused

QUALITY = "/v1/collections/texts/quality"


def test_a_space_is_judged_by_a_job_and_its_report_is_read(texts: TestClient, url: str) -> None:
    assert "POST asks for one" in refused(texts.get(QUALITY), 404, "not-found")["detail"]
    job = texts.post(QUALITY, json={"label": "group"})
    assert job.status_code == 202
    assert (job.json()["kind"], job.json()["params"]) == ("quality", {"version": 1, "label": "group"})
    assert texts.get(job.headers["Location"]).json() == job.json()
    assert refused(texts.post(QUALITY), 409, "job-running")["job_id"] == job.json()["id"]
    database = Database.open(url)
    with database.write() as connection:
        space = spaces.active(connection, collections.get(connection, "texts").id)
        judgments.put(connection, space.id, "group", {"n_queries": 7})
    database.close()
    report = texts.get(QUALITY, params={"label": "group", "version": 1}).json()
    assert (report["version"], report["label"], report["report"]) == (1, "group", {"n_queries": 7})
    refused(texts.get(QUALITY), 404, "not-found")


def test_what_cannot_be_judged_is_refused(texts: TestClient) -> None:
    refused(texts.post(QUALITY, json={"version": 9}), 404, "not-found")
    refused(texts.get(QUALITY, params={"version": 9}), 404, "not-found")
    for body in ({"version": 0}, {"label": ""}, {"lable": "group"}):
        refused(texts.post(QUALITY, json=body), 422, "invalid-input")
    texts.put("/v1/collections/few")
    refused(texts.post("/v1/collections/few/quality"), 422, "too-few-documents")
