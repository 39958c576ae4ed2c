from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from service.config import Settings
from service.hashing.content import Text
from service.hashing.digest import digest_of
from service.hashing.function import HashFunction
from service.hashing.untrained import untrained_hash_function
from service.store import collections, documents, jobs, judgments, pairs, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.jobs import Job
from service.store.pairs import Pair
from tests.flows.corpus import documents as texts
from training.encode import encode_all
from training.worker import run_job


@pytest.fixture
def collection(database: Database) -> Collection:
    """200 texts in the untrained space, and pairs of them."""
    content = untrained_hash_function(32).to_bytes()
    with database.write() as connection:
        made = collections.create(connection, "texts", "text", 32)
        spaces.put_function(connection, content, digest_of(content))
        space = spaces.create_untrained(connection, made, digest_of(content))
        pairs.put(connection, made.id, [Pair.of(f"d{i}", f"d{i + 1}", True) for i in range(199)])
    with database.lane(made.id) as lane:
        documents.put(lane, [NewDocument(d["id"], Text(d["text"]), d["metadata"]) for d in texts(200)])
    encode_all(database, space, HashFunction.from_bytes(content))
    return made


def judged(database: Database, folder: Path, collection: Collection, params: dict[str, Any]) -> Job:
    with database.write() as connection:
        jobs.enqueue(connection, collection, "quality", params)
        job = jobs.claim(connection, "w", 60, ["quality"])
    assert job is not None
    run_job(database, Settings(data_dir=folder, device="cpu"), job, "w", threading.Event())
    with database.read() as connection:
        return jobs.get(connection, job.id)


def test_a_report_on_a_space_is_kept_for_each_label(database: Database, tmp_path: Path, collection: Collection) -> None:
    for label in (None, "subject", "subject"):
        job = judged(database, tmp_path, collection, {"version": 1} | ({"label": label} if label else {}))
        assert (job.state, job.progress["stage"]) == ("succeeded", "done")
    with database.read() as connection:
        space = spaces.active(connection, collection.id)
        plain, by_subject = (judgments.get(connection, space.id, label) for label in (None, "subject"))
        assert judgments.get(connection, space.id, "other") is None
    assert plain is not None
    assert by_subject is not None
    assert plain.report["n_asked"].keys() == {"pairs"}
    assert by_subject.report["n_asked"]["label"] == by_subject.report["n_queries"]
    for figure in ("recall", "topic", "label", "pairs"):
        found = by_subject.report["found"][figure]
        assert 0 <= found["low"] <= found["mean"] <= found["high"] <= 1
    assert by_subject.report["active_version"] == 1
    assert 0 < by_subject.report["bit_correlation"] < 0.5


def test_a_space_that_is_gone_fails_the_job(database: Database, tmp_path: Path, collection: Collection) -> None:
    failed = judged(database, tmp_path, collection, {"version": 9})
    assert (failed.state, failed.error) == ("failed", "no code space '9'")
