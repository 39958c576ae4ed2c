"""The hash table in SQL and the table in memory are two ways to one answer, whatever was written before."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.hashing.codes import Codes
from service.index.hamming import layout
from service.index.hamming import table as table_module
from service.index.hamming.table import HammingTable
from service.index.replica import Replica
from service.store import buckets, codes
from service.store.buckets import SqlNeighbors
from service.store.database import Database
from service.store.overviews import SpaceReference
from tests import oracles
from tests.conftest import new_collection
from tests.oracles import Match, clustered_codes

WIDTHS = [8, 16, 24, 32, 64, 72, 128, 256]
KEYS = st.lists(st.integers(1, 40), min_size=1, max_size=12, unique=True)
STEPS = st.lists(st.tuples(st.sampled_from(["put", "put", "delete", "follow", "rebuild"]), KEYS), max_size=12)


class Twins:
    """One code space, kept as buckets in SQL and, by following it, as a table in memory; and the model of both."""

    def __init__(self, database: Database, n_bits: int, seed: int) -> None:
        self.database = database
        self.rng = np.random.default_rng(seed)
        self.n_bits = n_bits
        self.collection, space = new_collection(database, n_bits)
        self.replica = Replica(SpaceReference(space.id, 1, n_bits, "digest"), HammingTable(n_bits), 0)
        self.model: dict[int, bytes] = {}
        self.last_seq = 0

    def codes(self, n: int) -> Codes:
        """Codes around a few centers, so that keys share codes and buckets, and now and then the very same code."""
        rng = np.random.default_rng(int(self.rng.integers(3)))
        return clustered_codes(rng, n, self.n_bits, n_centers=3)

    def put(self, keys: list[int]) -> None:
        """New keys, replaced ones and ones that had been deleted alike."""
        new = self.codes(len(keys))
        with self.database.lane(self.collection.id) as lane:
            self.last_seq = codes.append(lane, self.replica.space.id, keys, new)
        self.model |= {key: code.tobytes() for key, code in zip(keys, new, strict=True)}

    def delete(self, keys: list[int]) -> None:
        with self.database.lane(self.collection.id) as lane:
            self.last_seq = codes.discard(lane, keys) or self.last_seq
        self.model = {key: code for key, code in self.model.items() if key not in keys}

    def follow(self, _: object = None) -> None:
        self.replica.follow(self.database, self.last_seq)

    def rebuild(self, _: object = None) -> None:
        self.replica.table.wait()


def of_sql(found: SqlNeighbors) -> list[Match]:
    return list(zip(found.distances.tolist(), found.keys.tolist(), strict=True))


def of_memory(keys: np.ndarray, distances: np.ndarray) -> list[Match]:
    return list(zip(distances.tolist(), keys.tolist(), strict=True))


@pytest.mark.long_on_postgresql
@settings(max_examples=40)
@given(steps=STEPS, n_bits=st.sampled_from(WIDTHS), seed=st.integers(0, 2**32 - 1), data=st.data())
def test_sql_and_memory_agree_after_any_history(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[tuple[str, list[int]]],
    n_bits: int,
    seed: int,
    data: st.DataObject,
) -> None:
    monkeypatch.setattr(layout, "MIN_PROBED", 4)  # probe, and rebuild, as with many codes
    monkeypatch.setattr(table_module, "MIN_DELTA", 8)
    twins = Twins(database, n_bits, seed)
    for step, keys in steps:
        getattr(twins, step)(keys)
    twins.follow()
    k, radius = data.draw(st.integers(1, 50)), data.draw(st.integers(0, n_bits))
    stored = np.frombuffer(b"".join([*twins.model.values()][:2]), np.uint8).reshape(-1, n_bits // 8)
    queries = np.concatenate([twins.codes(1), twins.rng.integers(0, 256, (1, n_bits // 8), np.uint8), stored])
    nearest, balls = twins.replica.table.search(queries, k), twins.replica.table.within(queries, radius)
    with database.read() as connection:
        for query, near, ball in zip(queries, nearest, balls, strict=True):
            in_sql = of_sql(buckets.search(connection, twins.replica.space.id, query, k))
            assert in_sql == of_memory(near.keys, near.distances)
            assert in_sql == oracles.nearest(twins.model, query.tobytes(), k)
            in_sql = of_sql(buckets.within(connection, twins.replica.space.id, query, radius))
            assert in_sql == of_memory(ball.keys, ball.distances)
            assert in_sql == oracles.within(twins.model, query.tobytes(), radius)


@pytest.mark.usefixtures("dear_scans")
@pytest.mark.skipif(os.environ.get("NEARBIT_KERNEL") == "numpy", reason="numpy scans where compiled loops probe")
def test_sql_and_memory_agree_where_both_use_their_buckets(database: Database) -> None:
    """Enough codes that neither scans: the same radius search and the same neighbors by two hash tables."""
    rng = np.random.default_rng(0)
    all_codes = clustered_codes(rng, 40_000, 64, n_centers=4_000, flip=0.02)
    collection, space = new_collection(database)
    with database.lane(collection.id) as lane:
        codes.append(lane, space.id, list(range(1, 40_001)), all_codes)
        codes.discard(lane, list(range(1, 2_000)))
    with database.read() as connection:
        table = HammingTable.build(*codes.load(connection, space.id, 8)[::-1])
        for query in all_codes[::4_000]:
            (near,), (ball,) = table.search(query[None], 3), table.within(query[None], 6)
            in_sql = buckets.search(connection, space.id, query, 3), buckets.within(connection, space.id, query, 6)
            assert [of_sql(found) for found in in_sql] == [
                of_memory(answer.keys, answer.distances) for answer in (near, ball)
            ]
            assert near.stats.path == ball.stats.path == "probe"
            assert [found.path for found in in_sql] == ["buckets", "buckets"]
