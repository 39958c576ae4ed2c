"""What a training measured, in increments and as it comes."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from service.search import job_events
from service.store import job_history, jobs
from service.store.database import Database
from service.store.job_history import NewRecord
from tests.web.asserting import refused

TEXTS = "/v1/collections/texts"
FIGURES = {
    "network": 1,
    "networks": 2,
    "epoch": 1,
    "n_bits": 8,
    "loss": 2.5,
    "parts": {"reconstruction": 2.5},
    "validation_loss": 3.0,
    "saturated": 0.25,
    "noise": 1.0,
    "learning_rate": 0.01,
    "documents_per_s": None,
    "eta_s": None,
    "activations": [1] * 20,
    "balance": [0.5] * 8,
}


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database.open(url)
    yield database
    database.close()


@pytest.fixture
def job(texts: TestClient, database: Database) -> str:
    """A retrain that runs and has measured three times."""
    id: str = texts.post(f"{TEXTS}/retrain").json()["id"]
    with database.write() as connection:
        jobs.claim(connection, "me", 30, ["retrain"])
        first = NewRecord(0, {**FIGURES, "loss": None, "landmarks": ["a", "b"]}, b"\0\1")
        job_history.put(connection, id, [first, *(NewRecord(n, FIGURES, b"\2\3") for n in (1, 3))])
    return id


def finish(database: Database, job: str, *numbers: int) -> None:
    with database.write() as connection:
        job_history.put(connection, job, [NewRecord(n, FIGURES, b"\4\5") for n in numbers])
        jobs.finish(connection, job, "me", "failed", "worse than before")


def events(response: httpx2.Response) -> list[tuple[str, str | None, Any]]:
    """Each event of a stream: its name, its id, its data."""
    found = []
    for block in response.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if fields:
            found.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
    return found


def test_records_come_in_increments(texts: TestClient, job: str) -> None:
    page = texts.get(f"/v1/jobs/{job}/history", params={"limit": 2}).json()
    assert ([one["number"] for one in page["items"]], page["more"]) == ([0, 1], True)
    first, second = page["items"]
    assert (first["landmarks"], b64decode(first["codes"]), first["loss"]) == (["a", "b"], b"\0\1", None)
    assert {**second, **FIGURES} == second
    assert "landmarks" not in second
    page = texts.get(f"/v1/jobs/{job}/history", params={"after": 1}).json()
    assert ([one["number"] for one in page["items"]], page["more"]) == ([3], False)
    assert texts.get(f"/v1/jobs/{job}/history", params={"after": 3}).json() == {"items": [], "more": False}


def test_a_listener_hears_every_record_and_the_end(texts: TestClient, job: str, database: Database) -> None:
    finish(database, job, 7)
    response = texts.get(f"/v1/jobs/{job}/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    heard = events(response)
    assert [(name, id) for name, id, _ in heard if name == "record"] == [("record", str(n)) for n in (0, 1, 3, 7)]
    name, _, last = heard[-1]
    assert (name, last) == ("job", texts.get(f"/v1/jobs/{job}").json())
    again = events(texts.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": "1"}))
    assert [id for name, id, _ in again if name == "record"] == ["3", "7"]
    assert [id for _, id, _ in events(texts.get(f"/v1/jobs/{job}/events?after=3"))] == ["7", None]


def test_a_head_request_does_not_listen(texts: TestClient, job: str) -> None:
    assert texts.head(f"/v1/jobs/{job}/events").status_code == 200


def test_one_listener_too_many_is_refused(texts: TestClient, job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_events, "MAX_LISTENERS", 0)
    refused(texts.get(f"/v1/jobs/{job}/events"), 503, "overloaded")


def test_listening_to_no_job_is_refused(texts: TestClient) -> None:
    for name in ("history", "events"):
        refused(texts.get(f"/v1/jobs/{'0' * 32}/{name}"), 404, "not-found")
