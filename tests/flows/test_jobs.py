"""The job runner beside the API: deletions and rollbacks that are killed, and promotions while others write."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from service.hashing.digest import digest_of
from service.hashing.untrained import untrained_hash_function
from service.store import codes, collections, schema, spaces
from service.store.database import Database
from tests.flows.corpus import documents, fill
from tests.flows.processes import Api, Process, Runner, Trainer, running, until

pytestmark = pytest.mark.long

TEXTS = "/collections/texts"


def n_rows(url: str) -> dict[str, int]:
    database = Database.open(url)
    try:
        with database.read() as connection:
            tables = ("collections", "documents", "code_spaces", "codes", "buckets", "jobs")
            return {
                table: connection.scalar(select(func.count()).select_from(schema.metadata.tables[table])) or 0
                for table in tables
            }
    finally:
        database.close()


def make_ready(url: str) -> None:
    """A second code space in state ready, without a code in it."""
    content = untrained_hash_function(32, seed=7).to_bytes()
    database = Database.open(url)
    with database.write() as connection:
        spaces.put_function(connection, content, digest_of(content))
        space = spaces.start(connection, collections.get(connection, "texts").id, 32, "semantic_hashing")
        spaces.set_digest(connection, space.id, digest_of(content))
        for state in ("encoding", "evaluating", "ready"):
            spaces.move(connection, space.id, state)
    database.close()


def versions(api: Api) -> dict[int, str]:
    return {s["version"]: s["state"] for s in api.get(f"{TEXTS}/spaces")["items"]}


def promoting(api: Api, path: str) -> dict[str, Any]:
    """The job that a promote or rollback of a space that lacks many codes becomes."""
    response = api.http.post(TEXTS + path)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    return job


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


def test_a_deletion_whose_runner_is_killed_is_completed_by_the_next(url: str, folder: Path) -> None:
    api = Api(url, folder)
    with running(api):
        fill(api, 4_000)
        fill(api, 10, "kept")
        assert api.http.delete("/collections/texts").status_code == 204
        assert api.http.get("/collections/texts").status_code == 404
        assert [c["name"] for c in api.get("/collections")["items"]] == ["kept"]
        fill(api, 20)  # the name is free at once
        dying = Runner(url, folder, dies_after=2)
        with running(dying):
            assert dying.child.wait(60) == -9
        left = n_rows(url)
        assert (left["collections"], left["jobs"]) == (3, 1)
        assert left["documents"] == 4_030
        runner = Runner(url, folder)
        with running(runner):
            until(lambda: n_rows(url)["collections"] == 2, "the end of the deletion")
            assert runner.stop() == 0
        assert n_rows(url) == {
            "collections": 2,
            "documents": 30,
            "code_spaces": 2,
            "codes": 30,
            "buckets": 60,
            "jobs": 0,
        }
        assert len(api.get(f"{TEXTS}/similar", q="bread", k=100)["matches"]) == 20


def test_a_rollback_whose_runner_is_killed_is_completed_by_the_next(url: str, folder: Path) -> None:
    api = Api(url, folder)
    with running(api):
        fill(api, 10)
        make_ready(url)
        assert api.post(f"{TEXTS}/spaces/2/promote")["state"] == "active"
        fill(api, 2_500)  # of which the space before has ten
        job = promoting(api, "/rollback")
        assert (job["kind"], job["state"], job["params"]) == ("rollback", "queued", {"version": 1, "replaces": 2})
        again = api.http.post(f"{TEXTS}/rollback")
        assert (again.status_code, again.json()["job_id"]) == (409, job["id"])
        dying = Runner(url, folder, dies_after=3)
        with running(dying):
            assert dying.child.wait(90) == -9
        assert api.job(job["id"])["state"] == "running"
        assert 0 < n_missing(url, 1) < 2_490
        assert versions(api) == {1: "retired", 2: "active"}
        runner = Runner(url, folder)
        with running(runner):
            ended = api.finished(job["id"])
        assert (ended["state"], ended["error"], ended["attempts"]) == ("succeeded", None, 2)
        assert ended["progress"] == {"stage": "active", "version": 1}
        assert versions(api) == {1: "active", 2: "retired"}
        matches = api.get(f"{TEXTS}/similar", q="bread", k=1_000, at_least_seq=api.get(TEXTS)["seq"])["matches"]
        assert len(matches) == 1_000


@pytest.mark.parametrize("dies_after", [2, 3])
def test_a_search_for_duplicates_whose_runner_is_killed_is_completed_by_the_next(
    url: str, folder: Path, dies_after: int
) -> None:
    api = Api(url, folder)
    with running(api):
        fill(api, 1_000)
        copies = [{**document, "id": f"copy of {document['id']}"} for document in documents(1_000)]
        api.post(f"{TEXTS}/documents", {"documents": copies})
        job = api.post(f"{TEXTS}/duplicates", {"radius": 0})
        dying = Runner(url, folder, dies_after=dies_after)
        with running(dying):
            assert dying.child.wait(90) == -9
        assert api.job(job["id"])["state"] == "running"
        assert api.http.get(f"{TEXTS}/duplicates").status_code == 404
        runner = Runner(url, folder)
        with running(runner):
            ended = api.finished(job["id"])
        assert (ended["state"], ended["error"], ended["attempts"]) == ("succeeded", None, 2)
        page = api.get(f"{TEXTS}/duplicates", limit=1_000)
        assert page["n_documents"] == 2_000
        together = {frozenset(one["id"] for one in group["documents"]) for group in page["items"]}
        assert all(any({f"d{i}", f"copy of d{i}"} <= group for group in together) for i in range(1_000))


@contextmanager
def steady_ingest(api: Api, n_threads: int = 2) -> Iterator[list[int]]:
    """New and changed documents, again and again until the block ends; the list counts the requests."""
    stop, n_requests = threading.Event(), [0]

    def write(thread: int) -> None:
        start = 1_000_000 * (thread + 1)
        while not stop.is_set():
            fresh = documents(20, start)
            changed = [{**d, "text": f"{d['text']} {start}"} for d in documents(20, start % 500)]
            response = api.http.post(f"{TEXTS}/documents", json={"documents": fresh + changed})
            assert response.is_success, response.text
            start += 20
            n_requests[0] += 1
            stop.wait(0.02)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    try:
        yield n_requests
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def n_missing(url: str, version: int) -> int:
    database = Database.open(url)
    with database.read() as connection:
        collection = collections.get(connection, "texts")
        found = codes.count_missing(connection, collection.id, spaces.get(connection, collection.id, version).id)
    database.close()
    return found


def test_promotions_end_while_others_write_without_a_pause(url: str, folder: Path) -> None:
    api = Api(url, folder)
    runner, trainer = Runner(url, folder), Trainer(url, folder)
    with running(api, runner, trainer):
        fill(api, 300)
        with steady_ingest(api) as n_requests:
            job = api.post(f"{TEXTS}/retrain", {"epochs": 1, "force": True})
            assert api.finished(job["id"])["state"] == "succeeded"
            assert n_missing(url, 2) == 0
            before = n_requests[0]
            until(lambda: n_requests[0] > before, "writes after the promotion")
            answer = api.http.post(f"{TEXTS}/rollback")
            if answer.status_code == 202:
                assert api.finished(answer.json()["id"])["state"] == "succeeded"
            assert versions(api) == {1: "active", 2: "retired"}
            assert n_missing(url, 1) == 0
        api.post(f"{TEXTS}/rollback")
        assert n_missing(url, 2) == 0


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_serve_starts_a_job_runner_that_ends_with_it(url: str, folder: Path) -> None:
    api = Api(url, folder, "--job-runner")
    with running(api):
        fill(api, 50)
        assert api.http.delete("/collections/texts").status_code == 204
        until(lambda: n_rows(url) == dict.fromkeys(n_rows(url), 0), "the end of the deletion")
        assert api.stop() == 0


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_runner_that_works_once_does_what_waits_and_ends(url: str, folder: Path) -> None:
    api = Api(url, folder)
    with running(api):
        fill(api, 50)
        assert api.http.delete("/collections/texts").status_code == 204
    once = Process(["-m", "service", "work", "--once"], folder, "once", NEARBIT_DATABASE_URL=url)
    with running(once):
        assert once.wait() == 0
    assert n_rows(url) == dict.fromkeys(n_rows(url), 0)
