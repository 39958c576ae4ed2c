from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from service.hashing.content import Text
from service.processes.patching import PatchRun
from service.store import documents, jobs
from service.store.collections import Collection
from service.store.database import Database
from service.store.jobs import Job
from tests.processes.test_deletion import Killed, N, filled

MAX_BYTES = 100


def enqueued(database: Database, collection: Collection) -> Job:
    change = {"metadata": {"seen": "x" * 40, "color": "green"}, "expires_at": "2099-01-01T00:00:00+00:00"}
    with database.write() as connection:
        params = {"filter": {"color": "red"}, "seq": collection.last_seq, "total": N // 2, **change}
        return jobs.enqueue(connection, collection, "patch", params)


def colors(database: Database, collection: Collection) -> list[str]:
    with database.read() as connection:
        return [one.metadata["color"] for one in documents.page(connection, collection.id, 0, 1_000)]


def test_a_run_that_was_killed_is_resumed_and_tells_of_both(database: Database) -> None:
    collection, _ = filled(database)
    job = enqueued(database, collection)
    reports: list[Mapping[str, Any]] = []

    def kill(progress: Mapping[str, Any]) -> None:
        reports.append(progress)
        if progress.get("patched"):
            raise Killed

    with pytest.raises(Killed):
        PatchRun(database, job, MAX_BYTES, kill).run()
    assert 0 < colors(database, collection).count("green") < N // 2
    resumed = replace(job, progress=dict(reports[-1]))
    done = PatchRun(database, resumed, MAX_BYTES, reports.append).run()
    assert done == {"stage": "done", "patched": N // 2, "refused": 0, "total": N // 2}
    assert colors(database, collection) == ["green", "blue"] * (N // 2)
    with database.read() as connection:
        found = documents.get(connection, collection.id, "0")
    assert (found.full_revision, found.revision, str(found.expires_at)) == (2, 1, "2099-01-01 00:00:00+00:00")


def test_a_document_whose_metadata_would_be_too_large_stays_as_it_is(database: Database) -> None:
    collection, _ = filled(database)
    with database.lane(collection.id) as lane:
        long = {"color": "red", "a": "x" * 50}
        documents.put(lane, [documents.NewDocument("2", Text("text 2"), long)])
        last_seq = lane.last_seq
    done = PatchRun(database, enqueued(database, replace(collection, last_seq=last_seq)), MAX_BYTES, print).run()
    assert done == {"stage": "done", "patched": N // 2 - 1, "refused": 1, "total": N // 2}
    assert colors(database, collection).count("red") == 1
