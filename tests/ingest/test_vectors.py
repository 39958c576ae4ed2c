"""Vectors of a second embedding model, with what is written while their code space is promoted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.config import Settings
from service.errors import VectorsMissing
from service.hashing.codes import Codes
from service.hashing.content import Contents, Embedding
from service.hashing.encoded import Encoded
from service.hashing.vectors import Vectors, VectorSettings
from service.ingest.documents import put_with_codes
from service.ingest.vectors import VectorWriter
from service.store import codes, collections, documents, embedding_models, promotion, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.promotion import Completion, Promotion
from service.store.spaces import CodeSpace

OLD, NEW = 0, 1
IDS = ["a", "b", "c"]


@pytest.fixture
def collection(database: Database) -> Collection:
    return new_collection(database)


def new_collection(database: Database) -> Collection:
    """A collection of vectors with two entries, of two models, with a made-up hash function for the older one."""
    digest = uuid4().hex
    with database.write() as connection:
        made = collections.create(connection, uuid4().hex, "embedding", 64, VectorSettings(2, model="v1"))
        spaces.put_function(connection, b"made up", digest)
        spaces.create_untrained(connection, made, digest)
        for name in ("v1", "v2"):
            embedding_models.create(connection, made.id, name, 2)
    return made


def vector(value: int) -> Vectors:
    return np.array([value + 1, 1], dtype=np.float32)


def codes_of(contents: Contents) -> Codes:
    """A made-up hash function: the bytes of the entries."""
    found = [content.vector.tobytes() for content in contents if isinstance(content, Embedding)]
    return np.frombuffer(b"".join(found), dtype=np.uint8).reshape(len(contents), 8)


def active(database: Database, collection: Collection) -> CodeSpace:
    with database.read() as connection:
        return spaces.active(connection, collection.id)


def built(database: Database, collection: Collection, model: int = NEW) -> CodeSpace:
    """A space of a model, ready but for its codes."""
    digest = uuid4().hex
    with database.write() as connection:
        space = spaces.start(connection, collection.id, 64, "made up", model)
        spaces.put_function(connection, b"made up", digest)
        spaces.set_digest(connection, space.id, digest)
        for state in ("encoding", "evaluating", "ready"):
            space = spaces.move(connection, space.id, state)
    return space


def put(database: Database, collection: Collection, id: str, values: Mapping[int, int]) -> None:
    """Put a document with vectors of models, as an API process does."""
    with database.lane(collection.id) as lane:
        space = spaces.active(lane.connection, collection.id)
        vectors = {model: vector(value) for model, value in values.items()}
        new = NewDocument(id, Embedding.of_vectors(vectors, None, None, "float32"), {})
        put_with_codes(lane, [new], space, codes_of([Embedding(vectors[space.model])]))


def put_vectors(database: Database, collection: Collection, model: int, values: Mapping[str, int]) -> None:
    """Put vectors of a model beside those that documents have, as an API process does."""
    by_id = {id: vector(value) for id, value in values.items()}
    space = active(database, collection)
    found = codes_of([Embedding(one) for one in by_id.values()])
    known, confidence = np.ones(len(found), np.int64), np.zeros((len(found), 64), np.uint8)
    encoded = Encoded(found, known, confidence) if space.model == model else None
    writer = VectorWriter(database, ANY, ANY, Settings())
    assert writer._commit(collection.id, model, by_id, space, encoded) is not None


def delete(database: Database, collection: Collection, id: str) -> None:
    with database.lane(collection.id) as lane:
        codes.discard(lane, documents.delete(lane, [id]))


def stored_codes(database: Database, space: CodeSpace) -> dict[str, bytes]:
    """The codes in a space, by the ids of documents."""
    with database.read() as connection:
        keys, found = codes.load(connection, space.id, 8)
        by_key = documents.by_keys(connection, keys)
    return {by_key[key].id: code.tobytes() for key, code in zip(keys.tolist(), found, strict=True)}


def wanted_codes(database: Database, space: CodeSpace) -> dict[str, bytes]:
    """Those that documents must have, by their vectors."""
    with database.read() as connection:
        found = documents.page(connection, space.collection_id, 0, 1_000)
    contents = {document.id: document.content for document in found}
    return {
        id: content.vectors[space.model].tobytes()
        for id, content in contents.items()
        if isinstance(content, Embedding) and space.model in content.vectors
    }


WRITES = st.lists(
    st.tuples(
        st.sampled_from(["put", "put both", "vector", "old vector", "delete"]), st.sampled_from(IDS), st.integers(0, 2)
    ),
    max_size=10,
)


def write(database: Database, collection: Collection, writes: Sequence[tuple[str, str, int]]) -> None:
    for kind, id, value in writes:
        match kind:
            case "put":
                put(database, collection, id, {active(database, collection).model: value})
            case "put both":
                put(database, collection, id, {OLD: value, NEW: value})
            case "vector":
                put_vectors(database, collection, NEW, {id: value})
            case "old vector":
                put_vectors(database, collection, OLD, {id: value})
            case _:
                delete(database, collection, id)


@settings(max_examples=60)
@given(before=WRITES, meanwhile=st.lists(WRITES, max_size=4), after=WRITES, leaves_out=st.booleans())
def test_a_promoted_space_has_the_codes_of_its_models_vectors_whatever_was_written_meanwhile(
    database: Database, before: list[Any], meanwhile: list[list[Any]], after: list[Any], leaves_out: bool
) -> None:
    collection = new_collection(database)
    first = active(database, collection)
    write(database, collection, before)
    space = built(database, collection)
    left, in_lane = list(meanwhile), threading.local()

    def encode(contents: Contents) -> Codes:
        found = codes_of(contents)
        if left and not getattr(in_lane, "yes", False):
            write(database, collection, left.pop())
        return found

    class Watched(Completion):
        def finish(self, lane: Any, hold_s: float) -> bool:
            in_lane.yes = True  # nobody can write now
            try:
                return super().finish(lane, hold_s)
            finally:
                in_lane.yes = False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(promotion, "Completion", Watched)
        with nullcontext() if leaves_out else suppress(VectorsMissing):
            assert Promotion(database, space, encode, leaves_out=leaves_out).run(0).state == "active"
    write(database, collection, after)
    now = active(database, collection)
    assert stored_codes(database, now) == wanted_codes(database, now)
    other = first if now.id == space.id else space  # it may lack codes, and has none of a vector that is no more
    assert stored_codes(database, other).items() <= wanted_codes(database, other).items()


def test_a_space_is_promoted_only_when_every_document_has_a_vector_of_its_model(
    database: Database, collection: Collection
) -> None:
    for value, id in enumerate(IDS):
        put(database, collection, id, {OLD: value})
    space = built(database, collection)
    put_vectors(database, collection, NEW, dict.fromkeys(IDS[1:], 7))
    with pytest.raises(VectorsMissing, match="documents without a vector of model 'v2': 1;"):
        Promotion(database, space, codes_of).run(0)
    put_vectors(database, collection, NEW, {IDS[0]: 7})
    assert Promotion(database, space, codes_of).run(0).state == "active"
    assert stored_codes(database, space) == dict.fromkeys(IDS, vector(7).tobytes())


def test_a_document_without_a_vector_that_comes_during_a_promotion_keeps_it_from_happening(
    database: Database, collection: Collection
) -> None:
    put(database, collection, "a", {OLD: 1, NEW: 1})
    space = built(database, collection)
    late: list[Callable[[], None]] = [lambda: put(database, collection, "b", {OLD: 2})]

    def encode(contents: Contents) -> Codes:
        if contents and late:
            late.pop()()
        return codes_of(contents)

    with pytest.raises(VectorsMissing, match="'v2': 1;"):
        Promotion(database, space, encode).run(0)
    assert active(database, collection).model == OLD
    assert Promotion(database, space, codes_of, leaves_out=True).run(0).state == "active"
    assert stored_codes(database, space).keys() == {"a"}


@pytest.mark.parametrize(("before", "late"), [({OLD: 1}, {"a": 2}), ({OLD: 1, NEW: 1}, {"a": 2})])
def test_a_vector_that_is_put_while_others_are_encoded_is_encoded_too(
    database: Database, collection: Collection, before: dict[int, int], late: dict[str, int]
) -> None:
    put(database, collection, "a", before)
    put(database, collection, "b", {OLD: 1, NEW: 1})
    space = built(database, collection)
    left = [late]

    def encode(contents: Contents) -> Codes:
        if contents and left:
            put_vectors(database, collection, NEW, left.pop())
        return codes_of(contents)

    Promotion(database, space, encode, leaves_out=True).run(0)
    assert stored_codes(database, space) == wanted_codes(database, space)
    assert stored_codes(database, space)["a"] == vector(2).tobytes()


def test_a_rollback_goes_as_far_as_the_old_vectors_go(database: Database, collection: Collection) -> None:
    first = active(database, collection)
    put(database, collection, "a", {OLD: 1, NEW: 1})
    Promotion(database, built(database, collection), codes_of).run(0)
    put(database, collection, "b", {OLD: 2, NEW: 2})
    put(database, collection, "c", {NEW: 3})
    with pytest.raises(VectorsMissing, match="'v1': 1;") as refused:
        Promotion(database, first, codes_of).run(0)
    assert (refused.value.model, refused.value.n_uncovered) == ("v1", 1)
    assert Promotion(database, first, codes_of, leaves_out=True).run(0).state == "active"
    assert stored_codes(database, first).keys() == {"a", "b"}
    put_vectors(database, collection, OLD, {"c": 3})
    assert stored_codes(database, first) == wanted_codes(database, first)


def test_a_vector_that_replaces_another_makes_a_new_revision_and_a_first_one_does_not(
    database: Database, collection: Collection
) -> None:
    put(database, collection, "a", {OLD: 1})
    revisions = []
    for value in (1, 1, 2):
        put_vectors(database, collection, NEW, {"a": value})
        with database.read() as connection:
            revisions.append(documents.get(connection, collection.id, "a").revision)
    assert revisions == [1, 1, 2]
