from __future__ import annotations

from sqlalchemy import Connection, func, select

from service.store import job_history, jobs, schema
from service.store.database import Database
from service.store.job_history import NewRecord
from tests.conftest import new_collection


def record(number: int, **figures: float) -> NewRecord:
    return NewRecord(number, dict(figures), bytes([number]))


def running(database: Database, collection: object) -> str:
    with database.write() as connection:
        id = jobs.enqueue(connection, collection, "retrain", {}).id  # type: ignore[arg-type]
        jobs.claim(connection, "w", 60, ["retrain"])
        return id


def numbers(connection: Connection, job: str, after: int = -1, limit: int = 100) -> list[int]:
    return [one.number for one in job_history.after(connection, job, after, limit)]


def test_records_come_in_increments_and_one_that_is_measured_again_replaces_the_first(database: Database) -> None:
    job = running(database, new_collection(database)[0])
    with database.write() as connection:
        job_history.put(connection, job, [record(n, loss=n / 2) for n in (0, 1, 2, 5)])
        job_history.put(connection, job, [record(2, loss=7.5), record(3)])
    with database.read() as connection:
        assert numbers(connection, job) == [0, 1, 2, 3, 5]
        assert numbers(connection, job, after=1, limit=2) == [2, 3]
        second = job_history.after(connection, job, 1, 1)[0]
        assert (second.record, second.codes) == ({"loss": 7.5}, b"\2")
        assert second.at.tzinfo is not None
        assert numbers(connection, job, after=5) == numbers(connection, "none") == []


def test_nothing_is_kept_of_a_job_that_does_not_run(database: Database) -> None:
    job = running(database, new_collection(database)[0])
    with database.write() as connection:
        jobs.finish(connection, job, "w", "failed", "it was bad")
        job_history.put(connection, job, [record(1)])
        job_history.put(connection, "none", [record(1)])
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(schema.job_history)).scalar() == 0


def test_records_are_kept_of_the_last_jobs_of_a_collection_alone(database: Database) -> None:
    others = running(database, new_collection(database)[0])
    collection, _ = new_collection(database)
    ran = []
    for _ in range(job_history.KEPT + 2):
        ran.append(running(database, collection))
        with database.write() as connection:
            for job in (ran[-1], others):
                job_history.put(connection, job, [record(1)])
            jobs.finish(connection, ran[-1], "w", "succeeded")
    with database.write() as connection:
        job_history.forget_old(connection, collection.id)
    with database.read() as connection:
        kept = {job for job in ran if numbers(connection, job)}
        assert len(kept) == job_history.KEPT
        assert ran[-1] in kept
        assert numbers(connection, others)
