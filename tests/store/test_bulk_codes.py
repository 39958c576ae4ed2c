from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import DatabaseUnavailable, ForbiddenMove
from service.store import bucket_build, buckets, bulk_codes, codes, collections, documents, overviews, schema, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.deletion import Deletion
from service.store.promotion import Completion, Promotion
from service.store.spaces import CodeSpace
from tests.conftest import n_codes, new_collection
from tests.store.test_codes import bucket_rows, bucket_rows_of
from tests.store.test_promotion import WRITES, Function, code_of, delete, put, stored_codes, stored_texts
from tests.store.test_spaces import built

STEPS = st.lists(WRITES, max_size=4)


class Meanwhile:
    """Writes of others, a few each time it is called."""

    def __init__(self, database: Database, collection: Collection, steps: list[list[Any]]) -> None:
        self.database, self.collection, self.left = database, collection, list(steps)

    def __call__(self, *_: object) -> None:
        if self.left:
            self.write(self.left.pop())

    def write(self, writes: list[Any]) -> None:
        for kind, id, text in writes:
            if kind == "p":
                put(self.database, self.collection, {id: f"text {text} of {id}"})
            else:
                delete(self.database, self.collection, [id])


def moved(database: Database, space: CodeSpace, to: str) -> CodeSpace:
    with database.write() as connection:
        return spaces.move(connection, space.id, to)


def filled(database: Database, space: CodeSpace, function: Function) -> CodeSpace:
    Completion(database, space, function, lambda n: None).catch_up(0.5)
    return moved(database, space, "evaluating")


def rows_agree(database: Database, space: CodeSpace) -> bool:
    with database.read() as connection:
        keys, found = codes.load(connection, space.id, 8)
        stored = dict(zip(keys.tolist(), map(bytes, found), strict=True))
        return bucket_rows(connection, space.id) == bucket_rows_of(stored, 64)


@settings(max_examples=40)
@given(before=WRITES, filling=STEPS, building=STEPS)
def test_a_space_that_was_filled_outside_the_lane_ends_with_the_code_of_what_each_document_says_last(
    database: Database, before: list[Any], filling: list[list[Any]], building: list[list[Any]]
) -> None:
    collection, _ = new_collection(database)
    Meanwhile(database, collection, []).write(before)
    function = Function()
    function.then = Meanwhile(database, collection, filling)
    space = filled(database, built(database, collection, "encoding"), function)
    function.then = lambda: None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bucket_build, "_ROWS_AT_ONCE", 2)
        space = bucket_build.build(database, space, Meanwhile(database, collection, building))
    assert space.has_buckets
    assert rows_agree(database, space)
    moved(database, space, "ready")
    promoted = Promotion(database, space, function).run(0)
    assert stored_codes(database, collection, promoted) == stored_texts(database, collection)
    assert rows_agree(database, promoted)


def test_several_encoders_fill_a_space_while_documents_change_and_no_code_is_of_an_older_text(
    database: Database,
) -> None:
    collection, _ = new_collection(database)
    put(database, collection, {f"d{i}": f"text 0 of {i}" for i in range(300)})
    space = built(database, collection, "encoding")
    stopping = threading.Event()

    def change() -> None:
        for round in range(1, 1_000):
            if stopping.is_set():
                return
            put(database, collection, {f"d{i}": f"text {round} of {i}" for i in range(round % 7, 300, 40)})
            delete(database, collection, [f"d{round % 300}"])

    def encode() -> None:
        Completion(database, space, Function(), lambda n: None).catch_up(0.0)

    others = [threading.Thread(target=change), *(threading.Thread(target=encode) for _ in range(3))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.store.promotion._FILLING", (20, 1_000))
        for thread in others:
            thread.start()
        for thread in others[1:]:
            thread.join()
    stopping.set()
    others[0].join()
    with database.read() as connection:
        keys, found = codes.load(connection, space.id, 8)
        by_key = documents.by_keys(connection, keys)
    said = {by_key[key].id: code_of(by_key[key].content.text).tobytes() for key in keys.tolist()}  # type: ignore[union-attr]
    assert {by_key[key].id: bytes(code) for key, code in zip(keys.tolist(), found, strict=True)} == said
    assert len(keys) > 100


def test_a_space_that_is_not_filled_any_more_takes_no_late_codes(database: Database) -> None:
    collection, _ = new_collection(database)
    put(database, collection, {"a": "one"})
    space = built(database, collection, "encoding")
    with database.read() as connection:
        late = codes.missing(connection, collection.id, space.id)
    moved(database, space, "evaluating")
    with pytest.raises(ForbiddenMove):
        bulk_codes.fill(database, space, [late[0].key], code_of("one")[None], 10)
    with database.read() as connection:
        assert n_codes(connection, space.id) == 0


def test_who_holds_the_lane_is_not_kept_waiting_by_who_fills_a_space(database: Database) -> None:
    if database.embedded:
        pytest.skip("SQLite has one writer at a time")
    collection, _ = new_collection(database)
    put(database, collection, {"a": "one", "b": "two"})
    space = built(database, collection, "encoding")
    with database.read() as connection:
        read_seq = collections.by_id(connection, collection.id).last_seq
        first, second = (d.key for d in codes.missing(connection, collection.id, space.id))
        both = np.stack([code_of("one"), code_of("two")])
    refused = []

    def fill() -> None:
        try:
            with database.write() as connection:
                bulk_codes._write(connection, space.id, [first, second], both, [90, 91], read_seq)
        except DatabaseUnavailable as error:
            refused.append(error)

    with database.lane(collection.id) as lane:
        codes.discard(lane, [second])
        filling = threading.Thread(target=fill)
        filling.start()
        filling.join()
        codes.discard(lane, [first])
    assert len(refused) == 1
    with database.read() as connection:
        assert n_codes(connection, space.id) == 0


def test_an_interrupted_build_of_buckets_is_begun_anew(database: Database) -> None:
    collection, _ = new_collection(database)
    put(database, collection, {f"d{i}": f"{i:08}" for i in range(50)})
    space = filled(database, built(database, collection, "encoding"), Function())

    class Interrupted(Exception):
        pass

    def interrupt(done: int, total: int) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        bucket_build.build(database, space, interrupt)
    put(database, collection, {"d7": "anew"})
    space = bucket_build.build(database, space)
    assert rows_agree(database, space)
    assert bucket_build.build(database, space) is space


def test_more_changes_than_fit_the_lane_are_followed_before_it(database: Database) -> None:
    collection, _ = new_collection(database)
    put(database, collection, {f"d{i}": f"{i:08}" for i in range(40)})
    space = filled(database, built(database, collection, "encoding"), Function())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bucket_build, "_IN_LANE", 2)
        patch.setattr(bucket_build, "_CHANGES_AT_ONCE", 5)
        changes = iter([{f"d{i}": f"anew {i}" for i in range(30)}])

        def change(done: int, total: int) -> None:
            for texts in changes:
                put(database, collection, texts)

        space = bucket_build.build(database, space, change)
    assert rows_agree(database, space)


def test_without_buckets_sql_finds_the_same_neighbors_by_reading_every_code(database: Database) -> None:
    collection, _ = new_collection(database)
    put(database, collection, {f"d{i}": f"{i * 7919 % 1000:08}" for i in range(200)})
    space = filled(database, built(database, collection, "encoding"), Function())
    query = code_of("00000500")

    def found(has_buckets: bool) -> Iterator[Any]:
        with database.read() as connection:
            options = {"has_buckets": has_buckets}
            for neighbors in (
                buckets.search(connection, space.id, query, 12, **options),
                buckets.within(connection, space.id, query, 6, **options),
            ):
                yield neighbors.keys.tolist(), neighbors.distances.tolist()
                assert has_buckets or neighbors.path == "scan"

    without = [*found(False)]
    bucket_build.build(database, space)
    assert [*found(True)] == without


def test_a_space_is_not_followed_while_it_is_filled(database: Database) -> None:
    collection, _ = new_collection(database)
    space = built(database, collection, "encoding")
    with database.read() as connection:
        assert overviews.read(connection)[0].building is None
    moved(database, space, "evaluating")
    with database.read() as connection:
        (overview,) = overviews.read(connection)
    assert overview.building is not None
    assert (overview.building.id, overview.building.has_buckets) == (space.id, False)


def test_tombstones_stay_in_a_space_that_is_being_filled(database: Database) -> None:
    collection, _ = new_collection(database)
    put(database, collection, {"a": "one"})
    space = built(database, collection, "encoding")
    with database.read() as connection:
        read_seq = collections.by_id(connection, collection.id).last_seq
        (document,) = codes.missing(connection, collection.id, space.id)
    delete(database, collection, ["a"])
    Deletion(database, lambda progress: None).prune(collection.id, lag=0)
    assert bulk_codes.fill(database, space, [document.key], code_of("one")[None], read_seq) == 0
    with database.read() as connection:
        assert n_codes(connection, space.id) == 0


def test_spaces_of_older_releases_that_were_being_filled_go_on_in_the_lane(database: Database) -> None:
    collection, _ = new_collection(database)
    put(database, collection, {"a": "one", "b": "two"})
    space = built(database, collection, "encoding")
    with database.write() as connection:
        connection.execute(
            schema.code_spaces.update().where(schema.code_spaces.c.id == space.id).values(has_buckets=True)
        )
        space = spaces.by_id(connection, space.id)
    space = filled(database, space, Function())
    assert rows_agree(database, space)
    with database.read() as connection:
        assert n_codes(connection, space.id) == 2
