"""One collection, written to as ingest and a trainer write to it, and what a replica of it must hold."""

from __future__ import annotations

import time
from itertools import count

import numpy as np

from service.hashing.content import Text
from service.hashing.digest import digest_of
from service.index.replica import Replica
from service.index.replicas import Follower
from service.store import codes, collections, documents, overviews, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.overviews import Overview
from service.store.spaces import CodeSpace

N_BITS = 16
FUNCTION = b"function"
DIGEST = digest_of(FUNCTION)
unique = count()


class History:
    """One collection, written to as ingest and a trainer write to it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.rng = np.random.default_rng(3)
        with database.write() as connection:
            self.collection: Collection = collections.create(connection, f"c{next(unique)}", "text", N_BITS)
            spaces.put_function(connection, FUNCTION, DIGEST)
            spaces.create_untrained(connection, self.collection, DIGEST)

    @property
    def active(self) -> CodeSpace:
        with self.database.read() as connection:
            return spaces.active(connection, self.collection.id)

    @property
    def last_seq(self) -> int:
        with self.database.read() as connection:
            return collections.by_id(connection, self.collection.id).last_seq

    @property
    def overview(self) -> Overview:
        with self.database.read() as connection:
            return next(o for o in overviews.read(connection) if o.collection_id == self.collection.id)

    def codes(self, n: int) -> np.ndarray:
        return self.rng.integers(0, 256, (n, N_BITS // 8), dtype=np.uint8)

    def put(self, ids: list[int], stored: np.ndarray | None = None) -> None:
        new = [NewDocument(f"d{i}", Text(f"text {self.rng.random()}"), {}) for i in sorted(set(ids))]
        active = self.active
        with self.database.lane(self.collection.id) as lane:
            put = documents.put(lane, new)
            codes.discard(lane, [p.key for p in put], keep_space_id=active.id)
            codes.append(lane, active.id, [p.key for p in put], self.codes(len(put)) if stored is None else stored)

    def delete(self, ids: list[int]) -> None:
        with self.database.lane(self.collection.id) as lane:
            keys = documents.delete(lane, [f"d{i}" for i in ids])
            codes.discard(lane, keys, keep_space_id=None)

    def build(self, _: object = None) -> None:
        """Begin the next space, or go on with it; promote it when nothing is missing."""
        with self.database.write() as connection:
            space = spaces.building(connection, self.collection.id)
            if space is None:
                space = spaces.start(connection, self.collection.id, N_BITS, "test")
                spaces.set_digest(connection, space.id, DIGEST)
                spaces.move(connection, space.id, "encoding")
                return
        if not self.complete(space.id):
            with self.database.write() as connection:
                for state in {"encoding": ("evaluating", "ready"), "ready": ()}[space.state]:
                    spaces.move(connection, space.id, state)
            with self.database.lane(self.collection.id) as lane:
                spaces.promote(lane, space.id)

    def complete(self, space_id: int) -> int:
        """Give a code to every document that lacks one in a space; how many did."""
        with self.database.read() as connection:
            missing = codes.missing(connection, self.collection.id, space_id, 0, 1_000)
        with self.database.lane(self.collection.id) as lane:
            codes.append(lane, space_id, [d.key for d in missing], self.codes(len(missing)))
        return len(missing)

    def next_space(self) -> CodeSpace:
        """Another space, promoted."""
        before = self.active
        while self.active == before:
            self.build()
        return self.active

    def roll_back(self) -> CodeSpace:
        """The space that was retired last, promoted again after it was given what it lacked."""
        with self.database.read() as connection:
            space = spaces.rollback_target(connection, self.collection.id)
        self.complete(space.id)
        with self.database.lane(self.collection.id) as lane:
            return spaces.promote(lane, space.id)

    def fresh(self) -> dict[int, bytes]:
        """The codes of the active space as a plain reading of SQL gives them."""
        with self.database.read() as connection:
            keys, stored = codes.load(connection, self.active.id, N_BITS // 8)
        return {key: code.tobytes() for key, code in zip(keys.tolist(), stored, strict=True)}


def contents(replica: Replica | None) -> dict[int, bytes]:
    """The codes of a replica, by key."""
    assert replica is not None
    zero = np.zeros((1, N_BITS // 8), dtype=np.uint8)
    (everything,) = replica.table.within(zero, N_BITS)
    found_codes, found = replica.table.get(everything.keys)
    assert found.all()
    return {key: code.tobytes() for key, code in zip(everything.keys.tolist(), found_codes, strict=True)}


def replica_at(follower: Follower, collection_id: int, seq: int, timeout_s: float) -> Replica | None:
    """The collection's replica once it has applied `seq`; None if it has not after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while True:
        replica = follower.replica(collection_id)
        if replica is not None and replica.applied_seq >= seq:
            return replica
        if time.monotonic() > deadline:
            return None
        follower.wake()
        time.sleep(0.005)
