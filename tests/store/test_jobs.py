from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import exc, update

from service.errors import Conflict, ForbiddenMove, NotFound, RetrainRunning
from service.store import collections, jobs, schema, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.deletion import Deletion
from service.store.jobs import Job
from tests.conftest import new_collection

LEASE_S = 60.0
KINDS = ["retrain"]


def enqueued(database: Database, collection: Collection | None = None) -> Job:
    collection = collection or new_collection(database)[0]
    with database.write() as connection:
        return jobs.enqueue(connection, collection, "retrain", {"n_bits": 64, "force": False})


def claimed(database: Database, worker: str = "w", lease_s: float = LEASE_S) -> Job | None:
    with database.write() as connection:
        return jobs.claim(connection, worker, lease_s, KINDS)


def test_a_job_is_queued_then_running_then_succeeded(database: Database) -> None:
    collection, space = new_collection(database, name="news")
    queued = enqueued(database, collection)
    assert (queued.state, queued.collection, queued.attempts, queued.space_id) == ("queued", "news", 0, None)
    assert (queued.params, queued.progress) == ({"n_bits": 64, "force": False}, {})
    running = claimed(database)
    assert running is not None
    assert (running.id, running.state, running.attempts) == (queued.id, "running", 1)
    assert running.started_at is not None
    assert running.finished_at is None
    with database.write() as connection:
        jobs.attach_space(connection, running.id, space.id)
        assert not jobs.heartbeat(connection, running.id, "w", LEASE_S, {"stage": "training", "loss": 0.5})
        assert not jobs.heartbeat(connection, running.id, "w", LEASE_S)
        stored = jobs.get(connection, running.id)
        assert (stored.progress, stored.space_id) == ({"stage": "training", "loss": 0.5}, space.id)
        done = jobs.finish(connection, running.id, "w", "succeeded", progress={"stage": "active"})
    assert (done.state, done.error, done.progress) == ("succeeded", None, {"stage": "active"})
    assert done.finished_at is not None
    assert claimed(database) is None


def test_a_second_job_for_a_collection_names_the_one_that_runs(database: Database) -> None:
    collection, _ = new_collection(database)
    first = enqueued(database, collection)
    with pytest.raises(RetrainRunning) as caught:
        enqueued(database, collection)
    assert caught.value.job_id == first.id
    claimed(database)
    with pytest.raises(RetrainRunning):
        enqueued(database, collection)
    with database.write() as connection:
        jobs.finish(connection, first.id, "w", "failed", "a reason")
    assert enqueued(database, collection).id != first.id


def test_the_database_itself_refuses_a_second_unfinished_job(database: Database) -> None:
    collection, _ = new_collection(database)
    first = enqueued(database, collection)
    claimed(database)
    with database.write() as connection:
        jobs.finish(connection, first.id, "w", "succeeded")
    enqueued(database, collection)
    with pytest.raises(exc.IntegrityError), database.write() as connection:
        connection.execute(update(schema.jobs).where(schema.jobs.c.id == first.id).values(state="running"))


def test_the_oldest_job_is_claimed_first_and_by_one_worker_only(database: Database) -> None:
    first = enqueued(database)
    time.sleep(0.002)
    second = enqueued(database)
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda n: claimed(database, f"worker {n}"), range(4)))
    assert sorted(job.id for job in taken if job) == sorted([first.id, second.id])
    with database.read() as connection:
        started = [jobs.get(connection, job.id).started_at for job in (first, second)]
    assert None not in started


def test_workers_do_not_wait_for_each_other_on_postgresql(postgres_url: str) -> None:
    database = Database.open(postgres_url, lock_timeout_s=0.5)
    first, second = enqueued(database), enqueued(database)
    with database.write() as one, database.write() as other:
        taken = [
            jobs.claim(one, "one", LEASE_S, KINDS),
            jobs.claim(other, "other", LEASE_S, KINDS),
            jobs.claim(other, "x", LEASE_S, KINDS),
        ]
    assert sorted(job.id for job in taken if job) == sorted([first.id, second.id])
    database.close()


def test_a_job_whose_worker_fell_silent_is_claimed_again_and_the_first_worker_is_told(database: Database) -> None:
    job = enqueued(database)
    assert claimed(database, "dead")
    assert claimed(database, "early") is None
    with database.write() as connection:
        connection.execute(update(schema.jobs).values(lease_until=schema.now(-1)))
    again = claimed(database, "next")
    assert again is not None
    assert (again.id, again.attempts) == (job.id, 2)
    with database.write() as connection:
        for late in (
            lambda: jobs.heartbeat(connection, job.id, "dead", LEASE_S),
            lambda: jobs.finish(connection, job.id, "dead", "succeeded"),
            lambda: jobs.release(connection, job.id, "dead"),
        ):
            with pytest.raises(Conflict, match="not on worker dead"):
                late()
        assert jobs.get(connection, job.id).state == "running"


def test_a_heartbeat_renews_the_lease(database: Database) -> None:
    job = enqueued(database)
    claimed(database, "w", lease_s=0.05)
    with database.write() as connection:
        jobs.heartbeat(connection, job.id, "w", LEASE_S)
    time.sleep(0.06)
    assert claimed(database, "next") is None


def test_a_released_job_is_claimed_at_once_and_the_attempt_does_not_count(database: Database) -> None:
    job = enqueued(database)
    claimed(database)
    with database.write() as connection:
        jobs.release(connection, job.id, "w")
    again = claimed(database, "next")
    assert again is not None
    assert (again.id, again.attempts) == (job.id, 1)


def test_a_queued_job_is_cancelled_at_once(database: Database) -> None:
    collection, _ = new_collection(database)
    job = enqueued(database, collection)
    with database.write() as connection:
        cancelled = jobs.cancel(connection, job.id)
    assert (cancelled.state, cancelled.cancel_requested) == ("cancelled", True)
    assert cancelled.finished_at is not None
    assert claimed(database) is None
    assert enqueued(database, collection)


def test_a_running_job_is_asked_to_stop_and_its_worker_hears_it(database: Database) -> None:
    job = enqueued(database)
    claimed(database)
    with database.write() as connection:
        asked = jobs.cancel(connection, job.id)
        assert (asked.state, asked.cancel_requested, asked.finished_at) == ("running", True, None)
        assert jobs.heartbeat(connection, job.id, "w", LEASE_S)
        assert jobs.finish(connection, job.id, "w", "cancelled").state == "cancelled"
        with pytest.raises(ForbiddenMove, match="is cancelled and cannot become cancelled"):
            jobs.cancel(connection, job.id)


def test_an_unknown_job_is_not_found(database: Database) -> None:
    with database.write() as connection:
        for missing in (
            lambda: jobs.get(connection, "j"),
            lambda: jobs.cancel(connection, "j"),
            lambda: jobs.heartbeat(connection, "j", "w", LEASE_S),
        ):
            with pytest.raises(NotFound, match="no job 'j'"):
                missing()


def test_a_job_goes_with_its_collection_and_stays_when_its_space_is_pruned(database: Database) -> None:
    collection, _ = new_collection(database, name="news")
    job = enqueued(database, collection)
    with database.write() as connection:
        space = spaces.start(connection, collection.id, 64, "semantic_hashing")
        jobs.attach_space(connection, job.id, space.id)
        spaces.fail(connection, space.id, "a reason")
        spaces.prune(connection, collection.id, keep=0)
    Deletion(database, lambda progress: None).prune(collection.id)
    with database.write() as connection:
        assert jobs.get(connection, job.id).space_id is None
        collections.drop(connection, "news")
        with pytest.raises(NotFound):
            jobs.get(connection, job.id)


def test_the_jobs_of_a_collection_come_in_pages_the_last_one_first(database: Database) -> None:
    collection, _ = new_collection(database)
    enqueued(database)  # of another collection
    asked = []
    for kind in ("retrain", "duplicates", "retrain", "import"):
        with database.write() as connection:
            asked.append(jobs.enqueue(connection, collection, kind, {}).id)
            jobs.cancel(connection, asked[-1])
    with database.read() as connection:
        first = jobs.page(connection, collection.id, None, "", 3)
        rest = jobs.page(connection, collection.id, None, first[-1].id, 3)
        of_kind = jobs.page(connection, collection.id, "retrain", "", 9)
    assert sorted(job.id for job in first + rest) == sorted(asked)
    assert [job.created_at for job in first + rest] == sorted((job.created_at for job in first + rest), reverse=True)
    assert {job.id for job in of_kind} == {asked[0], asked[2]}


def test_the_backlog_is_what_waits_and_what_runs_by_kind(database: Database) -> None:
    with database.read() as connection:
        assert jobs.backlog(connection) == []
    for name in ("news", "mail"):
        enqueued(database, new_collection(database, name=name)[0])
    claimed(database)
    with database.read() as connection:
        queued, running = jobs.backlog(connection)
    assert (queued.kind, queued.state, queued.n_jobs) == ("retrain", "queued", 1)
    assert (running.kind, running.state, running.n_jobs) == ("retrain", "running", 1)
    assert 0 <= queued.oldest_s < 600
