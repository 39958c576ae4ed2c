"""However words were followed, they answer as words that were read afresh, and as a slow oracle of what SQL holds."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from structlog.testing import capture_logs

from service.hashing.analysis import Analyzer
from service.hashing.content import Text
from service.index import document_replicas as module
from service.index.columns import ColumnIndex
from service.index.columns.filters import Exists, OneOf
from service.index.columns.from_sql import columns_from_sql
from service.index.document_replica import DocumentReplica
from service.index.replicas import Follower
from service.index.words import Clause, snapshot
from service.store import codes, collections, document_changes, documents, overviews, schema, words
from service.store.database import Database
from service.store.deletion import Deletion
from service.store.documents import NewDocument
from tests.backups import back_up, restore
from tests.index.columns import oracle as column_oracle
from tests.index.histories import History, unique
from tests.index.test_follower import running, until
from tests.index.words.oracle import Oracle

VOCABULARY = ("cat", "cats", "running", "runs", "the", "tree", "numpy.linalg", "\u673a\u5668")
Scores = dict[str, dict[int, float]]


class WordHistory(History):
    """One collection, whose texts and word settings change."""

    def write(
        self, ids: list[int], texts: list[str], titles: list[str | None], metadata: dict[str, Any] | None = None
    ) -> None:
        chosen = dict(zip(ids, zip(texts, titles, strict=True), strict=False))
        new = [NewDocument(f"d{i}", Text(text, title), metadata or {}) for i, (text, title) in chosen.items()]
        active = self.active
        with self.database.lane(self.collection.id) as lane:
            put = documents.put(lane, new)
            codes.discard(lane, [p.key for p in put], keep_space_id=active.id)
            codes.append(lane, active.id, [p.key for p in put], self.codes(len(put)), [p.seq for p in put])

    def change(self, **values: object) -> None:
        with self.database.write() as connection:
            before, _ = words.lock(connection, self.collection.id)
            words.put(connection, self.collection.id, replace(before, **values))  # type: ignore[arg-type]

    def compact(self, lag: int) -> None:
        Deletion(self.database, lambda _: None).prune(self.collection.id, lag=lag)

    def settings(self) -> words.WordSettings:
        with self.database.read() as connection:
            return words.get(connection, self.collection.id)[0]


def answers(replica: DocumentReplica | None) -> Scores:
    """The score of every document by each term of the vocabulary."""
    assert replica is not None
    found = {term: replica.words.search([Clause(((term, 1.0),))], 1_000) for term in terms_of(replica.analyzer)}
    return {t: dict(zip(m.keys.tolist(), m.scores.tolist(), strict=True)) for t, m in found.items()}


def check_columns(index: ColumnIndex, stored: dict[int, Any]) -> None:
    """The columns hold what SQL does."""
    view = index.view()
    assert view.all_keys().allowed_keys().tolist() == sorted(stored)
    for field in ("lang", "seen.year", "seen.tags"):
        expected, n_missing = column_oracle.count(stored, field)
        found = view.count(field, None, 100)
        assert ([(column_oracle.rank(value)[1], n) for value, n in found.values], found.n_missing) == (
            expected,
            n_missing,
        )
        exists = Exists(field, "filter")
        assert view.mask(exists).allowed_keys().tolist() == column_oracle.mask(stored, exists)


def terms_of(analyzer: Analyzer) -> list[str]:
    return sorted({term for word in VOCABULARY for term in analyzer.all_terms(word)})


def check(history: WordHistory, replica: DocumentReplica | None) -> None:
    """The replica answers exactly as one that is read afresh, and as the oracle."""
    assert replica is not None
    stored = history.settings()
    fresh = DocumentReplica.load(history.database, history.overview)
    assert replica.settings == fresh.settings == stored
    assert replica.analyzer.language == stored.analyzer_language
    assert replica.synonyms == fresh.synonyms
    assert replica.read_seq == replica.columns_seq == history.last_seq
    assert answers(replica) == answers(fresh)
    oracle = Oracle(stored.k1, stored.b, stored.title_weight)
    table = schema.documents.c
    with history.database.read() as connection:
        columns = table.key, table.text, table.title, table.metadata
        query = select(*columns).where(table.collection_id == history.collection.id)
        stored_metadata = {}
        for key, text, title, metadata in connection.execute(query):
            body, titled = fresh.terms_of(text, title)
            oracle.put(key, body, titled)
            stored_metadata[key] = metadata
        from_sql = columns_from_sql(connection, history.collection.id, ["lang", "seen"])
    for index in (replica.columns, fresh.columns, from_sql):
        check_columns(index, stored_metadata)
    expected = {
        term: {key: -score for score, key in oracle.search([Clause(((term, 1.0),))])}
        for term in terms_of(fresh.analyzer)
    }
    found = answers(replica)
    assert {t: found[t].keys() for t in found} == {t: expected[t].keys() for t in expected}
    for term, scores in expected.items():
        assert found[term] == pytest.approx(scores, rel=1e-4), term


ids = st.lists(st.integers(0, 8), min_size=1, max_size=4, unique=True)
texts = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=6).map(" ".join)
about = st.fixed_dictionaries(
    {},
    optional={
        "lang": st.sampled_from(["en", "de", "\u673a\u5668"]) | st.just(3),
        "seen": st.fixed_dictionaries(
            {}, optional={"year": st.integers(2**62, 2**62 + 2), "tags": st.lists(st.sampled_from("abc"))}
        ),
    },
)
writes = st.tuples(
    ids, st.lists(texts, min_size=4, max_size=4), st.lists(st.none() | texts, min_size=4, max_size=4), about
)
changes = st.sampled_from(
    [
        {"language": "en"},
        {"language": "none"},
        {"language": "auto", "decided": "de"},
        {"k1": 0.5},
        {"b": 0.0},
        {"title_weight": 1.0},
        {"synonyms": (("cat", "big tree"), ("cat", "runs"))},
    ]
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), writes),
        st.tuples(st.just("delete"), ids),
        st.tuples(st.just("change"), changes),
        st.tuples(st.just("compact"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["poll", "poll", "other", "restart", "build", "back_up", "restore"]), st.none()),
    ),
    max_size=20,
)


def process(database: Database, folder: Path | None, node: str = "node") -> Follower:
    follower = Follower(database, node, snapshots=folder, snapshot_from=1, words_snapshot_from=1)
    follower.poll()
    return follower


@pytest.mark.long_on_postgresql
@settings(max_examples=40)
@given(steps)
def test_any_interleaving_ends_equal_to_a_fresh_reading(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list
) -> None:
    """Two processes share a folder of snapshots; every backup is older than the last heartbeat."""
    monkeypatch.setattr("service.index.replicas._HEARTBEAT_S", 0)
    history = WordHistory(database)
    folder = tmp_path / f"{next(unique)}"
    followers = [process(database, folder), process(database, folder, "other")]
    backup = back_up(database)
    for name, argument in steps:
        match name:
            case "poll":
                followers[0].poll()
            case "other":
                followers[1].poll()
            case "restart":
                followers[0] = process(database, folder)
            case "back_up":
                backup = back_up(database)
            case "restore":
                restore(database, backup)
            case "write":
                history.write(*argument)
            case "change":
                history.change(**argument)
            case _:
                getattr(history, name)(*([] if argument is None else [argument]))
    for follower in (*followers, process(database, folder, "third")):
        follower.poll()
        assert follower.state_of_documents(history.collection.id) == ("following", None)
        check(history, follower.documents(history.collection.id))


def test_deletions_forgotten_after_the_collection_was_looked_at_are_heard_of_all_the_same(database: Database) -> None:
    history = WordHistory(database)
    history.write([1, 2], ["cat", "tree"], [None, None])
    replica = DocumentReplica.load(database, history.overview)
    history.delete([1])
    seen = history.overview
    history.compact(0)
    assert seen.compacted_seq < history.overview.compacted_seq
    assert not replica.follow(database, seen), "loaded anew"
    check(history, DocumentReplica.load(database, history.overview))


def test_another_code_space_leaves_the_words_as_they_are(database: Database) -> None:
    history = WordHistory(database)
    history.write([1, 2], ["cat", "tree"], ["a title", None])
    follower = process(database, None)
    before = follower.documents(history.collection.id)
    history.next_space()
    follower.poll()
    history.roll_back()
    follower.poll()
    assert follower.documents(history.collection.id) is before
    check(history, before)


def test_words_that_cannot_be_read_are_tried_again_and_others_are_followed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = WordHistory(database), WordHistory(database)
    for history in (bad, good):
        history.write([1], ["cat"], [None])
    load = DocumentReplica.load.__func__  # type: ignore[attr-defined]

    def failing(cls: type, database: Database, collection: overviews.Overview, *rest: object) -> DocumentReplica:
        if collection.collection_id == bad.collection.id:
            raise ValueError("broken")
        return load(cls, database, collection, *rest)  # type: ignore[no-any-return]

    monkeypatch.setattr(module, "_RETRY_S", 0.0)
    monkeypatch.setattr(DocumentReplica, "load", classmethod(failing))
    follower = Follower(database, "node")
    with capture_logs() as logs:
        for _ in range(3):
            follower.poll()
    assert [line["collection"] for line in logs if line["log_level"] == "error"] == [bad.collection.name], "once"
    assert follower.state_of_documents(bad.collection.id) == ("failed", "ValueError: broken")
    assert follower.documents(bad.collection.id) is None
    check(good, follower.documents(good.collection.id))
    monkeypatch.setattr(DocumentReplica, "load", classmethod(load))
    follower.poll()
    assert follower.state_of_documents(bad.collection.id) == ("following", None)
    check(bad, follower.documents(bad.collection.id))


def test_a_folder_that_cannot_be_written_keeps_no_words_from_being_read(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SMALL_SEQ", 0)
    history = WordHistory(database)
    history.write([1, 2], ["cat", "tree"], [None, None])
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    with running(database, snapshots=in_the_way / "snapshots", words_snapshot_from=1) as follower:
        until(lambda: follower.documents(history.collection.id), "the words")
        history.write([3], ["runs"], [None])
        until(lambda: follower.documents(history.collection.id).read_seq == history.last_seq, "the write")  # type: ignore[union-attr]
        check(history, follower.documents(history.collection.id))


def test_a_follower_stops_while_words_are_being_loaded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SMALL_SEQ", 0)
    history = WordHistory(database)
    history.write([1], ["cat"], [None])
    loading, free = threading.Event(), threading.Event()
    load = DocumentReplica._read_all

    def slow(self: DocumentReplica, database: Database, has_ended: Callable[[], bool]) -> None:
        loading.set()
        free.wait(20)
        load(self, database, has_ended)

    monkeypatch.setattr(DocumentReplica, "_read_all", slow)
    with running(database) as follower:
        assert loading.wait(20)
        assert follower.state_of_documents(history.collection.id) == ("loading", None)
        threading.Timer(0.1, free.set).start()
    assert all(not thread.name.startswith("word-loader") for thread in threading.enumerate())


def test_the_words_of_a_collection_that_nobody_asks_for_are_dropped_and_come_back(database: Database) -> None:
    history = WordHistory(database)
    history.write([1, 2], ["cat", "tree"], [None, None])
    follower = Follower(database, "node", unload_after_s=0.01)
    follower.poll()
    time.sleep(0.02)
    follower.poll()
    assert follower.documents(history.collection.id) is None
    assert follower.state_of_documents(history.collection.id) == ("unloaded", None)
    history.delete([1])
    follower.replica(history.collection.id)
    follower.poll()
    check(history, follower.documents(history.collection.id))


def test_words_and_snapshots_of_a_dropped_collection_are_forgotten(database: Database, tmp_path: Path) -> None:
    history, other = WordHistory(database), WordHistory(database)
    for one in (history, other):
        one.write([1], ["cat"], [None])
    follower = process(database, tmp_path)
    assert len(snapshot.names(tmp_path)) == 2
    with database.write() as connection:
        collections.drop(connection, history.collection.name)
    follower.poll()
    assert follower.documents(history.collection.id) is None
    follower._pruned_at = float("-inf")
    follower.poll()
    assert [name.split("-")[1] for name in snapshot.names(tmp_path)] == [str(other.collection.id)]


def test_words_of_a_lost_history_are_dropped(database: Database, tmp_path: Path) -> None:
    history = WordHistory(database)
    history.write([1], ["cat"], [None])
    backup = back_up(database)
    history.write([2, 3], ["tree", "runs"], [None, None])
    follower = process(database, tmp_path)
    restore(database, backup)
    history.write([2, 3], ["runs", "cat"], [None, None])
    follower.poll()
    check(history, follower.documents(history.collection.id))
    check(history, process(database, tmp_path, "new").documents(history.collection.id))


def test_words_read_before_a_restore_leave_no_snapshot_that_is_known_after_it(
    database: Database, tmp_path: Path
) -> None:
    history = WordHistory(database)
    history.write([1], ["cat"], [None])
    backup = back_up(database)
    history.write([2], ["tree"], [None])
    follower = process(database, None)
    replica, is_followed = follower.documents(history.collection.id), follower._documents.followed()
    assert replica is not None
    restore(database, backup)
    follower.poll()
    replica.save(database, tmp_path, is_followed)
    assert snapshot.names(tmp_path) == []
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(schema.word_snapshots)).scalar_one() == 0


def test_of_two_processes_that_share_snapshots_one_reads_the_texts(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = WordHistory(database)
    history.write([1, 2], ["cat", "tree"], [None, None])
    monkeypatch.setattr(module, "_SMALL_SEQ", 0)
    n_read, texts = [], document_changes.texts
    monkeypatch.setattr(document_changes, "texts", lambda *given: n_read.append(given) or texts(*given))
    options = {"snapshots": tmp_path, "snapshot_from": 1, "words_snapshot_from": 1}

    def has_mapped(follower: Follower) -> bool:
        words = follower.documents(history.collection.id)
        return words is not None and words.saved_seq == history.last_seq

    with running(database, "a", **options) as a:
        until(lambda: has_mapped(a), "the words")  # saved at the next step where the first heartbeat was on its way
        with running(database, "b", **options) as b:
            until(lambda: has_mapped(b), "the words of another process")
    assert len(n_read) == 2, "the texts, and that there are no more"


def test_a_process_that_waits_for_the_lock_of_another_stops_all_the_same(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SMALL_SEQ", 0)
    history = WordHistory(database)
    history.write([1], ["cat"], [None])
    with (tmp_path / "words.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with running(database, snapshots=tmp_path, words_snapshot_from=1) as follower:
            until(lambda: follower._documents._loading, "the load")
            assert follower.state_of_documents(history.collection.id) == ("loading", None)


def test_the_latest_snapshot_of_words_that_are_not_in_memory_is_kept_however_old(
    database: Database, tmp_path: Path
) -> None:
    history = WordHistory(database)
    history.write([1], ["cat"], [None])
    follower = process(database, tmp_path)
    (name,) = snapshot.names(tmp_path)
    os.utime(snapshot.path_of(tmp_path, name), (0, 0))
    follower._documents.forget([history.collection.id])
    follower._documents.prune({history.collection.id})
    assert snapshot.names(tmp_path) == [name]
    follower._documents.prune({history.collection.id + 1})
    assert snapshot.names(tmp_path) == []


def test_a_snapshot_that_is_written_while_others_are_looked_at_is_kept(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = WordHistory(database)
    history.write([1], ["cat"], [None])
    follower = process(database, tmp_path)
    assert snapshot.names(tmp_path)
    written = snapshot.path_of(tmp_path, f"words-{history.collection.id}-fr-1")
    monkeypatch.setattr(module.snapshot, "age_s", lambda *_: written.touch() or 0.0)
    follower._documents.prune({history.collection.id})
    assert written.exists()


def test_many_changes_are_applied_in_parts_one_a_poll(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.index.document_replica._CHARS_AT_ONCE", 10)
    history = WordHistory(database)
    follower = process(database, None)
    for i in range(8):
        history.write([i], ["running tree"], [None])
    history.delete([4])
    follower.poll()
    replica = follower.documents(history.collection.id)
    assert replica is not None
    assert 0 < replica.read_seq < history.last_seq
    for _ in range(10):
        follower.poll()
    check(history, follower.documents(history.collection.id))


def test_a_write_is_in_the_columns_while_its_words_are_still_to_be_analyzed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = WordHistory(database)
    follower = process(database, None)
    for i in range(4):
        history.write([i], ["running tree"], [None], {"i": i})
    monkeypatch.setattr("service.index.document_replica._CHARS_AT_ONCE", 10)
    follower.poll()
    replica, codes = follower.documents(history.collection.id), follower.replica(history.collection.id)
    assert replica is not None
    assert codes is not None
    assert replica.read_seq < codes.applied_seq == replica.columns_seq == history.last_seq
    found = replica.columns.view().mask(OneOf("i", "filter", (3,)))
    assert found.allowed_keys().tolist() == [max(history.fresh())]


def test_words_and_metadata_of_different_snapshots_are_not_mapped(database: Database, tmp_path: Path) -> None:
    history = WordHistory(database)
    history.write([1], ["cat"], [None], {"lang": "en"})
    process(database, tmp_path)
    (older,) = tmp_path.glob("*.columns")
    content = older.read_bytes()
    history.write([1, 2], ["cat", "tree"], [None, None], {"lang": "de"})
    process(database, tmp_path)
    older.write_bytes(content)
    with capture_logs() as logs:
        check(history, DocumentReplica.load(database, history.overview, tmp_path))
    assert [line["path"] for line in logs if line["log_level"] == "warning"] == [str(older)]
