from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Connection, func, select

from service.errors import CollectionDiffers, InvalidInput, NotFound
from service.hashing.content import Text
from service.store import (
    codes,
    collections,
    documents,
    duplicates,
    embedding_models,
    job_history,
    jobs,
    judgments,
    kept_queries,
    maps,
    pairs,
    schema,
    spaces,
    usage,
)
from service.store.database import Database
from service.store.deletion import Deletion
from service.store.documents import NewDocument
from service.store.job_history import NewRecord
from service.store.pairs import Pair
from service.store.snapshots import OF_CODES, OF_WORDS
from tests.conftest import new_collection
from tests.oracles import clustered_codes


def n_rows(connection: Connection) -> dict[str, int]:
    of_none = ("hash_functions", "idempotent_calls", "nodes", "api_keys", "audit")
    tables = [table for table in schema.metadata.sorted_tables if table.name not in of_none]
    return {table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def _insert_import(connection: Connection, collection_id: int) -> None:
    """An import with a chunk that waits and a line that was refused."""
    id = f"import of {collection_id}"
    connection.execute(
        schema.imports.insert().values(id=id, collection_id=collection_id, received_at=schema.now(), n_bytes=9)
    )
    chunk = {"import_id": id, "number": 0, "first_line": 1, "n_lines": 1, "n_bytes": 9, "data": b"a line"}
    connection.execute(schema.import_chunks.insert().values(chunk))
    refused = {"import_id": id, "line": 1, "reason": "a reason", "beginning": "a"}
    connection.execute(schema.import_errors.insert().values(refused))


def test_what_was_created_is_found_by_name_and_id(database: Database) -> None:
    with database.write() as connection:
        made = collections.create(connection, "news", "text", 64)
    with database.read() as connection:
        assert collections.get(connection, "news") == collections.by_id(connection, made.id) == made
    assert (made.name, made.kind, made.n_bits, made.last_seq) == ("news", "text", 64, 0)
    assert abs(datetime.now(UTC) - made.created_at) < timedelta(minutes=1)


def test_creating_twice_is_fine_and_with_other_settings_it_is_not(database: Database) -> None:
    with database.write() as connection:
        made = collections.create(connection, "news", "text", 64)
        assert collections.create(connection, "news", "text", 64) == made
        with pytest.raises(CollectionDiffers, match="n_bits = 64, asked for 32"):
            collections.create(connection, "news", "text", 32)
        with pytest.raises(CollectionDiffers, match="kind = text, asked for image"):
            collections.create(connection, "news", "image", 64)
        with pytest.raises(InvalidInput, match="multiple of 8"):
            collections.create(connection, "odd", "text", 30)


def test_an_unknown_collection_is_not_found(database: Database) -> None:
    with database.read() as connection:
        with pytest.raises(NotFound, match="no collection 'news'"):
            collections.get(connection, "news")
        with pytest.raises(NotFound, match="#7"):
            collections.by_id(connection, 7)


def test_pages_follow_the_code_points_of_names_on_every_database(database: Database) -> None:
    names = ["B", "a", "b", "c-1", "c_1", "ä", "é"]
    with database.write() as connection:
        for name in reversed(names):
            collections.create(connection, name, "text", 8)
    with database.read() as connection:
        first = collections.page(connection, None, 3)
        rest = collections.page(connection, first[-1].name, 100)
    assert [c.name for c in first + rest] == sorted(names) == names


def test_dropping_a_collection_leaves_nothing_of_it_and_all_of_the_others(database: Database) -> None:
    for name in ("kept", "dropped"):
        collection, space = new_collection(database, 64, name)
        with database.lane(collection.id) as lane:
            put = documents.put(lane, [NewDocument(str(i), Text("a text"), {}) for i in range(3)])
            codes.append(lane, space.id, [p.key for p in put], clustered_codes(_rng(), 3, 64))
            building = spaces.start(lane.connection, collection.id, 64, "semantic_hashing")
            job = jobs.enqueue(lane.connection, collection, "retrain", {})
            jobs.attach_space(lane.connection, job.id, building.id)
            OF_CODES.record(lane.connection, space.id, lane.last_seq)
            OF_WORDS.record(lane.connection, collection.id, lane.last_seq)
            embedding_models.create(lane.connection, collection.id, "v1", 8)
            search = duplicates.start(lane.connection, collection.id, job.id, 1, {})
            member = duplicates.Candidate(put[1].key, 1, put[1].seq, 6, bytes(8))
            duplicates.add(lane.connection, search, 1, [duplicates.Group([member], False)])
            pairs.put(lane.connection, collection.id, [Pair.of("0", "1", True)])
            judgments.put(lane.connection, space.id, None, {})
            maps.add(lane.connection, maps.start(lane.connection, space.id, lane.last_seq), 0, b"")
            usage.add(lane.connection, {(space.id, "queries", 0): 1})
            kept_queries.add(lane.connection, collection.id, ["a query"], keep=1)
            documents.delete(lane, ["0"])
            _insert_import(lane.connection, collection.id)
            jobs.claim(lane.connection, "w", 60, ["retrain"])
            job_history.put(lane.connection, job.id, [NewRecord(0, {}, b"")])
    with database.write() as connection:
        before = n_rows(connection)
        dropped = collections.drop(connection, "dropped")
        assert dropped is not None
        assert collections.drop(connection, "dropped") is None
    Deletion(database, lambda progress: None).drop_collection(dropped.id)
    with database.read() as connection:
        assert n_rows(connection) == {table: n // 2 for table, n in before.items()}
        assert min(n_rows(connection).values()) > 0
        assert collections.get(connection, "kept")


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)
