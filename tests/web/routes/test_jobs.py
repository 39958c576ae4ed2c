from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
from fastapi.testclient import TestClient

from service.config import Settings
from service.processes.jobs import JobRunner
from service.store import jobs
from service.store.database import Database
from service.web.schemas.jobs import Job
from tests.web.asserting import refused
from training.worker import kinds as trainer_kinds

TEXTS = "/v1/collections/texts"
ASKED: tuple[tuple[str, dict[str, object]], ...] = (("retrain", {}), ("duplicates", {"radius": 1}))


def test_a_queued_job_is_cancelled_once(texts: TestClient) -> None:
    job = texts.post(f"{TEXTS}/retrain").json()
    cancelled = texts.post(f"/v1/jobs/{job['id']}/cancel").json()
    assert (cancelled["state"], cancelled["cancel_requested"]) == ("cancelled", True)
    assert refused(texts.post(f"/v1/jobs/{job['id']}/cancel"), 409, "forbidden-move")["state"] == "cancelled"
    assert texts.post(f"{TEXTS}/retrain").status_code == 202


def test_the_jobs_of_a_collection_are_listed_in_pages(texts: TestClient) -> None:
    asked = [texts.post(f"{TEXTS}/{kind}", json=body).json()["id"] for kind, body in ASKED]
    first = texts.get(f"{TEXTS}/jobs", params={"limit": 1}).json()
    second = texts.get(f"{TEXTS}/jobs", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert {job["id"] for page in (first, second) for job in page["items"]} == set(asked)
    assert second["next_cursor"] is None
    assert [job["id"] for job in texts.get(f"{TEXTS}/jobs", params={"kind": "retrain"}).json()["items"]] == asked[:1]
    assert texts.get(f"{TEXTS}/jobs", params={"kind": "none"}).json()["items"] == []
    refused(texts.get("/v1/collections/none/jobs"), 404, "not-found")
    refused(texts.get(f"{TEXTS}/jobs", params={"cursor": "x"}), 422, "malformed-cursor")


def test_a_running_job_shows_its_progress_and_can_be_asked_to_stop(texts: TestClient, url: str) -> None:
    job = texts.post(f"{TEXTS}/retrain").json()
    progress = {"stage": "training", "epoch": 2, "epochs": 9, "loss": 1.5, "saturated": 0.25, "eta_s": 3.0}
    database = Database.open(url)
    with database.write() as connection:
        jobs.claim(connection, "me", 30, ["retrain"])
        jobs.heartbeat(connection, job["id"], "me", 30, progress)
    assert texts.get(f"/v1/jobs/{job['id']}").json()["progress"] == progress
    asked = texts.post(f"/v1/jobs/{job['id']}/cancel").json()
    assert (asked["state"], asked["cancel_requested"]) == ("running", True)
    with database.write() as connection:
        jobs.finish(connection, job["id"], "me", "failed", "worse than before")
    database.close()
    ended = texts.get(f"/v1/jobs/{job['id']}").json()
    assert (ended["state"], ended["error"]) == ("failed", "worse than before")
    assert ended["finished_at"] >= ended["started_at"] >= ended["created_at"]


def test_jobs_of_a_deleted_collection_are_gone_and_its_name_is_free(texts: TestClient) -> None:
    job = texts.post(f"{TEXTS}/retrain")
    assert job.headers["location"] == f"/v1/jobs/{job.json()['id']}"
    assert texts.delete(TEXTS).status_code == 204
    for response in (
        texts.get(f"/v1/jobs/{job.json()['id']}"),
        texts.post(f"/v1/jobs/{job.json()['id']}/cancel"),
        texts.get(TEXTS),
        texts.delete(TEXTS),
        texts.get(f"{TEXTS}/documents"),
        texts.get(f"{TEXTS}/similar", params={"q": "them"}),
    ):
        refused(response, 404, "not-found")
    assert texts.get("/v1/collections").json()["items"] == []
    assert texts.put(TEXTS, json={"n_bits": 64}).status_code == 201
    assert texts.get(TEXTS).json()["n_documents"] == 0
    assert texts.get(f"{TEXTS}/similar", params={"q": "them"}).json()["matches"] == []


def test_every_kind_of_job_that_callers_see_has_a_schema_of_its_progress(sqlite_url: str) -> None:
    settings = Settings(database_url=sqlite_url)
    database = Database.open(sqlite_url)
    runner = JobRunner(database, settings)
    kinds = {*trainer_kinds(database, settings), *runner.kinds(), *runner.importing()}
    database.close()
    shown = {kind for model in get_args(get_args(Job)[0]) for kind in get_args(get_type_hints(model)["kind"])}
    assert kinds - shown == {"drop_collection"}  # its collection, and so itself, is gone for every caller
    assert shown <= kinds


@pytest.mark.parametrize("job", ["x", "0" * 31, "%00" * 32])
def test_a_job_id_that_cannot_be_is_refused(lite: TestClient, job: str) -> None:
    refused(lite.get(f"/v1/jobs/{job}"), 422, "invalid-input")
