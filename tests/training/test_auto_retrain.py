from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from service.hashing.content import Text
from service.store import documents, jobs, schema, spaces, upkeep
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.upkeep import RetrainPolicy, Upkeep
from tests.conftest import new_collection
from training.auto_retrain import AutoRetrain

LEARNED = {"training": {"collection": {"n_documents": 10, "last_key": 0}, "params": {"aim": "both", "force": True}}}


class Clock:
    """A clock that a test sets; it starts now, as the database's does."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **time: float) -> None:
        self.now += timedelta(**time)


def grown(database: Database, policy: RetrainPolicy) -> Collection:
    """A collection of 16 documents, of which 10 were there at the training."""
    collection, space = new_collection(database)
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument(f"d{i}", Text("text"), {}) for i in range(16)])
        spaces.set_report(lane.connection, space.id, LEARNED)
        upkeep.put(lane.connection, collection.id, Upkeep(auto_retrain=policy))
    return collection


def queued(database: Database, collection: Collection) -> str | None:
    with database.read() as connection:
        return jobs.unfinished(connection, collection.id, "retrain")


@pytest.mark.parametrize(
    ("policy", "is_retrained"),
    [
        (RetrainPolicy(growth=0.5), True),
        (RetrainPolicy(growth=0.7), False),
        (RetrainPolicy(drift=True), False),
        (RetrainPolicy(growth=0.5, drift=True), True),
    ],
)
def test_a_collection_is_retrained_if_it_has_grown_as_its_policy_says(
    database: Database, policy: RetrainPolicy, is_retrained: bool
) -> None:
    collection = grown(database, policy)
    AutoRetrain(database, 10).look()
    assert (queued(database, collection) is not None) == is_retrained


def test_an_untrained_collection_is_retrained_for_drift_once_it_is_large_enough(database: Database) -> None:
    collection = grown(database, RetrainPolicy(drift=True))
    with database.write() as connection:
        spaces.set_report(connection, spaces.active(connection, collection.id).id, {})
    AutoRetrain(database, 17).look()
    assert queued(database, collection) is None
    AutoRetrain(database, 16).look()
    assert queued(database, collection) is not None


def test_the_options_of_the_last_training_are_used_again_but_never_force(database: Database) -> None:
    collection = grown(database, RetrainPolicy(growth=0.5))
    AutoRetrain(database, 10).look()
    with database.read() as connection:
        job = jobs.get(connection, str(queued(database, collection)))
    assert job.params == {"aim": "both"}


def test_it_looks_once_a_minute_and_does_not_repeat_what_was_refused_a_moment_ago(database: Database) -> None:
    clock = Clock()
    watch = AutoRetrain(database, 10, clock)
    watch.look()
    collection = grown(database, RetrainPolicy(growth=0.5))
    clock.pass_time(seconds=59)
    watch.look()
    assert queued(database, collection) is None
    clock.pass_time(seconds=1)
    watch.look()
    first = queued(database, collection)
    assert first is not None
    with database.write() as connection:
        connection.execute(update(schema.jobs).where(schema.jobs.c.id == first).values(state="failed"))
    clock.pass_time(hours=2)
    watch.look()
    assert queued(database, collection) is None
    clock.pass_time(hours=20)
    watch.look()
    assert queued(database, collection) not in (None, first)


@pytest.mark.parametrize(
    ("hours", "allowed"), [((1, 5), {1, 2, 3, 4}), ((22, 2), {22, 23, 0, 1}), (None, {*range(24)})]
)
def test_a_retrain_begins_in_the_hours_of_the_policy_alone(hours: tuple[int, int] | None, allowed: set[int]) -> None:
    policy = RetrainPolicy(growth=0.5, hours=hours)
    assert {hour for hour in range(24) if policy.allows(datetime(2026, 1, 1, hour, 59, tzinfo=UTC))} == allowed


def test_a_policy_that_does_not_allow_this_hour_queues_nothing(database: Database) -> None:
    clock = Clock()
    hour = clock.now.hour
    collection = grown(database, RetrainPolicy(growth=0.5, hours=((hour + 1) % 24, (hour + 2) % 24)))
    watch = AutoRetrain(database, 10, clock)
    watch.look()
    assert queued(database, collection) is None
    clock.pass_time(hours=1)
    watch.look()
    assert queued(database, collection) is not None
