from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.config import Settings
from service.hashing.content import Text
from service.hashing.digest import digest_of
from service.hashing.function import HashFunction
from service.hashing.untrained import untrained_hash_function
from service.store import collections, documents, jobs, maps, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.jobs import Job
from service.store.maps import Places, StoredMap
from tests.flows.corpus import documents as texts
from training import map as map_job
from training.encode import encode_all
from training.map import MapRun, enqueue_map
from training.worker import run_job


@pytest.fixture
def collection(database: Database) -> Collection:
    """An untrained space, and no document."""
    content = untrained_hash_function(32).to_bytes()
    with database.write() as connection:
        made = collections.create(connection, "texts", "text", 32)
        spaces.put_function(connection, content, digest_of(content))
        spaces.create_untrained(connection, made, digest_of(content))
    return made


def put(database: Database, collection: Collection, ids: range) -> None:
    """Texts with those ids, encoded."""
    new = texts(ids.stop)[ids.start :]
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument(d["id"], Text(d["text"]), d["metadata"]) for d in new])
    with database.read() as connection:
        space = spaces.active(connection, collection.id)
        function = HashFunction.from_bytes(spaces.get_function(connection, str(space.digest)))
    encode_all(database, space, function)


def claimed(database: Database, collection: Collection, **params: Any) -> Job:
    with database.write() as connection:
        jobs.enqueue(connection, collection, "map", params)
        job = jobs.claim(connection, "w", 60, ["map"])
    assert job is not None
    return job


def drawn(database: Database, folder: Path, collection: Collection, **params: Any) -> Job:
    job = claimed(database, collection, **params)
    run_job(database, Settings(data_dir=folder, device="cpu"), job, "w", threading.Event())
    with database.read() as connection:
        return jobs.get(connection, job.id)


def stored(database: Database, collection: Collection) -> tuple[StoredMap, Places]:
    with database.read() as connection:
        found = maps.latest(connection, spaces.active(connection, collection.id).id)
        assert found is not None
        return found, maps.load(connection, found.id)


def n_maps(database: Database) -> int:
    with database.read() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM maps").scalar_one()  # type: ignore[no-any-return]


def test_a_map_has_every_document_and_the_next_one_begins_with_it(
    database: Database, tmp_path: Path, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, collection, range(120))
    monkeypatch.setattr(map_job, "MAX_LANDMARKS", 90)
    job = drawn(database, tmp_path, collection)
    assert (job.state, job.error) == ("succeeded", None)
    first, places = stored(database, collection)
    assert job.progress["documents"] == first.n_documents == len(places) == 120
    assert (np.diff(places.keys) > 0).all()
    assert np.isfinite(places.positions).all()
    assert job.progress["moved"] == 0
    assert {label["level"] for label in first.labels} >= {0}
    assert all(label["words"] and label["text"] and label["n"] for label in first.labels)

    put(database, collection, range(120, 130))
    again = drawn(database, tmp_path, collection)
    second, after = stored(database, collection)
    assert len(after) == 130
    assert second.digest != first.digest
    assert n_maps(database) == 1
    assert again.progress["moved"] < 0.5
    assert second.report == {name: again.progress[name] for name in ("trustworthiness", "moved")}


def test_what_a_killed_job_left_is_gone_and_never_seen(
    database: Database, tmp_path: Path, collection: Collection
) -> None:
    put(database, collection, range(40))
    with database.write() as connection:
        space = spaces.active(connection, collection.id)
        left = maps.start(connection, space.id, 1)
        maps.add(connection, left, 0, maps.chunk(Places.none()))
        assert maps.latest(connection, space.id) is None
    assert drawn(database, tmp_path, collection).state == "succeeded"
    assert n_maps(database) == 1
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM code_spaces")
    assert n_maps(database) == 0


def test_a_map_that_cannot_be_made_fails_its_job(database: Database, tmp_path: Path, collection: Collection) -> None:
    put(database, collection, range(10))
    few = drawn(database, tmp_path, collection)
    assert few.state == "failed"
    assert "at least 20 documents" in str(few.error)
    gone = drawn(database, tmp_path, collection, version=9)
    assert (gone.state, gone.error) == ("failed", "no code space '9'")


def test_the_space_that_is_active_at_the_end_gets_its_map(database: Database, collection: Collection) -> None:
    put(database, collection, range(25))
    other = untrained_hash_function(32, seed=5).to_bytes()
    seen: list[Any] = []

    def report(progress: Any) -> None:
        seen.append(progress)
        if progress.get("stage") == "layout" and len([one for one in seen if one.get("stage") == "layout"]) == 1:
            with database.write() as connection:
                spaces.put_function(connection, other, digest_of(other))
                space = spaces.active(connection, collection.id)
                connection.exec_driver_sql(f"UPDATE code_spaces SET state = 'retired' WHERE id = {space.id}")
                spaces.create_untrained(connection, collection, digest_of(other))
            put(database, collection, range(25, 26))

    last = MapRun(database, claimed(database, collection), report).run()
    assert last["version"] == 2
    with database.read() as connection:
        assert all(maps.latest(connection, one.id) for one in spaces.list(connection, collection.id))


def test_a_retrain_of_a_small_collection_or_with_a_map_under_way_enqueues_none(
    database: Database, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, collection, range(20))
    monkeypatch.setattr(map_job, "_AUTOMATIC_FROM", 21)
    with database.write() as connection:
        enqueue_map(connection, collection)
        assert jobs.unfinished(connection, collection.id, "map") is None
        monkeypatch.setattr(map_job, "_AUTOMATIC_FROM", 20)
        enqueue_map(connection, collection)
        queued = jobs.unfinished(connection, collection.id, "map")
        enqueue_map(connection, collection)
        assert queued == jobs.unfinished(connection, collection.id, "map") is not None
