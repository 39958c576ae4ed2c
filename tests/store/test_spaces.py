from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, exc, func, insert, select, update

from service.errors import Conflict, ForbiddenMove, NotFound
from service.hashing.content import Text
from service.store import codes, collections, documents, overviews, schema, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.deletion import Deletion
from service.store.documents import NewDocument
from service.store.overviews import Overview, SpaceReference
from service.store.spaces import CodeSpace
from tests.conftest import new_collection
from tests.store.test_codes import code


def built(database: Database, collection: Collection, to: str = "ready", n_bits: int = 64) -> CodeSpace:
    """A space that went from training as far as asked."""
    with database.write() as connection:
        space = spaces.start(connection, collection.id, n_bits, "semantic_hashing")
        spaces.put_function(connection, b"made up", f"digest {space.id}")
        spaces.set_digest(connection, space.id, f"digest {space.id}")
        for state in ("encoding", "evaluating", "ready"):
            if spaces.by_id(connection, space.id).state != to:
                spaces.move(connection, space.id, state)
        return spaces.by_id(connection, space.id)


def promoted(database: Database, space: CodeSpace) -> CodeSpace:
    with database.lane(space.collection_id) as lane:
        return spaces.promote(lane, space.id)


def test_a_new_collection_has_its_untrained_space_active_as_version_1(database: Database) -> None:
    collection, space = new_collection(database, 32)
    assert (space.version, space.state, space.n_bits, space.variant) == (1, "active", 32, "untrained")
    assert space.activated_at is not None
    with database.write() as connection:
        assert spaces.create_untrained(connection, collection, "another digest") == space
    with database.read() as connection:
        assert spaces.active(connection, collection.id) == space
        assert spaces.get(connection, collection.id, 1) == spaces.by_id(connection, space.id) == space
        assert spaces.building(connection, collection.id) is None


def test_a_space_goes_from_training_to_ready_with_digest_and_report(database: Database) -> None:
    collection, first = new_collection(database, 64)
    with database.write() as connection:
        space = spaces.start(connection, collection.id, 32, "semantic_hashing")
        assert (space.version, space.state, space.n_bits, space.digest) == (2, "training", 32, None)
        assert spaces.building(connection, collection.id) == space
        spaces.put_function(connection, b"made up", "d")
        assert spaces.set_digest(connection, space.id, "d").digest == "d"
        assert spaces.set_report(connection, space.id, {"recall": {"new": 0.5}}).report == {"recall": {"new": 0.5}}
        for state in ("encoding", "evaluating", "ready"):
            assert spaces.move(connection, space.id, state).state == state
        assert [s.version for s in spaces.list(connection, collection.id)] == [2, 1]
        assert spaces.active(connection, collection.id) == first


@settings(max_examples=60)
@given(start=st.sampled_from(schema.SPACE_STATES), to=st.sampled_from(schema.SPACE_STATES))
def test_a_space_makes_only_the_allowed_moves(database: Database, start: str, to: str) -> None:
    collection, _ = new_collection(database)
    with database.write() as connection:
        spaces.put_function(connection, b"made up", "d")
        connection.execute(update(schema.code_spaces).values(state="failed"))
        space = spaces.start(connection, collection.id, 64, "semantic_hashing")
        connection.execute(
            update(schema.code_spaces).where(schema.code_spaces.c.id == space.id).values(state=start, digest="d")
        )
        if to in spaces.MOVES[start] and to not in ("active", "retired"):
            assert spaces.move(connection, space.id, to).state == to
        else:
            with pytest.raises(ForbiddenMove, match=f"code space 2 is {start} and cannot become {to}"):
                spaces.move(connection, space.id, to)


def test_unknown_spaces_are_not_found(database: Database) -> None:
    collection, _ = new_collection(database)
    with database.write() as connection:
        for missing in (
            lambda: spaces.get(connection, collection.id, 9),
            lambda: spaces.by_id(connection, 999),
            lambda: spaces.active(connection, 999),
            lambda: spaces.move(connection, 999, "ready"),
            lambda: spaces.rollback_target(connection, collection.id),
            lambda: spaces.start(connection, 999, 64, "semantic_hashing"),
            lambda: spaces.get_function(connection, "digest"),
        ):
            with pytest.raises(NotFound):
                missing()


def test_one_space_is_built_at_a_time(database: Database) -> None:
    collection, _ = new_collection(database)
    other, _ = new_collection(database)
    space = built(database, collection, "encoding")
    built(database, other, "encoding")
    with pytest.raises(Conflict, match="in building already"), database.write() as connection:
        spaces.start(connection, collection.id, 64, "semantic_hashing")
    with database.write() as connection:
        assert spaces.fail(connection, space.id, "no memory").error == "no memory"
        with pytest.raises(ForbiddenMove):
            spaces.fail(connection, space.id, "again")
        assert spaces.start(connection, collection.id, 64, "semantic_hashing").version == 3


@pytest.mark.parametrize("state", ["active", "encoding"])
def test_the_database_itself_refuses_a_second_active_or_building_space(database: Database, state: str) -> None:
    collection, _ = new_collection(database)
    built(database, collection, "encoding")
    second = {"version": 9, "state": state, "n_bits": 64, "variant": "x", "digest": "d", "created_at": schema.now()}
    with pytest.raises(exc.IntegrityError), database.write() as connection:
        connection.execute(insert(schema.code_spaces).values(collection_id=collection.id, **second))


def test_promoting_retires_the_active_space_and_rolling_back_is_the_same_backwards(database: Database) -> None:
    collection, first = new_collection(database)
    second, third = promoted(database, built(database, collection)), promoted(database, built(database, collection))
    assert second.activated_at is not None
    with database.read() as connection:
        states = [(s.version, s.state) for s in spaces.list(connection, collection.id)]
        assert states == [(3, "active"), (2, "retired"), (1, "retired")]
        assert spaces.rollback_target(connection, collection.id).id == second.id
    promoted(database, second)
    with database.read() as connection:
        assert spaces.active(connection, collection.id).id == second.id
        assert spaces.rollback_target(connection, collection.id).id == third.id
    promoted(database, first)
    with database.read() as connection:
        assert spaces.rollback_target(connection, collection.id).id == second.id


def test_a_space_in_which_documents_lack_a_code_is_not_promoted(database: Database) -> None:
    collection, first = new_collection(database)
    with database.lane(collection.id) as lane:
        keys = [p.key for p in documents.put(lane, [NewDocument(id, Text("a text"), {}) for id in "abc"])]
        codes.append(lane, first.id, keys, code(1, 2, 3))
    space = built(database, collection)
    with database.lane(collection.id) as lane:
        codes.append(lane, space.id, keys[:1], code(1))
    with pytest.raises(ForbiddenMove, match=r"code space 2 \(in which 2 documents have no code\) is ready"):
        promoted(database, space)
    with database.read() as connection:
        assert spaces.active(connection, collection.id) == first
    with database.lane(collection.id) as lane:
        codes.append(lane, space.id, keys[1:], code(2, 3))
    assert promoted(database, space).state == "active"


@pytest.mark.parametrize("state", ["training", "encoding", "evaluating", "active", "failed"])
def test_only_ready_and_retired_spaces_are_promoted(database: Database, state: str) -> None:
    collection, first = new_collection(database)
    space = first if state == "active" else built(database, collection, "training" if state == "failed" else state)
    if state == "failed":
        with database.write() as connection:
            spaces.fail(connection, space.id, "a reason")
    with pytest.raises(ForbiddenMove, match=f"is {state} and cannot become active"):
        promoted(database, space)


def test_a_space_of_another_collection_is_not_promoted(database: Database) -> None:
    collection, _ = new_collection(database)
    other, _ = new_collection(database)
    space = built(database, other)
    with pytest.raises(NotFound), database.lane(collection.id) as lane:
        spaces.promote(lane, space.id)


def test_the_overview_names_the_active_space_and_one_that_has_its_codes(database: Database) -> None:
    collection, first = new_collection(database, 64, "one")
    other, other_first = new_collection(database, 8, "two")
    with database.lane(collection.id) as lane:
        lane.draw(7)
    space = built(database, collection, "training", n_bits=32)

    def seen() -> list[Overview]:
        with database.read() as connection:
            return overviews.read(connection)

    def reference(space: CodeSpace) -> SpaceReference:
        return SpaceReference(space.id, space.version, space.n_bits, space.digest, has_buckets=space.has_buckets)

    two = Overview(other.id, "two", 8, 0, reference(other_first), None)
    assert seen() == [Overview(collection.id, "one", 64, 7, reference(first), None), two]
    for state in ("encoding", "evaluating", "ready"):
        with database.write() as connection:
            spaces.move(connection, space.id, state)
        building = None if state == "encoding" else reference(space)  # while it is filled, in no order
        assert seen() == [Overview(collection.id, "one", 64, 7, reference(first), building), two]
    promoted(database, space)
    assert (seen()[0].active, seen()[0].building) == (reference(space), None)


def test_the_overview_says_where_retired_spaces_end_and_which_of_them_to_load(database: Database) -> None:
    collection, first = new_collection(database)
    second = promoted(database, built(database, collection))

    def seen() -> Overview:
        with database.read() as connection:
            return overviews.read(connection)[0]

    def ask(space: CodeSpace, seconds: float) -> None:
        with database.write() as connection:
            spaces.ask_preload(connection, space.id, seconds)

    assert (seen().retired_seqs, seen().preloading) == ({first.id: 1}, ())
    ask(first, 60)
    assert [space.id for space in seen().preloading] == [first.id]
    assert [space.id for space in seen().wanted] == [second.id, first.id]
    ask(first, -1)
    assert seen().preloading == ()
    ask(first, 60)
    promoted(database, first)
    assert (seen().retired_seqs, seen().preloading) == ({second.id: 2}, ())
    promoted(database, second)
    assert (seen().retired_seqs, seen().preloading) == ({first.id: 3}, ()), "a promoted space is asked for no longer"
    with pytest.raises(NotFound), database.write() as connection:
        spaces.ask_preload(connection, 999, 1)


def test_hash_functions_are_kept_once_by_digest(database: Database) -> None:
    with database.write() as connection:
        spaces.put_function(connection, b"\x00\xffcontent", "d")
        spaces.put_function(connection, b"\x00\xffcontent", "d")
        assert spaces.get_function(connection, "d") == b"\x00\xffcontent"
        with pytest.raises(NotFound, match="no hash function 'e'"):
            spaces.get_function(connection, "e")


def n_rows_of(connection: Connection, space: CodeSpace) -> tuple[int, int]:
    counts = [select(func.count()).where(table.c.space_id == space.id) for table in (schema.codes, schema.buckets)]
    n_codes, n_buckets = (connection.scalar(count) or 0 for count in counts)
    return n_codes, n_buckets


def test_pruning_keeps_what_may_be_rolled_back_to_and_the_latest_failures(database: Database) -> None:
    collection, first = new_collection(database)
    with database.lane(collection.id) as lane:
        keys = [p.key for p in documents.put(lane, [NewDocument("a", Text("a text"), {})])]
        codes.append(lane, first.id, keys, code(1))
    all_spaces = [first]
    for end in ("failed", "active", "failed", "active", "failed", "active", "training"):
        space = built(database, collection, "training" if end in ("failed", "training") else "ready")
        with database.lane(collection.id) as lane:
            spaces.put_function(lane.connection, b"content", f"digest {space.id}")
            codes.append(lane, space.id, keys, code(1))
            if end == "failed":
                spaces.fail(lane.connection, space.id, "a reason")
            elif end == "active":
                spaces.promote(lane, space.id)
        all_spaces.append(space)
    with database.write() as connection:
        assert spaces.prune(connection, collection.id, keep=1) == 4
    Deletion(database, lambda progress: None).prune(collection.id)
    with database.write() as connection:
        kept = spaces.list(connection, collection.id)
        assert [(space.version, space.state) for space in kept] == [
            (8, "training"),
            (7, "active"),
            (6, "failed"),
            (5, "retired"),
        ]
        for space in all_spaces:
            has_codes = space.version in (5, 7, 8)
            assert n_rows_of(connection, space) == ((1, 4) if has_codes else (0, 0))
        kept_digests = connection.scalars(select(schema.hash_functions.c.digest)).all()
        assert sorted(kept_digests) == sorted(str(space.digest) for space in kept)
        assert spaces.prune(connection, collection.id, keep=1) == 0
        spaces.fail(connection, kept[0].id, "a reason")
        assert spaces.start(connection, collection.id, 64, "x").version == 9


def test_a_version_is_never_given_twice(database: Database) -> None:
    collection, _ = new_collection(database)
    for version in range(2, 5):
        space = built(database, collection)
        assert space.version == version
        with database.write() as connection:
            spaces.fail(connection, space.id, "a reason")
            spaces.prune(connection, collection.id, keep=0)
        Deletion(database, lambda progress: None).prune(collection.id)
    with database.read() as connection:
        assert [space.version for space in spaces.list(connection, collection.id)] == [1]
        assert collections.by_id(connection, collection.id) == collection
