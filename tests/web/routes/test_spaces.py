from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.config import Settings
from service.hashing.digest import digest_of
from service.hashing.untrained import untrained_hash_function
from service.ingest import spaces as ingest_spaces
from service.processes.jobs import JobRunner
from service.store import collections, leases, spaces
from service.store.database import Database
from service.training_options import TrainingOptions
from tests.web.asserting import refused
from tests.web.conftest import Start

TEXTS = "/v1/collections/texts"
UNKNOWN_JOB = "/v1/jobs/" + "0" * 32


def make_ready(url: str, client: TestClient) -> None:
    """A second code space in state ready, without a code in it, as a trainer leaves it when all were deleted."""
    content = untrained_hash_function(32, seed=7).to_bytes()
    database = Database.open(url)
    with database.write() as connection:
        spaces.put_function(connection, content, digest_of(content))
        space = spaces.start(connection, collections.get(connection, "texts").id, 32, "semantic_hashing")
        spaces.set_digest(connection, space.id, digest_of(content))
        spaces.set_report(connection, space.id, {"recall": {"self": 0.5}})
        for state in ("encoding", "evaluating", "ready"):
            spaces.move(connection, space.id, state)
    database.close()


def states(client: TestClient) -> dict[int, str]:
    return {space["version"]: space["state"] for space in client.get(f"{TEXTS}/spaces").json()["items"]}


def version(client: TestClient) -> int:
    seq = client.get(TEXTS).json()["seq"]
    answer: dict[str, Any] = client.get(f"{TEXTS}/similar", params={"q": "them", "at_least_seq": seq}).json()
    assert len(answer["matches"]) == 10
    found: int = answer["space"]["version"]
    return found


def test_a_retrain_is_queued_as_a_job_and_a_second_one_names_it(texts: TestClient) -> None:
    first = texts.post(f"{TEXTS}/retrain", json={"force": True, "epochs": 3})
    assert first.status_code == 202
    job = first.json()
    assert (job["state"], job["collection"], job["params"]) == ("queued", "texts", {"force": True, "epochs": 3})
    assert texts.get(f"/v1/jobs/{job['id']}").json() == job
    assert refused(texts.post(f"{TEXTS}/retrain"), 409, "retrain-running")["job_id"] == job["id"]


def test_a_promotion_can_be_previewed(texts: TestClient) -> None:
    found = texts.get(f"{TEXTS}/spaces/1/preview", params={"n": 5}).json()
    assert (found["version"], found["active_version"], found["queries"]) == (1, 1, None)
    assert (found["documents"]["n"], found["documents"]["overlap"], found["documents"]["histogram"][10]) == (5, 1.0, 5)
    refused(texts.get(f"{TEXTS}/spaces/9/preview"), 404, "not-found")
    refused(texts.get(f"{TEXTS}/spaces/1/preview", params={"n": 201}), 422, "invalid-input")


def test_a_retrain_of_too_few_documents_is_refused_with_the_number_that_is_needed(client: TestClient) -> None:
    client.put(TEXTS)
    problem = refused(client.post(f"{TEXTS}/retrain"), 422, "too-few-documents")
    assert (problem["needed"], problem["found"]) == (100, 0)
    assert problem["detail"] == "collection 'texts' needs at least 100 documents to be trained, it has 0"


@pytest.mark.parametrize(
    ("options", "where", "rule"),
    [
        ({"epohcs": 3}, "body.epohcs", '"epohcs" is no option: did you mean epochs?'),
        ({"variant": "deep"}, "body.variant", "variant must be one of contractive, denoising, "),
        ({"epochs": 10**9}, "body.epochs", "epochs must be an integer at least 1 and at most 1,000, got 1000000000"),
        (
            {"first_share": 0.4, "variant": "denoising"},
            "body.first_share",
            "first_share needs neighbors above 0, got 0.4",
        ),
        ({"likeness": 1, "first_share": 0}, "body.likeness", "likeness needs a first network"),
        *(
            (
                {"n_bits": n_bits},
                "body.n_bits",
                f"n_bits must be an integer at least 8 and at most 256 in steps of 8 or auto, got {shown}",
            )
            for n_bits, shown in ((33, "33"), (512, "512"), ("many", '"many"'))
        ),
        ({"image_size": 8}, "body.image_size", "image_size is an option of kind image, got kind text"),
        *(
            ({"supervise": supervise}, "body.supervise", "supervise must be an object with `field`, the name of")
            for supervise in ("group", {}, {"field": ""}, {"field": "group", "more": 1}, {"pairs": False}, [])
        ),
        ({"supervise": {"pairs": True}}, "body.supervise", "supervise.pairs needs pairs of the collection"),
        (
            {"supervise": {"field": "group"}, "variant": "sparse"},
            "body.supervise",
            "supervise needs variant 'neighbor', got 'sparse'",
        ),
        *(
            ({"judge": judge}, "body.judge", "judge must be aim, neighbors, topics, both, pairs or label:FIELD, got")
            for judge in ("recall", "label:", "neighbors ", 3)
        ),
        ({"model": 3}, "body.model", "model must be a text of at most 64 characters, got 3"),
        ({"force": "perhaps"}, "body.force", 'force must be true or false, got "perhaps"'),
    ],
)
def test_a_wrong_option_is_refused_at_the_call_and_nothing_is_queued(
    texts: TestClient, options: dict[str, object], where: str, rule: str
) -> None:
    problem = refused(texts.post(f"{TEXTS}/retrain", json=options), 422, "invalid-input")
    assert [fault["where"] for fault in problem["errors"]] == [where]
    assert rule in problem["errors"][0]["rule"]
    assert rule in problem["detail"]
    assert texts.post(f"{TEXTS}/retrain", json={"n_bits": 32, "hidden": [64]}).json()["params"] == {
        "n_bits": 32,
        "hidden": [64],
    }


def test_the_openapi_document_lists_the_options_of_a_retrain_with_their_ranges(texts: TestClient) -> None:
    schema = texts.get("/openapi.json").json()["components"]["schemas"]["Retrain"]
    assert schema["properties"].keys() == {
        *TrainingOptions.model_fields,
        *("force", "n_bits", "model", "supervise", "judge"),
    }
    assert schema["additionalProperties"] is False
    assert all(described["description"] for described in schema["properties"].values())
    epochs = schema["properties"]["epochs"]["anyOf"][0]
    assert (epochs["type"], epochs["minimum"], epochs["maximum"]) == ("integer", 1, 1_000)
    assert "neighbor" in schema["properties"]["variant"]["enum"]


@pytest.mark.parametrize("body", ['{"a": NaN}', r'{"a": "\u0000"}', r'{"\ud800": 1}', '{"force": 3}', "[]"])
def test_options_that_are_not_plain_json_are_refused(texts: TestClient, body: str) -> None:
    response = texts.post(f"{TEXTS}/retrain", content=body, headers={"Content-Type": "application/json"})
    refused(response, 422, "invalid-input")


def test_a_ready_space_is_completed_and_promoted_and_a_rollback_takes_it_back(texts: TestClient, url: str) -> None:
    make_ready(url, texts)
    assert states(texts) == {1: "active", 2: "ready"}
    promoted = texts.post(f"{TEXTS}/spaces/2/promote").json()
    assert (promoted["version"], promoted["state"], promoted["report"]) == (2, "active", {"recall": {"self": 0.5}})
    assert (states(texts), version(texts)) == ({1: "retired", 2: "active"}, 2)
    texts.post(f"{TEXTS}/documents", json={"documents": [{"id": "late", "text": "them"}]})
    assert texts.post(f"{TEXTS}/rollback").json()["version"] == 1
    assert (states(texts), version(texts)) == ({1: "active", 2: "retired"}, 1)
    assert texts.post(f"{TEXTS}/rollback").json()["version"] == 2


def test_a_promotion_that_would_take_long_is_a_job(
    texts: TestClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ready(url, texts)
    monkeypatch.setattr(ingest_spaces, "_PROMOTE_AT_ONCE", 11)
    queued = texts.post(f"{TEXTS}/spaces/2/promote")
    assert queued.status_code == 202, queued.text
    job = queued.json()
    assert queued.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["state"], job["progress"]) == ("promote", "queued", {})
    assert job["params"] == {"version": 2, "replaces": None}
    assert texts.get(queued.headers["location"]).json() == job
    assert states(texts) == {1: "active", 2: "ready"}
    running = refused(texts.post(f"{TEXTS}/spaces/2/promote"), 409, "job-running")
    assert (running["job_id"], running["kind"]) == (job["id"], "promote")
    database = Database.open(url)
    runner = JobRunner(database, Settings(database_url=url, device="cpu"))
    leases.work(database, 30, runner.kinds(), threading.Event(), once=True)
    done = texts.get(f"/v1/jobs/{job['id']}").json()
    assert (done["state"], done["error"]) == ("succeeded", None)
    assert done["progress"] == {"stage": "active", "version": 2}
    assert states(texts) == {1: "retired", 2: "active"}
    texts.post(f"{TEXTS}/documents", json={"documents": [{"text": f"late {i}"} for i in range(12)]})
    job = texts.post(f"{TEXTS}/rollback").json()
    assert (job["kind"], job["params"]) == ("rollback", {"version": 1, "replaces": 2})
    assert texts.post(f"/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    job = texts.post(f"{TEXTS}/spaces/2/rollback").json()
    leases.work(database, 30, runner.kinds(), threading.Event(), once=True)
    assert states(texts) == {1: "active", 2: "retired"}
    runner.close()
    database.close()


def test_a_rollback_job_fails_if_another_space_has_become_active_before_its_turn(
    texts: TestClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ready(url, texts)
    assert texts.post(f"{TEXTS}/spaces/2/promote").json()["state"] == "active"
    monkeypatch.setattr(ingest_spaces, "_PROMOTE_AT_ONCE", -1)
    job = texts.post(f"{TEXTS}/rollback").json()
    monkeypatch.undo()
    make_ready(url, texts)
    assert texts.post(f"{TEXTS}/spaces/3/promote").json()["state"] == "active"
    database = Database.open(url)
    runner = JobRunner(database, Settings(database_url=url, device="cpu"))
    leases.work(database, 30, runner.kinds(), threading.Event(), once=True)
    runner.close()
    database.close()
    ended = texts.get(f"/v1/jobs/{job['id']}").json()
    assert (ended["state"], ended["error"]) == ("failed", "code space 2 is retired and cannot become retired")
    assert states(texts) == {1: "retired", 2: "retired", 3: "active"}


def test_a_space_that_is_active_already_cannot_be_promoted(texts: TestClient) -> None:
    assert refused(texts.post(f"{TEXTS}/spaces/1/promote"), 409, "forbidden-move")["state"] == "active"


def test_without_a_retired_space_there_is_nothing_to_roll_back_to(texts: TestClient) -> None:
    assert refused(texts.post(f"{TEXTS}/rollback"), 404, "not-found")["kind"] == "retired code space"


def test_an_unknown_collection_space_or_job_is_named(texts: TestClient) -> None:
    for method, path, kind in (
        ("POST", "/v1/collections/none/retrain", "collection"),
        ("GET", "/v1/collections/none/spaces", "collection"),
        ("POST", "/v1/collections/none/rollback", "collection"),
        ("POST", "/v1/collections/none/spaces/1/promote", "collection"),
        ("POST", f"{TEXTS}/spaces/99/promote", "code space"),
        ("GET", UNKNOWN_JOB, "job"),
        ("POST", f"{UNKNOWN_JOB}/cancel", "job"),
    ):
        assert refused(texts.request(method, path), 404, "not-found")["kind"] == kind


@pytest.mark.parametrize("path", ["/spaces/0/promote", "/spaces/x/promote", f"/spaces/{2**31}/promote"])
def test_a_version_that_cannot_be_is_refused(lite: TestClient, path: str) -> None:
    refused(lite.post(TEXTS + path), 422, "invalid-input")


def test_with_an_admin_key_only_a_caller_with_it_retrains_and_promotes(start: Start, tmp_path: Path) -> None:
    client = start(f"sqlite:///{tmp_path}/a.db", admin_key="secret", host="0.0.0.0")
    for method, path in (
        ("POST", f"{TEXTS}/retrain"),
        ("POST", f"{TEXTS}/rollback"),
        ("POST", f"{TEXTS}/spaces/1/promote"),
        ("POST", f"{UNKNOWN_JOB}/cancel"),
        ("GET", UNKNOWN_JOB),
    ):
        refused(client.request(method, path), 401, "unauthorized")
        refused(client.request(method, path, headers={"Authorization": "Bearer secret"}), 404, "not-found")
