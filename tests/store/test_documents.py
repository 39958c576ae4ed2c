from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest

from service.errors import DuplicateIds, NotFound
from service.hashing.content import Embedding, Image, Text
from service.store import codes, document_samples, document_summaries, documents
from service.store.collections import Collection
from service.store.database import Database
from service.store.document_summaries import DocumentSummary
from service.store.documents import DocumentRef, NewDocument, PutResult
from tests.conftest import new_collection


def put(database: Database, collection: Collection, new: Sequence[NewDocument]) -> list[PutResult]:
    with database.lane(collection.id) as lane:
        return documents.put(lane, new)


def test_a_document_is_read_as_it_was_put(database: Database) -> None:
    collection, _ = new_collection(database)
    metadata = {"b": [1, 2.5, None, {"ä": "日本"}], "a": True}
    (done,) = put(database, collection, [NewDocument("an id / with spaces", Text("naïve text 😀"), metadata)])
    assert (done.id, done.created, done.changed) == ("an id / with spaces", True, True)
    with database.read() as connection:
        found = documents.get(connection, collection.id, done.id)
        assert documents.by_keys(connection, [done.key]) == {done.key: found}
    assert (found.key, found.id, found.content.text, found.revision) == (done.key, done.id, "naïve text 😀", 1)
    assert found.metadata == metadata
    assert sorted(found.metadata) == sorted(metadata)
    assert found.created_at == found.updated_at
    assert found.created_at.tzinfo is not None


NUMBERS = [0, -1, 2**63 - 1, -(2**63), 1.0, -2.5, 0.1, 1e16, -1.5e22, 1e300, 1.7976931348623157e308, 5e-324, 1e-300]
METADATA = {"numbers": NUMBERS, "texts": ["1e+300", "e+", '\\"1e+20', "日本語", "🦀", "\t\n"], "1e+22": {"": []}}


def test_numbers_in_metadata_come_back_equal_and_of_their_type(database: Database) -> None:
    collection, _ = new_collection(database)
    (done,) = put(database, collection, [NewDocument("a", Text("one"), METADATA)])
    with database.read() as connection:
        read = [
            documents.get(connection, collection.id, "a"),
            document_summaries.summaries(connection, [done.key])[done.key],
            documents.by_keys(connection, [done.key])[done.key],
        ]
    for found in read:
        assert found.metadata == METADATA
        assert [type(number) for number in found.metadata["numbers"]] == [type(number) for number in NUMBERS]


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
KINDS = [Text("naïve text 😀"), Image(PNG), Embedding([0.1, -2.0, 3e38]), Embedding([0.1, 2], "a", "b", "int8")]
READABLE = [Text("naïve text 😀"), None, None, Text("a", "b")]


def test_content_of_every_kind_comes_back_from_its_row(database: Database) -> None:
    collection, space = new_collection(database)
    new = [NewDocument(str(i), content, {}) for i, content in enumerate(KINDS)]
    with database.read() as connection:
        assert codes.size_of_missing(connection, collection.id, space.id, 10) == (0, 0)
    keys = [done.key for done in put(database, collection, new)]
    with database.read() as connection:
        assert [document.content for document in documents.page(connection, collection.id, 0, 10)] == KINDS
        assert document_summaries.contents(connection, keys) == {
            key: (1, c) for key, c in zip(keys, KINDS, strict=True)
        }
        shown = document_summaries.summaries(connection, keys)
        assert [shown[key].content for key in keys] == READABLE
        assert [d.content for d in codes.missing(connection, collection.id, space.id)] == KINDS
        assert codes.size_of_missing(connection, collection.id, space.id, 10)[1] > len(PNG)


def test_another_content_of_any_kind_is_another_revision(database: Database) -> None:
    collection, _ = new_collection(database)
    changes = [Text("one"), Text("one"), Image(PNG), Image(PNG), Embedding([1.0]), Embedding([2.0]), Text("one")]
    changed = [put(database, collection, [NewDocument("a", content, {})])[0].changed for content in changes]
    assert changed == [True, False, True, False, True, True, True]
    with database.read() as connection:
        found = documents.get(connection, collection.id, "a")
    assert (found.content, found.revision) == (Text("one"), 5)


def test_contents_and_revisions_are_read_of_the_keys_that_still_exist(database: Database) -> None:
    collection, _ = new_collection(database)
    one, two, three = put(database, collection, [NewDocument(id, Text(f"text {id}"), {}) for id in "abc"])
    put(database, collection, [NewDocument("b", Text("another"), {})])
    with database.lane(collection.id) as lane:
        documents.delete(lane, ["c"])
    keys = [three.key, two.key, one.key]
    with database.read() as connection:
        assert documents.revisions(connection, keys) == {one.key: 1, two.key: 2}
        assert document_summaries.contents(connection, keys) == {
            one.key: (1, Text("text a")),
            two.key: (2, Text("another")),
        }
        assert document_summaries.contents(connection, []) == documents.revisions(connection, []) == {}


def test_a_document_is_located_by_the_names_of_it_and_its_collection(database: Database) -> None:
    collection, _ = new_collection(database, n_bits=16)
    other, _ = new_collection(database)
    (done,) = put(database, collection, [NewDocument("a", Text("one"), {"n": 1})])
    with database.read() as connection:
        assert documents.locate(connection, collection.name, "a") == DocumentRef(collection.id, 16, 1, done.key)
        assert document_summaries.summaries(connection, [done.key, 10**15]) == {
            done.key: DocumentSummary(done.key, "a", Text("one"), {"n": 1}, n_chars=len("one") + len('{"n": 1}'))
        }
        for name, id, missing in (
            (collection.name, "b", "document"),
            (other.name, "a", "document"),
            ("?", "a", "coll"),
        ):
            with pytest.raises(NotFound, match=missing):
                documents.locate(connection, name, id)


def test_putting_an_id_again_replaces_text_and_metadata_and_keeps_the_key(database: Database) -> None:
    collection, _ = new_collection(database)
    (first,) = put(database, collection, [NewDocument("a", Text("one"), {"n": 1})])
    time.sleep(0.002)
    (again,) = put(database, collection, [NewDocument("a", Text("one"), {"n": 2})])
    (other,) = put(database, collection, [NewDocument("a", Text("two"), {"n": 3})])
    assert again == PutResult(first.key, "a", created=False, changed=False, seq=2, revision=2)
    assert other == PutResult(first.key, "a", created=False, changed=True, seq=3, revision=3)
    with database.read() as connection:
        found = documents.get(connection, collection.id, "a")
    assert (found.content.text, found.metadata, found.revision, found.full_revision) == ("two", {"n": 3}, 2, 3)
    assert found.created_at < found.updated_at


def test_one_batch_creates_changes_and_leaves_alone(database: Database) -> None:
    collection, _ = new_collection(database)
    before = put(database, collection, [NewDocument(id, Text(f"text {id}"), {}) for id in "abc"])
    new = [
        NewDocument("c", Text("text c"), {"now": "with metadata"}),
        NewDocument("d", Text("text d"), {}),
        NewDocument("a", Text("another text"), {}),
        NewDocument(None, Text("nameless"), {}),
    ]
    after = put(database, collection, new)
    assert [(p.created, p.changed) for p in after] == [(False, False), (True, True), (False, True), (True, True)]
    assert [after[0].key, after[2].key] == [before[2].key, before[0].key]
    assert len(after[3].id) == 32
    with database.read() as connection:
        texts = {document.id: document.content.text for document in documents.page(connection, collection.id, 0, 10)}
    assert texts == {"a": "another text", "b": "text b", "c": "text c", "d": "text d", after[3].id: "nameless"}


def test_an_id_twice_in_one_batch_is_refused(database: Database) -> None:
    collection, _ = new_collection(database)
    with pytest.raises(DuplicateIds, match="more than once: a"):
        put(database, collection, [NewDocument("a", Text("one"), {}), NewDocument("a", Text("two"), {})])


def test_an_empty_batch_does_nothing(database: Database) -> None:
    collection, _ = new_collection(database)
    assert put(database, collection, []) == []
    with database.lane(collection.id) as lane:
        assert documents.delete(lane, []) == []
    with database.read() as connection:
        assert documents.by_keys(connection, []) == {}


def test_ids_belong_to_their_collection(database: Database) -> None:
    (one, _), (two, _) = new_collection(database), new_collection(database)
    put(database, one, [NewDocument("a", Text("in one"), {})])
    put(database, two, [NewDocument("a", Text("in two"), {})])
    with database.lane(one.id) as lane:
        assert len(documents.delete(lane, ["a"])) == 1
    with database.read() as connection:
        assert documents.get(connection, two.id, "a").content.text == "in two"
        with pytest.raises(NotFound, match="no document 'a'"):
            documents.get(connection, one.id, "a")


def test_delete_returns_the_keys_of_those_that_existed(database: Database) -> None:
    collection, _ = new_collection(database)
    done = put(database, collection, [NewDocument(id, Text("a text"), {}) for id in "abc"])
    with database.lane(collection.id) as lane:
        assert documents.delete(lane, ["c", "never", "a"]) == [done[0].key, done[2].key]
        assert documents.delete(lane, ["c", "a"]) == []
    with database.read() as connection:
        assert documents.count(connection, collection.id) == 1


def test_a_key_is_never_given_twice(database: Database) -> None:
    collection, _ = new_collection(database)
    keys: list[int] = []
    for _ in range(3):
        keys += [p.key for p in put(database, collection, [NewDocument("a", Text("a text"), {})])]
        with database.lane(collection.id) as lane:
            documents.delete(lane, ["a"])
    assert keys == sorted(set(keys))


def test_pages_are_in_the_order_of_keys_and_hold_every_document_once(database: Database) -> None:
    collection, _ = new_collection(database)
    other, _ = new_collection(database)
    for start in range(0, 25, 5):
        put(database, collection, [NewDocument(f"{i}", Text("a text"), {}) for i in range(start, start + 5)])
        put(database, other, [NewDocument(f"{i}", Text("a text"), {}) for i in range(start, start + 5)])
    pages, after = [], 0
    with database.read() as connection:
        while part := documents.page(connection, collection.id, after, 7):
            pages.append([document.id for document in part])
            after = part[-1].key
        assert documents.count(connection, collection.id) == 25
    assert [len(part) for part in pages] == [7, 7, 7, 4]
    assert [id for part in pages for id in part] == [str(i) for i in range(25)]


def test_by_keys_takes_arrays_and_leaves_out_what_is_gone(database: Database) -> None:
    collection, _ = new_collection(database)
    keys = [p.key for p in put(database, collection, [NewDocument(id, Text(id), {}) for id in "abc"])]
    with database.lane(collection.id) as lane:
        documents.delete(lane, ["b"])
    with database.read() as connection:
        found = documents.by_keys(connection, np.array([*reversed(keys), 10**15]))
    assert {key: document.content.text for key, document in found.items()} == {keys[0]: "a", keys[2]: "c"}


def test_a_sample_is_deterministic_distinct_and_in_order_of_keys(database: Database) -> None:
    collection, _ = new_collection(database)
    put(database, collection, [NewDocument(f"{i}", Text("a text"), {}) for i in range(50)])
    with database.read() as connection:
        one, same, other = (document_samples.sample(connection, collection.id, 20, seed) for seed in (1, 1, 2))
        assert document_samples.sample(connection, collection.id, 60, 1) == documents.page(
            connection, collection.id, 0, 60
        )
        assert document_samples.sample(connection, collection.id, 0, 1) == []
    assert one == same != other
    keys = [document.key for document in one]
    assert len(keys) == 20
    assert keys == sorted(set(keys))


def test_every_document_is_as_likely_to_be_sampled_as_any_other(sqlite_url: str) -> None:
    database = Database.open(sqlite_url)
    collection, _ = new_collection(database)
    put(database, collection, [NewDocument(f"{i}", Text("a text"), {}) for i in range(40)])
    with database.read() as connection:
        drawn = [
            document.id
            for seed in range(400)
            for document in document_samples.sample(connection, collection.id, 10, seed)
        ]
    database.close()
    times = np.bincount([int(id) for id in drawn], minlength=40)
    # binomial(400, 1/4) has mean 100 and deviation 8.7: five deviations
    assert 56 < times.min() <= times.max() < 144


def test_a_sample_is_drawn_from_every_part_of_a_streamed_collection(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection, _ = new_collection(database)
    put(database, collection, [NewDocument(f"{i}", Text("a text"), {}) for i in range(95)])
    monkeypatch.setattr(document_samples, "ROWS_AT_ONCE", 10)
    with database.read() as connection:
        ids = [int(document.id) for document in document_samples.sample(connection, collection.id, 30, 3)]
    assert len(set(ids)) == 30
    assert min(ids) < 20
    assert max(ids) > 75
