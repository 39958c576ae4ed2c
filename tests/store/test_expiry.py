from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from service.hashing.content import Text
from service.store import codes, collections, document_changes, documents, expiry, schema
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.spaces import CodeSpace
from tests.conftest import n_codes, new_collection
from tests.examples import examples

PAST, LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def put(database: Database, collection: Collection, space: CodeSpace, expiries: dict[str, datetime | None]) -> None:
    with database.lane(collection.id) as lane:
        expiry.settle(lane, list(expiries))
        put = documents.put(lane, [NewDocument(id, Text(id), {}, moment) for id, moment in expiries.items()])
        codes.append(lane, space.id, [one.key for one in put], np.zeros((len(put), 8), np.uint8), [p.seq for p in put])
        expiry.note(lane, expiries.values())


def has_expired(database: Database, collection: Collection) -> bool:
    with database.read() as connection:
        found = {
            collections.get(connection, collection.name).has_expired,
            collections.by_id(connection, collection.id).has_expired,
            documents.locate(connection, collection.name, "kept").has_expired,
        }
    with database.lane(collection.id) as lane:
        found.add(lane.has_expired)
    assert len(found) == 1
    return found.pop()


def test_what_has_expired_is_not_read_and_then_deleted_with_its_codes(database: Database) -> None:
    collection, space = new_collection(database)
    put(database, collection, space, {"kept": None, "later": LATER})
    assert not has_expired(database, collection)
    put(database, collection, space, {"gone": PAST, "too": PAST + timedelta(days=1), "three": PAST})
    assert has_expired(database, collection)
    with database.read() as connection:
        page = documents.page(connection, collection.id, 0, 9)
        found, missing, _ = documents.by_ids(connection, collection.id, ["gone", "kept", "later"], 1e9)
        assert [one.id for one in page] == [one.id for one in found] == ["kept", "later"]
        assert missing == ["gone"]
        assert len(expiry.expired_keys(connection, collection.id)) == 3
        assert expiry.living_keys(connection, collection.id).tolist() == [one.key for one in page]
        assert expiry.with_expired(connection) == [collection.id]
    for n, left in ((2, 1), (1, 0)):
        with database.lane(collection.id) as lane:
            assert expiry.delete_expired(lane, 2) == n
        with database.read() as connection:
            assert len(expiry.expired_keys(connection, collection.id)) == left
    assert not has_expired(database, collection)
    with database.read() as connection:
        assert expiry.with_expired(connection) == []
        assert n_codes(connection, space.id) == 2
        next_one = connection.scalar(select(schema.collections.c.expires_next))
        assert len(document_changes.deleted_keys(connection, collection.id, 0)) == 3
    assert next_one == LATER


def test_an_id_that_has_expired_is_free(database: Database) -> None:
    collection, space = new_collection(database)
    put(database, collection, space, {"kept": None, "a": PAST})
    with database.lane(collection.id) as lane:
        expiry.settle(lane, ["a"])
        (again,) = documents.put(lane, [NewDocument("a", Text("a"), {}, revision=0)])
    assert (again.created, again.revision) == (True, 1)


MOMENTS = st.sampled_from([None, PAST, PAST + timedelta(days=1), LATER])
STEPS = st.lists(
    st.dictionaries(st.sampled_from("abcd"), MOMENTS, min_size=1) | st.just("pass a day") | st.just("sweep"), max_size=8
)


@given(STEPS)
@examples(10)
def test_whatever_is_put_and_expires_reads_are_those_of_a_model(
    database: Database, steps: list[dict[str, datetime | None] | str]
) -> None:
    collection, space = new_collection(database)
    put(database, collection, space, {"kept": None})
    model: dict[str, datetime | None] = {"kept": None}
    for step in steps:
        if isinstance(step, dict):
            put(database, collection, space, step)
            model |= step
        elif step == "sweep":
            with database.lane(collection.id) as lane:
                expiry.delete_expired(lane, 2)
        else:  # all that expires later does so a long time ago
            model = {id: moment and PAST for id, moment in model.items()}
            table, next_one = schema.documents, schema.collections.c.expires_next
            with database.write() as connection:
                of_collection = (table.c.collection_id == collection.id, table.c.expires_at.is_not(None))
                connection.execute(update(table).where(*of_collection).values(expires_at=PAST))
                of_collection = (schema.collections.c.id == collection.id, next_one.is_not(None))
                connection.execute(update(schema.collections).where(*of_collection).values(expires_next=PAST))
        living = {id for id, moment in model.items() if moment is None or moment == LATER}
        with database.read() as connection:
            assert {one.id for one in documents.page(connection, collection.id, 0, 99)} == living
            n_expired = len(expiry.expired_keys(connection, collection.id))
        assert has_expired(database, collection) >= bool(n_expired)
