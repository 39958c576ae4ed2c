from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.errors import InvalidInput
from service.store import jobs, leases
from service.store.collections import Collection
from service.store.database import Database
from service.store.jobs import Job
from service.store.leases import Cancelled, Lease, LeaseLost, ReportProgress, Stopping
from tests.conftest import new_collection


@pytest.fixture
def collection(database: Database) -> Collection:
    return new_collection(database)[0]


@pytest.fixture
def job(database: Database, collection: Collection) -> Job:
    """A retrain that runs on the worker `w`."""
    with database.write() as connection:
        jobs.enqueue(connection, collection, "retrain", {})
        found = jobs.claim(connection, "w", 60, ["retrain"])
    assert found is not None
    return found


def stored(database: Database, job: Job) -> Job:
    with database.read() as connection:
        return jobs.get(connection, job.id)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def taken_over(database: Database, job: Job) -> None:
    with database.write() as connection:
        jobs.release(connection, job.id, "w")
    claimed = None
    while claimed is None:  # a claim passes over a row that a heartbeat has locked
        with database.write() as connection:
            claimed = jobs.claim(connection, "other", 60, ["retrain"])


@contextmanager
def without_jobs(database: Database) -> Iterator[None]:
    """The table of jobs is not there: statements fail in a way that means neither "busy" nor "away"."""
    with database.ddl() as connection:
        connection.exec_driver_sql("ALTER TABLE jobs RENAME TO elsewhere")
    yield
    with database.ddl() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO jobs")


def run(database: Database, job: Job, does: Callable[[ReportProgress], Mapping[str, Any]], lease_s: float = 5) -> None:
    leases.run_job(database, lease_s, job, "w", lambda _, report: does(report), threading.Event())


@pytest.mark.parametrize("end", [None, Cancelled(), Stopping(), InvalidInput("a reason"), ValueError("a defect")])
def test_a_worker_whose_job_was_taken_over_lives_on_and_leaves_the_job_as_it_is(
    database: Database, job: Job, end: Exception | None
) -> None:
    def does(report: ReportProgress) -> Mapping[str, Any]:
        taken_over(database, job)
        if end is not None:
            raise end
        return {"stage": "active"}

    run(database, job, does)
    left = stored(database, job)
    assert (left.state, left.error, left.progress) == ("running", None, {})
    with database.write() as connection:
        assert not jobs.heartbeat(connection, job.id, "other", 60)


@pytest.mark.parametrize("end", [None, Cancelled(), Stopping(), ValueError("a defect")])
def test_a_worker_whose_job_is_gone_lives_on(database: Database, job: Job, end: Exception | None) -> None:
    def does(report: ReportProgress) -> Mapping[str, Any]:
        with database.write() as connection:
            connection.exec_driver_sql("DELETE FROM jobs")
        if end is not None:
            raise end
        return {}

    run(database, job, does)


@pytest.mark.parametrize(
    ("end", "state", "error"),
    [
        (None, "succeeded", None),
        (Cancelled(), "cancelled", "cancelled on request"),
        (InvalidInput("a reason"), "failed", "a reason"),
        (ValueError("a defect"), "failed", "ValueError: a defect"),
    ],
)
def test_how_a_job_ended_is_on_its_row(
    database: Database, job: Job, end: Exception | None, state: str, error: str | None
) -> None:
    def does(report: ReportProgress) -> Mapping[str, Any]:
        report({"stage": "training", "epoch": 3})
        if end is not None:
            raise end
        return {"stage": "active"}

    run(database, job, does)
    ended = stored(database, job)
    assert (ended.state, ended.error) == (state, error)
    assert ended.progress == ({"stage": "active"} if end is None else {"stage": "training", "epoch": 3})


def test_a_driver_error_does_not_end_the_heartbeats(database: Database, job: Job) -> None:
    with Lease(database, 60, job, "w", threading.Event()) as lease:
        with without_jobs(database):
            lease.report({"epoch": 1})
            time.sleep(0.5)
            lease.report({})
        lease.report({"epoch": 2})
        until(lambda: stored(database, job).progress == {"epoch": 2})


def test_a_lease_that_cannot_be_renewed_until_it_has_expired_is_lost(database: Database, job: Job) -> None:
    def lost() -> bool:
        try:
            lease.report({})
        except LeaseLost:
            return True
        return False

    with Lease(database, 0.5, job, "w", threading.Event()) as lease, without_jobs(database):
        until(lost)


def test_a_worker_lives_on_after_a_driver_error_and_does_the_next_job(
    database: Database, collection: Collection
) -> None:
    stopping, done = threading.Event(), threading.Event()

    def does(job: Job, report: ReportProgress) -> Mapping[str, Any]:
        done.set()
        return {}

    worker = threading.Thread(
        target=leases.work, args=(database, 5, {"retrain": does}, stopping), kwargs={"once": False}
    )
    with capture_logs() as logs:
        with without_jobs(database):
            worker.start()
            until(lambda: [line for line in logs if line["log_level"] == "error"])
        assert worker.is_alive()
    with database.write() as connection:
        queued = jobs.enqueue(connection, collection, "retrain", {})
    assert done.wait(20)
    until(lambda: stored(database, queued).state == "succeeded")
    stopping.set()
    worker.join(20)
    assert not worker.is_alive()


def test_a_worker_takes_only_jobs_of_its_kinds(database: Database, collection: Collection) -> None:
    with database.write() as connection:
        for kind in ("retrain", "promote", "rollback"):
            jobs.enqueue(connection, collection, kind, {})
    seen: list[str] = []

    def does(job: Job, report: ReportProgress) -> Mapping[str, Any]:
        seen.append(job.kind)
        return {}

    leases.work(database, 5, {"promote": does, "rollback": does}, threading.Event(), once=True)
    assert sorted(seen) == ["promote", "rollback"]
    with database.read() as connection:
        assert jobs.is_waiting(connection, ["retrain"])
        assert not jobs.is_waiting(connection, ["promote", "rollback", "prune"])
