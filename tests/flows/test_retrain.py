"""A retrain beside live traffic, a rollback, and a trainer that is killed in every stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.corpus import documents, fill
from tests.flows.processes import Api, Trainer, running, until
from tests.flows.traffic import Traffic

pytestmark = pytest.mark.long_on_postgresql

QUERIES = [d["text"] for d in documents(40, start=900_000)]


def versions(api: Api) -> dict[int, str]:
    return {s["version"]: s["state"] for s in api.get("/collections/texts/spaces")["items"]}


def answering(api: Api) -> int:
    version: int = api.get("/collections/texts/similar", q="bread")["space"]["version"]
    return version


def n_matches(api: Api, answer_to: str, k: int = 1_000) -> int:
    return len(api.get("/collections/texts/similar", q=answer_to, k=k, fields="id")["matches"])


def test_a_retrain_and_a_rollback_under_traffic_lose_no_query_and_no_document(url: str, folder: Path) -> None:
    one = Api(url, folder)
    two = Api(url, folder)
    trainer = Trainer(url, folder)
    with running(one, two, trainer):
        fill(one, 600)
        until(lambda: n_matches(two, "bread oven") == 600, "the second process to follow")
        with Traffic([one, two], "texts", QUERIES) as traffic:
            job = one.post("/collections/texts/retrain", {"epochs": 4, "force": True})
            added = one.post("/collections/texts/documents", {"documents": documents(50, start=5_000)})
            assert two.finished(job["id"])["state"] == "succeeded"
            until(lambda: traffic.versions == {1, 2}, "answers from both spaces")
            assert n_matches(two, "bread oven") == 650
            fresh = one.post("/collections/texts/documents", {"documents": documents(10, start=7_000)})
            assert (added["space"]["version"], fresh["space"]["version"]) == (1, 2)
            assert one.post("/collections/texts/rollback")["version"] == 1
            until(lambda: {answering(one), answering(two)} == {1}, "both processes to be back")
            assert n_matches(one, "bread oven") == n_matches(two, "bread oven") == 660
        assert traffic.faults == []
        assert traffic.n_answers > 50
        assert versions(one) == {1: "active", 2: "retired"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "stage"),
    [
        ("sqlite", "training"),
        ("sqlite", "encoding"),
        ("sqlite", "evaluating"),
        ("sqlite", "ready"),
        ("postgres", "encoding"),
    ],
)
def test_a_trainer_killed_in_any_stage_is_resumed_by_the_next(
    kind: str, stage: str, folder: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(f"{kind}_url")
    api = Api(url, folder)
    dying = Trainer(url, folder, dies_in=stage)
    with running(api, dying):
        fill(api, 300)
        job = api.post("/collections/texts/retrain", {"epochs": 4, "force": True})
        assert dying.child.wait(90) == -9
        assert api.job(job["id"])["state"] == "running"
        next_one = Trainer(url, folder)
        with running(next_one):
            ended = api.finished(job["id"])
        assert (ended["state"], ended["error"]) == ("succeeded", None)
        assert versions(api) == {1: "retired", 2: "active"}
        assert n_matches(api, "bread oven") == 300


@pytest.mark.long
def test_a_trainer_that_is_stopped_gives_its_job_back_at_once(sqlite_url: str, folder: Path) -> None:
    api = Api(sqlite_url, folder)
    first = Trainer(sqlite_url, folder, NEARBIT_LEASE_S="600")
    with running(api, first):
        fill(api, 300)
        job = api.post("/collections/texts/retrain", {"epochs": 500, "patience": 500})
        until(lambda: api.job(job["id"])["progress"].get("epoch"), "the first epoch")
        assert first.stop() == 0
        assert api.job(job["id"])["state"] == "queued"
        second = Trainer(sqlite_url, folder)
        with running(second):
            until(lambda: api.job(job["id"])["state"] == "running", "the second trainer")
            api.post(f"/jobs/{job['id']}/cancel")
            assert api.finished(job["id"])["state"] == "cancelled"
        assert versions(api)[2] == "failed"
