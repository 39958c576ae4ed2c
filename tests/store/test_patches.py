from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput, RevisionDiffers
from service.hashing.content import Text
from service.store import codes, documents, patches
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.patches import Patch, Patched, merged
from tests.conftest import n_codes, new_collection

LATER = datetime(2100, 1, 1, tzinfo=UTC)


def accept(metadata: dict[str, Any], id: str) -> None:
    """A check that every metadata passes."""


def patch(database: Database, collection: Collection, *wanted: Patch) -> Patched:
    with database.lane(collection.id) as lane:
        return patches.apply(lane, wanted, accept)


def test_a_patch_merges_metadata_and_leaves_text_revision_of_the_text_and_code(database: Database) -> None:
    collection, space = new_collection(database)
    with database.lane(collection.id) as lane:
        (put,) = documents.put(lane, [NewDocument("a", Text("one"), {"x": {"y": 1, "z": 2}, "n": 1})])
        codes.append(lane, space.id, [put.key], np.zeros((1, 8), np.uint8))
    patched = patch(database, collection, Patch("a", {"x": {"y": None, "w": 3}, "m": True}))
    with database.read() as connection:
        found = documents.get(connection, collection.id, "a")
        assert n_codes(connection, space.id) == 1
    assert found.metadata == {"x": {"z": 2, "w": 3}, "n": 1, "m": True}
    assert (found.content.text, found.revision, found.full_revision) == ("one", 1, 2)
    (one,) = patched.documents
    assert (one.key, one.revision, one.changed, patched.missing) == (put.key, 2, True, [])
    assert patched.seq > put.seq


def test_a_patch_that_changes_nothing_writes_nothing(database: Database) -> None:
    collection, _ = new_collection(database)
    with database.lane(collection.id) as lane:
        (put,) = documents.put(lane, [NewDocument("a", Text("one"), {"n": 1}, LATER)])
    for wanted in (Patch("a", {}), Patch("a", {"n": 1, "m": None}), Patch("a", {}, True, LATER)):
        patched = patch(database, collection, wanted)
        assert ([one.changed for one in patched.documents], patched.seq) == ([False], put.seq)


def test_numbers_of_another_type_are_a_change(database: Database) -> None:
    collection, _ = new_collection(database)
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument("a", Text("one"), {"n": 1})])
    assert patch(database, collection, Patch("a", {"n": True})).documents[0].changed
    with database.read() as connection:
        assert documents.get(connection, collection.id, "a").metadata["n"] is True


def test_what_expires_is_set_changed_and_cleared(database: Database) -> None:
    collection, _ = new_collection(database)
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument("a", Text("one"), {})])
    for wanted in (LATER, LATER.replace(year=2101), None):
        patched = patch(database, collection, Patch("a", {}, True, wanted))
        assert patched.documents[0].changed
        with database.read() as connection:
            assert documents.get(connection, collection.id, "a").expires_at == wanted


def test_patches_of_other_revisions_and_bad_metadata_change_nothing_at_all(database: Database) -> None:
    collection, _ = new_collection(database)
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument(id, Text("one"), {}) for id in "ab"])
    with pytest.raises(RevisionDiffers) as refused:
        patch(database, collection, Patch("a", {"n": 1}), Patch("b", {"n": 1}, revision=2), Patch("c", {}, revision=1))
    assert refused.value.revisions == {"b": 1, "c": 0}

    def refuse(metadata: dict[str, Any], id: str) -> None:
        if id == "b":
            raise InvalidInput("no")

    with pytest.raises(InvalidInput), database.lane(collection.id) as lane:
        patches.apply(lane, [Patch("a", {"n": 1}), Patch("b", {"n": 1})], refuse)
    with database.read() as connection:
        assert [one.metadata for one in documents.page(connection, collection.id, 0, 9)] == [{}, {}]


def test_ids_that_do_not_exist_are_missing(database: Database) -> None:
    collection, _ = new_collection(database)
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument("a", Text("one"), {})])
    patched = patch(database, collection, Patch("x", {"n": 1}), Patch("a", {"n": 1}))
    assert (patched.missing, [one.id for one in patched.documents]) == (["x"], ["a"])


@pytest.mark.parametrize(
    ("target", "change", "expected"),
    [  # the test cases of RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_are_applied_as_the_rfc_says(target: object, change: object, expected: object) -> None:
    assert merged(target, change) == expected


JSON_OBJECTS = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.none() | st.integers(0, 2), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_size=3,
)


@given(JSON_OBJECTS, JSON_OBJECTS)
def test_a_merge_patch_applied_twice_is_the_same_as_once(target: dict[str, Any], change: dict[str, Any]) -> None:
    once = merged(target, change)
    assert merged(once, change) == once
