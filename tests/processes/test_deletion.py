from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from service.hashing.content import Text
from service.processes.deletion import DeletionRun
from service.store import codes, collections, documents, jobs
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.jobs import Job
from tests.conftest import n_codes, new_collection

N = 250


class Killed(BaseException):
    """The runner is gone at this point."""


def filled(database: Database) -> tuple[Collection, int]:
    """A collection of `N` documents, every second of which is red; and its space."""
    collection, space = new_collection(database)
    with database.lane(collection.id) as lane:
        colors = ("red", "blue")
        new = [NewDocument(f"{i}", Text(f"text {i}"), {"color": colors[i % 2]}) for i in range(N)]
        put = documents.put(lane, new)
        codes.append(lane, space.id, [one.key for one in put], np.zeros((N, 8), np.uint8), [one.seq for one in put])
    with database.read() as connection:
        return collections.get(connection, collection.name), space.id


def enqueued(database: Database, collection: Collection) -> Job:
    with database.write() as connection:
        params = {"filter": {"color": "red"}, "seq": collection.last_seq, "total": N // 2}
        return jobs.enqueue(connection, collection, "delete", params)


def colors(database: Database, collection: Collection) -> dict[str, str]:
    with database.read() as connection:
        return {one.id: one.metadata["color"] for one in documents.page(connection, collection.id, 0, 1000)}


def test_what_passes_is_deleted_with_its_codes_and_what_changed_since_is_not(database: Database) -> None:
    collection, space_id = filled(database)
    job = enqueued(database, collection)
    with database.lane(collection.id) as lane:  # after the call
        documents.put(lane, [NewDocument(id, Text("new"), {"color": "red"}) for id in ("1", "2", "late")])
    reports: list[Mapping[str, Any]] = []
    done = DeletionRun(database, job, reports.append).run()
    assert done == {"stage": "done", "deleted": N // 2 - 1, "total": N // 2}
    assert [report["stage"] for report in reports][:2] == ["filtering", "filtering"]
    left = colors(database, collection)
    assert {id for id, color in left.items() if color == "red"} == {"1", "2", "late"}
    assert len(left) == N // 2 + 2
    with database.read() as connection:
        assert n_codes(connection, space_id) == N // 2 + 1


def test_a_run_that_was_killed_is_resumed_and_tells_of_both(database: Database) -> None:
    collection, _ = filled(database)
    job = enqueued(database, collection)
    n_reports = 0

    def kill(progress: Mapping[str, Any]) -> None:
        nonlocal n_reports
        n_reports += progress["stage"] == "deleting"
        if n_reports == 2:
            raise Killed

    with pytest.raises(Killed):
        DeletionRun(database, job, kill).run()
    n_left = sum(color == "red" for color in colors(database, collection).values())
    assert 0 < n_left < N // 2
    done = DeletionRun(database, job, lambda progress: None).run()
    assert done == {"stage": "done", "deleted": N // 2, "total": N // 2}
    assert set(colors(database, collection).values()) == {"blue"}
