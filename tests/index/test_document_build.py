"""Words of a large collection are read by a process of its own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.index.document_build import DocumentBuild, build
from service.index.document_replica import DocumentReplica
from service.index.words import Clause, snapshot
from service.store.database import Database
from tests.backups import back_up, restore
from tests.index.histories import History
from tests.index.test_follower import running, until


def test_the_process_leaves_the_words_as_a_snapshot(database: Database, tmp_path: Path) -> None:
    history = History(database)
    history.put(range(1, 40))
    DocumentBuild(database, tmp_path).run(history.collection.id)
    mapped = DocumentReplica.load(database, history.overview, tmp_path)
    loaded = DocumentReplica.load(database, history.overview)
    assert (mapped.saved_seq, loaded.saved_seq) == (history.last_seq, 0)
    assert len(mapped.words) == len(loaded.words) == 39
    terms = loaded.words.completions("", 5) or loaded.words.completions("t", 5)
    found = [index.search([Clause(((t, 1.0),)) for t in terms], 39) for index in (mapped.words, loaded.words)]
    assert np.array_equal(found[0].keys, found[1].keys)
    assert np.array_equal(found[0].scores, found[1].scores)


def test_a_process_over_which_the_database_was_restored_leaves_nothing(
    database: Database, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(database)
    history.put([1])
    backup = back_up(database)
    history.put([2])
    read_all = DocumentReplica._read_all

    def restored(self: DocumentReplica, *given: Any) -> None:
        read_all(self, *given)
        restore(database, backup)

    monkeypatch.setattr(DocumentReplica, "_read_all", restored)
    build(url, history.collection.id, tmp_path)
    assert snapshot.names(tmp_path) == []


def test_a_follower_has_a_large_collection_read_so(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.index.document_replicas._SMALL_SEQ", 0)
    monkeypatch.setattr("service.index.document_replicas._BUILD_FROM", 10)
    history = History(database)
    history.put(range(1, 40))
    with running(database, snapshots=tmp_path) as follower:
        words = until(lambda: follower.documents(history.collection.id), "the words")
        assert words.saved_seq == history.last_seq
        history.put([100])
        until(lambda: len(follower.documents(history.collection.id).words) == 40, "the next write")  # type: ignore[union-attr]
    assert snapshot.names(tmp_path)


def test_where_the_process_fails_the_words_are_read_all_the_same(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.index.document_replicas._SMALL_SEQ", 0)
    monkeypatch.setattr("service.index.document_replicas._BUILD_FROM", 10)
    monkeypatch.setattr("sys.executable", str(tmp_path / "none"))
    history = History(database)
    history.put(range(1, 40))
    with running(database, snapshots=tmp_path / "snapshots") as follower:
        words = until(lambda: follower.documents(history.collection.id), "the words")
        assert len(words.words) == 39


def test_a_follower_that_stops_ends_the_process(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(sleeper))
    build = DocumentBuild(database, tmp_path)
    build.stop()
    began = time.monotonic()
    build.run(1)
    assert time.monotonic() - began < 30
