from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, select

from service.hashing.codes import Codes, substrings
from service.hashing.content import Text
from service.store import buckets, codes, collections, documents, schema, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from tests.conftest import n_codes, new_collection
from tests.oracles import clustered_codes


def put(database: Database, collection: Collection, *ids: str) -> list[int]:
    with database.lane(collection.id) as lane:
        return [p.key for p in documents.put(lane, [NewDocument(id, Text(f"text {id}"), {}) for id in ids])]


def code(*first_bytes: int, n_bytes: int = 8) -> Codes:
    """Codes that differ in their first byte."""
    out = np.zeros((len(first_bytes), n_bytes), dtype=np.uint8)
    out[:, 0] = first_bytes
    return out


def loaded(connection: Connection, space_id: int, n_bytes: int) -> dict[int, bytes]:
    keys, found = codes.load(connection, space_id, n_bytes)
    assert found.shape == (len(keys), n_bytes)
    assert keys.tolist() == sorted(keys.tolist())
    return {key: row.tobytes() for key, row in zip(keys.tolist(), found, strict=True)}


def bucket_rows(connection: Connection, space_id: int) -> set[tuple[int, int, int]]:
    table = schema.buckets
    columns = select(table.c.table_no, table.c.address, table.c.document_key).where(table.c.space_id == space_id)
    return {(row[0], row[1], row[2]) for row in connection.execute(columns)}


def bucket_rows_of(model: dict[int, bytes], n_bits: int) -> set[tuple[int, int, int]]:
    return {
        (table, int(address), key)
        for key, content in model.items()
        for table, address in enumerate(substrings(np.frombuffer(content, np.uint8)[None], buckets.n_tables(n_bits))[0])
    }


def test_appended_codes_are_changes_in_order_and_load_as_they_were(database: Database) -> None:
    collection, space = new_collection(database)
    keys = put(database, collection, "a", "b", "c")
    with database.lane(collection.id) as lane:
        assert codes.append(lane, space.id, keys, code(1, 2, 3)) == 6  # the documents took three seqs
        assert codes.append(lane, space.id, keys[:1], code(4)) == 7
    with database.read() as connection:
        changes = codes.changes(connection, space.id, 0, 100)
        assert changes.seqs.tolist() == [5, 6, 7]
        assert changes.keys.tolist() == [keys[1], keys[2], keys[0]]
        assert (changes.codes == code(2, 3, 4)).all()
        assert not changes.deleted.any()
        assert codes.changes(connection, space.id, 5, 1).seqs.tolist() == [6]
        assert len(codes.changes(connection, space.id, 7, 100)) == 0
        assert loaded(connection, space.id, 8) == dict(zip(keys, map(bytes, code(4, 2, 3)), strict=True))
        assert n_codes(connection, space.id) == 3


def test_discarded_codes_are_deletions_in_every_space_but_the_one_kept(database: Database) -> None:
    collection, active = new_collection(database)
    keys = put(database, collection, "a", "b")
    with database.lane(collection.id) as lane:
        built = spaces.start(lane.connection, collection.id, 16, "semantic_hashing")
        codes.append(lane, active.id, keys, code(1, 2))
        codes.append(lane, built.id, keys, code(1, 2, n_bytes=2))
        assert codes.discard(lane, keys[:1], keep_space_id=active.id) == 7
        assert codes.discard(lane, keys[:1], keep_space_id=active.id) is None
    with database.read() as connection:
        assert set(loaded(connection, active.id, 8)) == set(keys)
        assert set(loaded(connection, built.id, 2)) == {keys[1]}
        gone = codes.changes(connection, built.id, 6, 100)
        assert (gone.keys.tolist(), gone.deleted.tolist(), gone.codes.shape) == ([keys[0]], [True], (1, 2))
        assert {key for *_, key in bucket_rows(connection, built.id)} == {keys[1]}
    with database.lane(collection.id) as lane:
        assert codes.discard(lane, keys) == 10
    with database.read() as connection:
        assert loaded(connection, active.id, 8) == loaded(connection, built.id, 2) == {}
        assert bucket_rows(connection, active.id) == bucket_rows(connection, built.id) == set()


def test_other_collections_keep_their_codes(database: Database) -> None:
    (one, space_of_one), (two, space_of_two) = new_collection(database), new_collection(database)
    for collection, space in ((one, space_of_one), (two, space_of_two)):
        keys = put(database, collection, "a")
        with database.lane(collection.id) as lane:
            assert codes.append(lane, space.id, keys, code(1)) == 2
    with database.lane(one.id) as lane:
        codes.discard(lane, documents.delete(lane, ["a"]))
    with database.read() as connection:
        assert n_codes(connection, space_of_one.id) == 0
        assert n_codes(connection, space_of_two.id) == 1


def test_append_current_skips_documents_that_were_changed_or_deleted_meanwhile(database: Database) -> None:
    collection, space = new_collection(database)
    keys = put(database, collection, "a", "b", "c")
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument("b", Text("another text"), {})])
        documents.delete(lane, ["c"])
        assert codes.append_current(lane, space.id, keys, [1, 1, 1], code(1, 2, 3)) == 1
        assert codes.append_current(lane, space.id, keys[1:2], [2], code(4)) == 1
        assert codes.append_current(lane, space.id, [], [], code()) == 0
    with database.read() as connection:
        assert loaded(connection, space.id, 8) == dict(zip(keys, map(bytes, code(1, 4)), strict=False))


def test_missing_reads_no_more_long_texts_than_fit_in_memory(database: Database) -> None:
    collection, space = new_collection(database)
    with database.lane(collection.id) as lane:
        put = documents.put(lane, [NewDocument(str(i), Text("long text " * 10_000), {}) for i in range(60)])
    found: list[int] = []
    with database.read() as connection:
        while batch := codes.missing(connection, collection.id, space.id, found[-1] if found else 0, 1_000):
            assert sum(len(document.content.text) for document in batch) <= 4_100_000
            found += [document.key for document in batch]
        assert found == [p.key for p in put]
        (one,) = codes.missing(connection, collection.id, space.id, 0, 1_000, max_chars=10)
        assert one.key == found[0]


def test_missing_pages_through_the_documents_without_a_code(database: Database) -> None:
    collection, space = new_collection(database)
    put(database, new_collection(database)[0], "elsewhere")
    keys = put(database, collection, *"abcdefg")
    with database.lane(collection.id) as lane:
        codes.append(lane, space.id, keys[2:4], code(1, 2))
        codes.discard(lane, keys[3:4])
    with database.read() as connection:
        first = codes.missing(connection, collection.id, space.id, 0, 4)
        rest = codes.missing(connection, collection.id, space.id, first[-1].key, 4)
        assert [document.id for document in first + rest] == list("abdefg")
        assert codes.count_missing(connection, collection.id, space.id) == 6


def test_get_returns_the_code_of_a_document_that_has_one(database: Database) -> None:
    collection, space = new_collection(database)
    keys = put(database, collection, "a", "b", "c")
    with database.lane(collection.id) as lane:
        codes.append(lane, space.id, keys, code(1, 2, 3))
        codes.discard(lane, keys[1:2])
    with database.read() as connection:
        found = [codes.get(connection, space.id, key) for key in (*keys, 999_999)]
        assert [None if one is None else one.tolist() for one in found] == [
            code(1)[0].tolist(),
            None,
            code(3)[0].tolist(),
            None,
        ]


@pytest.mark.parametrize(("keys", "n_codes"), [([1, 1], 2), ([1, 2], 1)])
def test_keys_must_be_unique_and_as_many_as_codes(database: Database, keys: list[int], n_codes: int) -> None:
    collection, space = new_collection(database)
    with database.lane(collection.id) as lane, pytest.raises(ValueError, match="keys must be unique and as many"):
        codes.append(lane, space.id, keys, code(*range(n_codes)))


STEP = st.tuples(st.sampled_from(["put", "delete", "encode", "tail"]), st.sets(st.integers(0, 7), max_size=5))


@settings(max_examples=25)
@given(steps=st.lists(STEP, max_size=12), seed=st.integers(0, 2**32 - 1))
def test_any_history_in_two_spaces_ends_as_a_plain_dict_does(
    database: Database, steps: list[tuple[str, set[int]]], seed: int
) -> None:
    """Put and change (with codes in the active space), delete, encode what the other space lacks, tail both."""
    rng = np.random.default_rng(seed)
    collection, active = new_collection(database, 24)
    with database.write() as connection:
        built = spaces.start(connection, collection.id, 64, "semantic_hashing")
    widths = {active.id: 24, built.id: 64}
    texts: dict[str, tuple[int, str]] = {}
    model: dict[int, dict[int, bytes]] = {space: {} for space in widths}
    tails: dict[int, tuple[int, dict[int, bytes]]] = {space: (0, {}) for space in widths}
    for step, numbers in [*steps, ("tail", set())]:
        ids = [f"d{number}" for number in sorted(numbers)]
        if step == "put":
            new = [NewDocument(id, Text(f"text {rng.integers(2)}"), {}) for id in ids]
            drawn = clustered_codes(rng, len(ids), 24, n_centers=2)
            with database.lane(collection.id) as lane:
                done = documents.put(lane, new)
                changed = [p.key for p in done if p.changed]
                codes.discard(lane, changed, keep_space_id=active.id)
                codes.append(lane, active.id, [p.key for p in done], drawn)
            for document, p in zip(new, done, strict=True):
                assert p.created == (p.id not in texts)
                assert p.changed == (texts.get(p.id) != (p.key, document.content.text))
                texts[p.id] = (p.key, document.content.text)
            for key in changed:
                model[built.id].pop(key, None)
            model[active.id] |= {p.key: row.tobytes() for p, row in zip(done, drawn, strict=True)}
        elif step == "delete":
            with database.lane(collection.id) as lane:
                gone = documents.delete(lane, ids)
                codes.discard(lane, gone)
            assert gone == sorted(texts.pop(id)[0] for id in ids if id in texts)
            for key in gone:
                assert model[active.id].pop(key)
                model[built.id].pop(key, None)
        elif step == "encode":
            with database.lane(collection.id) as lane:
                lacking = codes.missing(lane.connection, collection.id, built.id, 0, 3)
                assert {d.key for d in lacking} <= {key for key, _ in texts.values()} - set(model[built.id])
                drawn = clustered_codes(rng, len(lacking), 64, n_centers=2)
                keys = [document.key for document in lacking]
                codes.append_current(lane, built.id, keys, [document.revision for document in lacking], drawn)
            model[built.id] |= {key: row.tobytes() for key, row in zip(keys, drawn, strict=True)}
        else:
            with database.read() as connection:
                tails = {space: tailed(connection, space, *tail) for space, tail in tails.items()}
    with database.read() as connection:
        for space, width in widths.items():
            assert loaded(connection, space, width // 8) == model[space] == tails[space][1]
            assert bucket_rows(connection, space) == bucket_rows_of(model[space], width)
            assert n_codes(connection, space) == len(model[space])
            n_missing = codes.count_missing(connection, collection.id, space)
            assert n_missing == len(texts) - len(model[space])


def tailed(
    connection: Connection, space_id: int, applied: int, replica: dict[int, bytes]
) -> tuple[int, dict[int, bytes]]:
    """Where a follower is after the next few changes, read two at a time."""
    replica = dict(replica)
    while len(changes := codes.changes(connection, space_id, applied, 2)):
        for key, row, deleted in zip(changes.keys.tolist(), changes.codes, changes.deleted, strict=True):
            if deleted:
                replica.pop(key, None)
            else:
                replica[key] = row.tobytes()
        applied = int(changes.seqs[-1])
    return applied, replica


def test_plans_are_good_for_a_space_and_a_collection_that_no_statistics_know(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    collection, first = new_collection(database)
    plans: list[str] = []

    def explain(connection: Connection, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            with connection.connection.cursor() as other:
                other.execute(f"EXPLAIN {statement}", parameters)
                plans.append("\n".join(row[0] for row in other.fetchall()))

    def fill(connection: Connection, collection_id: int) -> None:
        connection.exec_driver_sql(
            "INSERT INTO documents (collection_id, id, text, metadata, revision, created_at, updated_at)"
            f" SELECT {collection_id}, i::text, 'a text', '{{}}', 1, now(), now() FROM generate_series(1, 5000) AS i"
        )

    def encode(connection: Connection, space_id: int, first_seq: int) -> None:
        connection.exec_driver_sql(
            f"INSERT INTO codes SELECT {space_id}, key, key + {first_seq}, '\\x00' FROM documents"
            f" WHERE collection_id = {collection.id}"
        )

    with database.write() as connection:
        for table in ("codes", "documents"):
            connection.exec_driver_sql(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        fill(connection, collection.id)
        encode(connection, first.id, 0)
        connection.exec_driver_sql("ANALYZE")
        second = spaces.start(connection, collection.id, 64, "semantic_hashing")
        encode(connection, second.id, 5_000)
        other = collections.create(connection, "other", "text", 64)
        fill(connection, other.id)
    event.listen(database.engine, "before_cursor_execute", explain)
    with database.write() as connection:
        assert codes.count_missing(connection, collection.id, second.id) == 0
        assert codes.size_of_missing(connection, collection.id, second.id, 100) == (0, 0)
        assert codes.missing(connection, collection.id, second.id) == []
        assert codes.missing_among(connection, collection.id, second.id, list(range(1, 5_000))) == []
        assert len(plans) == 4
        for plan in plans:
            assert "Join Filter" not in plan, plan  # each document compared with each code
        plans.clear()
        assert documents.get(connection, other.id, "4000").id == "4000"
        connection.exec_driver_sql("SELECT code FROM codes WHERE space_id = %s AND document_key = 4000", (second.id,))
    assert "uq_documents_collection_id_id" in plans[0]
    assert "pk_codes" in plans[1]
    database.close()
