from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from service.hashing.content import Text
from service.ingest.drift import DriftWatch
from service.store import documents, spaces, upkeep, usage
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.upkeep import Upkeep
from service.store.usage import UsageCounter
from tests.conftest import new_collection


def test_counts_are_kept_when_the_watch_stops(database: Database) -> None:
    _, space = new_collection(database)
    counter = UsageCounter()
    watch = DriftWatch(database, counter, least_documents=10)
    watch.start()
    counter.add_query(space.id, True, 3)
    watch.stop()
    with database.read() as connection:
        assert usage.get(connection, space.id).first_nearest == {3: 1}


@pytest.mark.parametrize("setting", ["off", "advise"])
def test_a_collection_that_has_grown_is_advised_a_retrain_and_that_is_logged_once(
    database: Database, setting: str
) -> None:
    collection, space = new_collection(database)
    learned = {"training": {"collection": {"n_documents": 10, "last_key": 0}}}
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument(f"d{i}", Text("text"), {}) for i in range(14)])
        spaces.set_report(lane.connection, space.id, learned)
        upkeep.put(lane.connection, collection.id, Upkeep(auto_retrain=setting))  # type: ignore[arg-type]
    watch = DriftWatch(database, UsageCounter(), least_documents=10)
    with capture_logs() as logs:
        watch.look()
        assert watch.advised == {collection.name: []}
        with database.lane(collection.id) as lane:
            lane.draw(1)
            documents.put(lane, [NewDocument("one more", Text("text"), {})])
        for _ in range(2):
            watch.look()
    reasons = ["the collection has grown by 50%: 10 documents were there, now there are 15"]
    assert watch.advised == {collection.name: reasons}
    advised = [one for one in logs if one["event"] == "a retrain is advised"]
    assert [one["reasons"] for one in advised] == ([reasons] if setting == "advise" else [])
