from __future__ import annotations

import asyncio

import numpy as np
import pytest

from service.errors import ForbiddenMove, NotFound
from service.hashing.content import Contents, Text, of_kind
from service.hashing.encoded import Encoded
from service.search.preview import Preview, Previews
from service.store import codes, documents, kept_queries, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.spaces import CodeSpace
from tests.conftest import new_collection

N, N_BYTES = 60, 1


class FirstLetters:
    """An encoder whose codes are the first letters of texts, whatever the function is."""

    async def encode(self, digest: str, contents: Contents) -> Encoded:
        codes = np.array([[ord(text.text[0])] for text in of_kind(contents, Text)], dtype=np.uint8)
        n = len(contents)
        return Encoded(codes, np.ones(n, dtype=np.int64), np.zeros((n, 8), dtype=np.uint8))

    async def close(self) -> None: ...


def preview(database: Database, collection: Collection, version: int, n: int = 200) -> Preview:
    return asyncio.run(Previews(database, FirstLetters()).preview(collection.name, version, n))


@pytest.fixture
def two(database: Database) -> tuple[Collection, CodeSpace, CodeSpace]:
    """A collection of documents d0 to d59 with random codes in the active space and in one that is ready."""
    collection, active = new_collection(database, n_bits=8 * N_BYTES)
    rng = np.random.default_rng(1)
    with database.lane(collection.id) as lane:
        put = documents.put(lane, [NewDocument(f"d{i}", Text(f"text {i}"), {}) for i in range(N)])
        connection = lane.connection
        new = spaces.start(connection, collection.id, 8 * N_BYTES, "neighbor")
        keys = [one.key for one in put]
        for space in (active, new):
            codes.append(lane, space.id, keys, rng.integers(256, size=(N, N_BYTES)).astype(np.uint8))
        spaces.set_digest(connection, new.id, str(active.digest))
        for state in ("encoding", "evaluating", "ready"):
            new = spaces.move(connection, new.id, state)
    return collection, active, new


def nearest(database: Database, space: CodeSpace, key: int) -> list[int]:
    """Keys of the ten nearest of a document but itself, by the definition."""
    with database.read() as connection:
        keys, found = codes.load(connection, space.id, N_BYTES)
    by_key = dict(zip(keys.tolist(), found[:, 0].tolist(), strict=True))
    order = sorted(((code ^ by_key[key]).bit_count(), other) for other, code in by_key.items() if other != key)
    return [other for _, other in order[:10]]


def test_a_preview_counts_the_nearest_that_stay(
    database: Database, two: tuple[Collection, CodeSpace, CodeSpace]
) -> None:
    collection, active, new = two
    whole = preview(database, collection, new.version)
    found = whole.documents
    with database.read() as connection:
        keys = documents.keys_of(connection, collection.id, [f"d{i}" for i in range(N)])
    ids = {key: id for id, key in keys.items()}
    overlaps = {id: len({*nearest(database, active, key)} & {*nearest(database, new, key)}) for id, key in keys.items()}
    assert found.histogram == np.bincount(list(overlaps.values()), minlength=11).tolist()
    assert found.overlap == pytest.approx(sum(overlaps.values()) / N / 10)
    assert (found.n, whole.n_searched, whole.k) == (N, N, 10)
    assert [one.overlap for one in found.worst] == sorted(overlaps.values())[:10]
    worst = found.worst[0]
    before, after = (nearest(database, space, keys[worst.asked]) for space in (active, new))
    assert worst.leave == [ids[key] for key in before if key not in after]
    assert worst.come == [ids[key] for key in after if key not in before]


def test_a_space_that_is_the_active_one_would_change_nothing(
    database: Database, two: tuple[Collection, CodeSpace, CodeSpace]
) -> None:
    collection, active, _ = two
    found = preview(database, collection, active.version, n=20).documents
    assert (found.overlap, found.worst, found.histogram) == (1.0, [], [0] * 10 + [20])


def test_a_space_without_codes_cannot_be_previewed_and_an_empty_one_can(database: Database) -> None:
    collection, active = new_collection(database)
    empty = preview(database, collection, active.version)
    assert (empty.documents.n, empty.documents.overlap, empty.k, empty.queries) == (0, 1.0, 0, None)
    with database.write() as connection:
        training = spaces.start(connection, collection.id, 64, "neighbor")
    with pytest.raises(ForbiddenMove, match="training"):
        preview(database, collection, training.version)
    with pytest.raises(NotFound):
        preview(database, collection, 9)


def test_kept_queries_are_asked_in_both_spaces(
    database: Database, two: tuple[Collection, CodeSpace, CodeSpace]
) -> None:
    collection, active, new = two
    with database.write() as connection:
        kept_queries.add(connection, collection.id, ["first", "zebra", "apple", "zebra"], keep=3)
    found = preview(database, collection, new.version).queries
    assert found is not None
    assert (found.n, sum(found.histogram)) == (2, 2)  # "first" is kept no more
    assert {one.asked for one in found.worst} <= {"zebra", "apple"}
    same = preview(database, collection, active.version).queries
    assert same is not None
    assert (same.overlap, same.worst) == (1.0, [])
