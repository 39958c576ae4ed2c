from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import ForbiddenMove
from service.hashing.codes import Codes
from service.hashing.content import Text
from service.store import codes, documents, nodes, overviews, promotion, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.promotion import Completion, Promotion
from service.store.spaces import CodeSpace
from tests.conftest import n_codes, new_collection
from tests.store.test_spaces import built, promoted


def code_of(text: str) -> Codes:
    return np.frombuffer(text.encode().ljust(8, b".")[:8], dtype=np.uint8)


class Function:
    """A made-up hash function: the first eight bytes of a text. Lets something happen after it has encoded."""

    def __init__(self) -> None:
        self.then: Callable[[], object] = lambda: None
        self.n_encoded = 0

    def __call__(self, texts: Sequence[Text]) -> Codes:
        self.n_encoded += len(texts)
        found = np.stack([code_of(text.text) for text in texts] or [code_of("")])[: len(texts)]
        self.then()
        return found


def put(database: Database, collection: Collection, texts: Mapping[str, str]) -> None:
    """Put documents with codes in the active space, as an API process does."""
    with database.lane(collection.id) as lane:
        active = spaces.active(lane.connection, collection.id)
        results = documents.put(lane, [NewDocument(id, Text(text), {}) for id, text in texts.items()])
        if changed := [p.key for p in results if p.changed and not p.created]:
            codes.discard(lane, changed, keep_space_id=active.id)
        found = np.stack([code_of(text) for text in texts.values()])
        codes.append(lane, active.id, [p.key for p in results], found)


def delete(database: Database, collection: Collection, ids: list[str]) -> None:
    with database.lane(collection.id) as lane:
        keys = documents.delete(lane, ids)
        if keys:
            codes.discard(lane, keys)


def stored_codes(database: Database, collection: Collection, space: CodeSpace) -> dict[str, bytes]:
    with database.read() as connection:
        keys, found = codes.load(connection, space.id, 8)
        by_key = documents.by_keys(connection, keys)
        assert codes.count_missing(connection, collection.id, space.id) == 0
    return {by_key[key].id: code.tobytes() for key, code in zip(keys.tolist(), found, strict=True) if key in by_key}


def stored_texts(database: Database, collection: Collection) -> dict[str, bytes]:
    with database.read() as connection:
        found = documents.page(connection, collection.id, 0, 10_000)
    return {document.id: code_of(document.content.text).tobytes() for document in found}


WRITES = st.lists(
    st.tuples(st.sampled_from("pd"), st.sampled_from([f"d{i}" for i in range(8)]), st.integers(0, 3)), max_size=12
)


@settings(max_examples=40)
@given(before=WRITES, meanwhile=st.lists(WRITES, max_size=4))
def test_a_promoted_space_has_a_code_of_every_document_whatever_was_written_meanwhile(
    database: Database, before: list[Any], meanwhile: list[list[Any]]
) -> None:
    collection, _ = new_collection(database)

    def write(writes: list[Any]) -> None:
        for kind, id, text in writes:
            if kind == "p":
                put(database, collection, {id: f"text {text} of {id}"})
            else:
                delete(database, collection, [id])

    write(before)
    space = built(database, collection)
    left, in_lane = list(meanwhile), threading.local()
    function = Function()

    def then() -> None:
        if left and not getattr(in_lane, "yes", False):
            write(left.pop())

    function.then = then

    class Watched(Completion):
        def finish(self, lane: Any, hold_s: float) -> bool:
            in_lane.yes = True  # nobody can write now
            try:
                return super().finish(lane, hold_s)
            finally:
                in_lane.yes = False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(promotion, "Completion", Watched)
        assert Promotion(database, space, function).run(0).state == "active"
    assert stored_codes(database, collection, space) == stored_texts(database, collection)


def test_documents_that_come_faster_than_they_are_encoded_do_not_keep_a_space_from_being_promoted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection, _ = new_collection(database)
    put(database, collection, {f"d{i}": f"text {i}" for i in range(50)})
    space = built(database, collection)
    monkeypatch.setattr(promotion, "_HOLD_S", (0.01, 0.02, 0.04, float("inf")))
    monkeypatch.setattr(promotion, "_LANE", (5, 200_000))
    stop, n_batches, pace = threading.Event(), [0], threading.Semaphore(0)
    first = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            if pace.acquire(timeout=0.05):
                put(database, collection, {f"new {n_batches[0]} {i}": f"text {i}" for i in range(10)})
                n_batches[0] += 1
                first.set()

    def slow() -> None:
        pace.release()
        assert first.wait(20)  # the first round holds no lane, so that what comes is stored
        time.sleep(0.02)  # and ten more have come

    function = Function()
    function.then = slow
    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        assert Promotion(database, space, function).run(0).state == "active"
    finally:
        stop.set()
        flooding.join()
    with database.read() as connection:
        assert spaces.active(connection, collection.id).id == space.id
        assert documents.count(connection, collection.id) == 50 + 10 * n_batches[0] > 50


def test_a_lane_that_is_held_too_long_is_left_with_what_was_written(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection, _ = new_collection(database)
    put(database, collection, {f"d{i}": f"text {i}" for i in range(20)})
    space = built(database, collection)
    monkeypatch.setattr(promotion, "_LANE", (5, 200_000))
    completion = Completion(database, space, Function(), lambda n: None)
    with database.lane(collection.id) as lane:
        assert not completion.finish(lane, -1.0)
    completion.encode.then = lambda: time.sleep(0.05)  # type: ignore[attr-defined]
    with database.lane(collection.id) as lane:
        assert not completion.finish(lane, 0.06)
    with database.read() as connection:
        assert 5 <= n_codes(connection, space.id) < 20
    with database.lane(collection.id) as lane:
        assert completion.finish(lane, float("inf"))
    assert len(stored_codes(database, collection, space)) == 20


def test_a_second_round_looks_only_at_what_changed(database: Database) -> None:
    collection, _ = new_collection(database)
    put(database, collection, {f"d{i}": f"text {i}" for i in range(30)})
    space = built(database, collection)
    function = Function()
    completion = Completion(database, space, function, lambda n: None)
    completion._round()
    assert function.n_encoded == completion.n_written == 30
    put(database, collection, {"d3": "other", "new": "text"})
    delete(database, collection, ["d5"])
    completion._round()
    completion._round()
    assert function.n_encoded == completion.n_written == 32
    with database.lane(collection.id) as lane:
        assert completion.finish(lane, 1)
        spaces.promote(lane, space.id)
    assert function.n_encoded == 32


def test_a_promotion_waits_for_live_processes_to_load_the_space_and_asks_them_to(database: Database) -> None:
    collection, first = new_collection(database)
    second = promoted(database, built(database, collection))
    with database.write() as connection:
        nodes.heartbeat(connection, "a", {second.id: 1})
        nodes.heartbeat(connection, "b", {first.id: 1, second.id: 1})
    waited: list[Any] = []

    def report(progress: Mapping[str, Any]) -> None:
        if "waiting_for" in progress:
            waited.append(progress["waiting_for"])
            with database.write() as connection:
                (overview,) = overviews.read(connection)
                assert [space.id for space in overview.preloading] == [first.id]
                assert overview.active.id == second.id
                nodes.heartbeat(connection, "a", {first.id: 1, second.id: 1})

    assert Promotion(database, first, Function(), report).run(30).state == "active"
    assert waited == [1]


def test_a_promotion_does_not_wait_for_ever(database: Database) -> None:
    collection, first = new_collection(database)
    promoted(database, built(database, collection))
    with database.write() as connection:
        nodes.heartbeat(connection, "never", {})
    assert Promotion(database, first, Function()).run(0.2).state == "active"


def test_a_rollback_of_a_version_that_is_not_active_any_more_is_refused(database: Database) -> None:
    collection, first = new_collection(database)
    promoted(database, built(database, collection))
    with pytest.raises(ForbiddenMove, match="code space 1 is retired and cannot become retired"):
        Promotion(database, first, Function(), replaces=1).run(0)
    assert Promotion(database, first, Function(), replaces=2).run(0).version == 1
    with pytest.raises(ForbiddenMove, match="is active and cannot become active"):
        Promotion(database, first, Function()).run(0)


def test_a_batch_is_cut_where_its_texts_get_long(database: Database) -> None:
    collection, _ = new_collection(database)
    put(database, collection, {f"d{i}": "x" * 90_000 for i in range(5)})
    space = built(database, collection)
    sizes: list[int] = []

    def encode(texts: Sequence[Text]) -> Codes:
        sizes.append(len(texts))
        return np.zeros((len(texts), 8), dtype=np.uint8)

    completion = Completion(database, space, encode, lambda n: None)
    with database.lane(collection.id) as lane:
        assert completion.finish(lane, 10)
    assert sum(sizes) == 5
    assert max(sizes) <= 2
