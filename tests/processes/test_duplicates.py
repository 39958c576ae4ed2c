"""The job that groups near duplicates, against a slow oracle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from service.config import Settings
from service.hashing.codes import Codes, hamming_distance
from service.hashing.content import Text
from service.processes.duplicates import DuplicateRun
from service.processes.jobs import JobRunner
from service.store import codes, collections, deletion, documents, duplicates, jobs, schema
from service.store.collections import Collection
from service.store.database import Database
from service.store.deletion import Deletion
from service.store.documents import NewDocument
from service.store.duplicates import DuplicateSearch
from service.store.jobs import Job
from service.store.leases import ReportProgress, run_job
from service.store.spaces import CodeSpace
from tests.conftest import new_collection


def quietly(progress: Mapping[str, Any]) -> None:
    pass


def put(database: Database, collection: Collection, space: CodeSpace, stored: Codes, start: int = 0) -> list[int]:
    """Documents `d0`, `d1` ... with these codes; their keys."""
    with database.lane(collection.id) as lane:
        new = [NewDocument(f"d{start + i}", Text("a" * (1 + i % 3)), {}) for i in range(len(stored))]
        keys = [p.key for p in documents.put(lane, new)]
        codes.append(lane, space.id, keys, stored)
    return keys


def queued(database: Database, collection: Collection, radius: int = 2, **options: Any) -> Job:
    params = {"radius": radius, "by": "code", "linkage": "single", "keep": "first", "filter": None, **options}
    with database.write() as connection:
        jobs.enqueue(connection, collection, "duplicates", params)
        job = jobs.claim(connection, "me", 60, ["duplicates"])
    assert job is not None
    return job


def searched(
    database: Database, collection: Collection, radius: int = 2, **options: Any
) -> tuple[DuplicateSearch, list[list[str]]]:
    """The last search of a collection after a job, and the ids in its groups."""
    job = queued(database, collection, radius, **options)
    DuplicateRun(database, job, quietly).run()
    with database.write() as connection:
        jobs.finish(connection, job.id, "me", "succeeded")
    return shown(database, collection)


def shown(database: Database, collection: Collection) -> tuple[DuplicateSearch, list[list[str]]]:
    with database.read() as connection:
        search = duplicates.latest(connection, collection.id)
        assert search is not None
        members = duplicates.page(connection, search.id, 0, 1_000, 100_000)
    groups: dict[int, list[str]] = {}
    for member in members:
        groups.setdefault(member.group, []).append(member.id)
    return search, list(groups.values())


def chained(stored: Codes, radius: int) -> list[list[str]]:
    """The groups that steps of at most `radius` bits join, slowly: the largest first."""
    near = hamming_distance(stored[:, None], stored[None]) <= radius
    left, found = set(range(len(stored))), []
    while left:
        group = {min(left)}
        while more := {j for i in group for j in left - group if near[i, j]}:
            group |= more
        left -= group
        found.append([f"d{i}" for i in sorted(group)])
    return sorted((g for g in found if len(g) > 1), key=lambda g: (-len(g), int(g[0][1:])))


def n_rows(database: Database, table: str) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(schema.metadata.tables[table])) or 0


def code(*bits: int) -> list[int]:
    """The bytes of a code of 64 bits in which these bits are set."""
    return np.packbits(np.isin(np.arange(64), bits)).tolist()


def codes_of(*several: list[int]) -> Codes:
    return np.array(several, np.uint8).reshape(-1, 8)


@settings(max_examples=15)
@given(st.lists(st.integers(0, 255), max_size=30), st.integers(0, 3))
def test_groups_are_those_that_short_steps_join(database: Database, last_bytes: list[int], radius: int) -> None:
    collection, space = new_collection(database)
    stored = codes_of(*([0] * 7 + [byte] for byte in last_bytes))
    put(database, collection, space, stored)
    search, groups = searched(database, collection, radius)
    assert groups == chained(stored, radius)
    assert (search.n_groups, search.n_documents) == (len(groups), sum(map(len, groups)))
    assert search.version == space.version


@pytest.mark.parametrize(
    ("keep", "first"), [("first", ["d0", "d1", "d2", "d3"]), ("longest", ["d2", "d1", "d0", "d3"])]
)
def test_the_representative_is_chosen_by_policy(database: Database, keep: str, first: list[str]) -> None:
    collection, space = new_collection(database)
    put(database, collection, space, codes_of(*[code()] * 4))
    assert searched(database, collection, keep=keep)[1] == [first]


def test_the_newest_is_the_one_that_was_put_last(database: Database) -> None:
    collection, space = new_collection(database)
    put(database, collection, space, codes_of(*[code()] * 3))
    put(database, collection, space, codes_of(code()), start=1)  # d1 again
    assert searched(database, collection, keep="newest")[1] == [["d1", "d2", "d0"]]


def texts(database: Database, collection: Collection, *new: tuple[str, str, str | None]) -> None:
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument(id, Text(text, title), {}) for id, text, title in new])


def test_by_words_nearly_equal_texts_are_grouped_whatever_their_titles_and_codes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.processes.duplicate_codes._DOCUMENTS_AT_ONCE", 2)
    collection, _ = new_collection(database, n_bits=16)
    long = " ".join(f"word{i}" for i in range(300))
    texts(database, collection, ("a", "How to bake bread", None), ("b", long, None), ("c", "a garden of roses", None))
    texts(database, collection, ("d", long + " more", "A title"), ("e", "how to BAKE bread!", "Another title"))
    search, groups = searched(database, collection, 0, by="words")
    assert groups == [["a", "e"]]
    assert search.version is None
    assert searched(database, collection, 3, by="words")[1] == [["a", "e"], ["b", "d"]]


def test_by_words_what_changes_while_a_search_runs_is_in_no_group(database: Database) -> None:
    collection, _ = new_collection(database)
    texts(database, collection, *[(id, "how to bake bread", None) for id in "abcd"], ("e", "a garden", None))

    def change(progress: Mapping[str, Any]) -> None:
        if progress["stage"] == "joining":
            texts(database, collection, ("a", "how to mend a net", None), ("f", "how to bake bread", None))
            with database.lane(collection.id) as lane:
                documents.delete(lane, ["b"])

    DuplicateRun(database, queued(database, collection, by="words"), change).run()
    assert shown(database, collection)[1] == [["c", "d"]]


def test_a_group_of_too_many_is_cut_and_its_parts_are_marked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.processes.duplicates._MAX_SIZE", 3)
    collection, space = new_collection(database)
    put(database, collection, space, codes_of(*[code()] * 5, *[code(20, 21, 22)] * 3))
    search, groups = searched(database, collection, keep="newest")
    assert groups == [["d2", "d1", "d0"], ["d7", "d6", "d5"], ["d4", "d3"]]
    assert (search.n_groups, search.n_documents, search.n_capped) == (3, 8, 2)
    with database.read() as connection:
        members = duplicates.page(connection, search.id, 0, 10, 100)
    assert {member.id for member in members if member.is_capped} == {"d0", "d1", "d2", "d3", "d4"}


def test_by_complete_linkage_no_two_documents_of_a_group_are_far_apart(database: Database) -> None:
    collection, space = new_collection(database)
    put(database, collection, space, codes_of(code(), code(1, 2), code(1, 2, 3, 4), code(1, 2, 3, 4, 5)))
    assert searched(database, collection)[1] == [["d0", "d1", "d2", "d3"]]
    assert searched(database, collection, linkage="complete")[1] == [["d0", "d1"], ["d2", "d3"]]


@pytest.mark.parametrize("by", ["words", "code"])
def test_only_documents_that_pass_the_filter_are_grouped(database: Database, by: str) -> None:
    collection, space = new_collection(database)
    with database.lane(collection.id) as lane:
        new = [NewDocument(f"d{i}", Text("how to bake bread"), {"year": 2000 + i}) for i in range(5)]
        keys = [p.key for p in documents.put(lane, new)]
        codes.append(lane, space.id, keys, codes_of(*[code()] * 5))
    assert searched(database, collection, by=by, filter={"year": {"gte": 2002}})[1] == [["d2", "d3", "d4"]]
    assert searched(database, collection, by=by, filter={"author": "nobody"})[1] == []


def test_a_filter_of_the_wrong_type_fails_the_job_with_the_reason(database: Database) -> None:
    collection, _ = new_collection(database)
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument("a", Text("how to bake bread"), {"year": 2000})])
    job = queued(database, collection, filter={"year": {"gte": "abc"}})
    runner = JobRunner(database, Settings())
    run_job(database, 60, job, "me", runner.kinds()["duplicates"], threading.Event())
    with database.read() as connection:
        ended = jobs.get(connection, job.id)
    assert ended.state == "failed"
    assert "filter.year.gte" in (ended.error or "")


def test_a_search_replaces_the_one_before_and_nothing_of_that_is_left(database: Database) -> None:
    collection, space = new_collection(database)
    put(database, collection, space, codes_of(code(), code(1), code(1, 2, 3), code(9, 10, 11, 12)))
    before, groups = searched(database, collection, 1)
    assert groups == [["d0", "d1"]]
    after, groups = searched(database, collection, 2)
    assert groups == [["d0", "d1", "d2"]]
    assert after.id > before.id
    assert (n_rows(database, "duplicate_searches"), n_rows(database, "duplicates")) == (1, 3)


def test_documents_deleted_or_changed_since_are_not_shown(database: Database) -> None:
    collection, space = new_collection(database)
    keys = put(database, collection, space, codes_of(*[code()] * 4))
    searched(database, collection)
    with database.lane(collection.id) as lane:
        codes.discard(lane, documents.delete(lane, ["d0"]))
        documents.put(lane, [NewDocument("d1", Text("another text"), {}), NewDocument("d2", Text("aaa"), {"a": 1})])
    assert shown(database, collection)[1] == [["d2", "d3"]]
    assert len(keys) == 4


class Killed(Exception):
    pass


def killed_in(stage: str, n: int = 1) -> Callable[[Mapping[str, Any]], None]:
    left = [n]

    def report(progress: Mapping[str, Any]) -> None:
        left[0] -= progress["stage"] == stage
        if left[0] == 0:
            raise Killed

    return report


def test_what_changes_while_a_search_runs_is_in_no_group(database: Database) -> None:
    collection, space = new_collection(database)
    put(database, collection, space, codes_of(*[code()] * 3, *[code(20, 21, 22, 23)] * 2))

    def change(progress: Mapping[str, Any]) -> None:
        if progress["stage"] == "joining":
            put(database, collection, space, codes_of(code(40, 41, 42, 43)), start=1)
            with database.lane(collection.id) as lane:
                codes.discard(lane, documents.delete(lane, ["d3"]))

    DuplicateRun(database, queued(database, collection), change).run()
    search, groups = shown(database, collection)
    assert groups == [["d0", "d2"]]
    assert (search.n_groups, search.n_documents) == (1, 2)


@pytest.mark.parametrize("stage", ["reading", "joining", "storing", "deleting"])
def test_a_job_whose_runner_is_killed_ends_as_if_it_had_not_been(
    database: Database, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.processes.duplicates._MEMBERS_AT_ONCE", 2)
    collection, space = new_collection(database)
    put(database, collection, space, codes_of(*[code()] * 2, *[code(20, 21, 22, 23, 24)] * 2, *[code(1, 2, 3, 4)] * 2))
    before, _ = searched(database, collection, 0)
    job = queued(database, collection, 4)
    with pytest.raises(Killed):
        DuplicateRun(database, job, killed_in(stage)).run()
    assert (shown(database, collection)[0].id == before.id) == (stage != "deleting")
    assert DuplicateRun(database, job, quietly).run()["stage"] == "done"
    search, groups = shown(database, collection)
    assert (search.job_id, groups) == (job.id, [["d0", "d1", "d4", "d5"], ["d2", "d3"]])
    assert (n_rows(database, "duplicate_searches"), n_rows(database, "duplicates")) == (1, 6)


def test_a_search_that_a_person_cancels_ends_and_shows_nothing(database: Database) -> None:
    collection, space = new_collection(database)
    put(database, collection, space, codes_of(*[code()] * 2))
    job = queued(database, collection)

    def run(job: Job, report_progress: ReportProgress) -> Mapping[str, Any]:
        with database.write() as connection:
            jobs.cancel(connection, job.id)

        def report_when_cancelled(progress: Mapping[str, Any]) -> None:
            if progress["stage"] == "storing":
                deadline = time.monotonic() + 120
                while time.monotonic() < deadline:  # the heartbeat learns of it
                    report_progress(progress)
                    time.sleep(0.05)

        return DuplicateRun(database, job, report_when_cancelled).run()

    run_job(database, 60, job, "me", run, threading.Event())
    with database.read() as connection:
        assert jobs.get(connection, job.id).state == "cancelled"
        assert duplicates.latest(connection, collection.id) is None


def test_what_a_cancelled_search_stored_goes_with_the_next_pruning(database: Database) -> None:
    collection, space = new_collection(database)
    put(database, collection, space, codes_of(*[code()] * 2))
    job = queued(database, collection)
    with pytest.raises(Killed):
        DuplicateRun(database, job, killed_in("storing")).run()
    Deletion(database, quietly).prune(collection.id)
    assert n_rows(database, "duplicates") == 2  # its job is not finished
    with database.write() as connection:
        jobs.finish(connection, job.id, "me", "cancelled")
        assert duplicates.latest(connection, collection.id) is None
    Deletion(database, quietly).prune(collection.id)
    assert (n_rows(database, "duplicate_searches"), n_rows(database, "duplicates")) == (0, 0)


def test_a_dropped_collection_takes_its_groups_along(database: Database) -> None:
    collection, space = new_collection(database)
    put(database, collection, space, codes_of(*[code()] * 2))
    searched(database, collection)
    with database.write() as connection:
        dropped = collections.drop(connection, collection.name)
        assert dropped is not None
        deletion.enqueue(connection, dropped, "drop_collection")
    Deletion(database, quietly).drop_collection(collection.id)
    assert (n_rows(database, "duplicate_searches"), n_rows(database, "duplicates")) == (0, 0)


def test_the_job_runner_does_it(database: Database) -> None:
    collection, space = new_collection(database)
    put(database, collection, space, codes_of(*[code()] * 2))
    runner = JobRunner(database, Settings())
    job = queued(database, collection)
    run_job(database, 60, job, "me", runner.kinds()["duplicates"], threading.Event())
    with database.read() as connection:
        ended = jobs.get(connection, job.id)
    assert (ended.state, ended.error) == ("succeeded", None)
    assert ended.progress == {"stage": "done", "groups": 1, "documents": 2}
