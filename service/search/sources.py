"""Where candidates come from: the replica in memory, or the hash table in SQL; one contract, the same candidates.

A request takes one source and keeps it to its end, so that all of its answer comes from one code space.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.hashing.codes import Codes, flip_cost, hamming_distance
from service.index.hamming.answers import Neighbors, Stats
from service.index.key_mask import KeyMask, Keys
from service.index.replica import Replica
from service.store import buckets, codes, spaces
from service.store.overviews import SpaceReference

SourceName = Literal["memory", "sql"]

_BRIEF_COMPARISONS = 20_000_000
"""Codes that a scan compares in a few milliseconds."""
_READ_TOGETHER = 10_000
"""Codes that are read from SQL at a time."""


_NO_WORK = Stats("scan", 0, 0, 0)


@dataclass(frozen=True, slots=True)
class QueryCodes:
    """Codes of queries, `(q, n_bytes)`, and the confidence of their bits, `(q, n_bits)` uint8, where it orders ties."""

    codes: Codes
    confidence: NDArray[np.uint8] | None = None

    @classmethod
    def joined(cls, queries: Sequence[QueryCodes]) -> QueryCodes:
        """Several as one; all or none of them have confidence."""
        if len(queries) == 1:
            return queries[0]
        confidence = [one.confidence for one in queries if one.confidence is not None]
        codes = np.concatenate([one.codes for one in queries])
        return cls(codes, np.concatenate(confidence) if len(confidence) == len(queries) else None)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice) -> QueryCodes:
        return QueryCodes(self.codes[rows], None if self.confidence is None else self.confidence[rows])


@dataclass(frozen=True, slots=True)
class MemorySource:
    """The replica of a code space in memory."""

    replica: Replica
    name: ClassVar[SourceName] = "memory"

    @property
    def space(self) -> SpaceReference:
        """The space that answers."""
        return self.replica.space

    def is_brief(self, n_queries: int, *, by_confidence: bool) -> bool:
        """Whether so many searches are sure to take a few milliseconds at most."""
        return not by_confidence and n_queries * len(self.replica.table) <= _BRIEF_COMPARISONS

    def nearest(
        self, connection: Connection, queries: QueryCodes, k: int, radius: int | None, allowed: KeyMask | None = None
    ) -> Sequence[Neighbors]:
        """The first `k` neighbors of each query, within the radius if one is given. Blocks while it computes."""
        logits = None if queries.confidence is None else queries.confidence.astype(np.float32)
        found = self.replica.table.search(queries.codes, k, allowed, logits=logits, radius=radius)
        return [found[place] for place in range(len(queries))]  # each is made where it is asked for

    def within(self, connection: Connection, query: QueryCodes, radius: int, allowed: KeyMask | None) -> KeyMask:
        """All documents within a radius of one query. Blocks while it computes."""
        return self.replica.table.within_mask(query.codes[0], radius, allowed)

    def codes(self, connection: Connection, keys: NDArray[np.int64]) -> tuple[Codes, NDArray[np.bool_]]:
        """The codes of `(n,)` documents, `(n, n_bytes)`, zeros where they have none, and the `(n,)` mask of those."""
        return self.replica.table.get(keys)

    def all_codes(self, connection: Connection) -> Iterator[Codes]:
        """The codes of all documents, `(n, n_bytes)` in parts."""
        return self.replica.table.all_codes()


@dataclass(frozen=True, slots=True)
class SqlSource:
    """The hash table in SQL."""

    space: SpaceReference
    name: ClassVar[SourceName] = "sql"

    @classmethod
    def of(cls, connection: Connection, collection_id: int) -> SqlSource:
        """The active space of a collection."""
        active = spaces.active(connection, collection_id)
        return cls(
            SpaceReference(active.id, active.version, active.n_bits, active.digest, active.model, active.has_buckets)
        )

    def is_brief(self, n_queries: int, *, by_confidence: bool) -> bool:
        """Whether so many searches are sure to take a few milliseconds at most: it may read every code, so never."""
        return False

    def nearest(
        self, connection: Connection, queries: QueryCodes, k: int, radius: int | None, allowed: KeyMask | None = None
    ) -> Sequence[Neighbors]:
        """The first `k` neighbors of each query, within the radius if one is given. Blocks while it reads.

        Of allowed documents the codes are all read; otherwise buckets are probed, where the space has them.
        """
        if allowed is not None:
            return self._nearest_of(connection, queries, k, radius, allowed.allowed_keys())
        space, indexed = self.space, self.space.has_buckets
        confidence = queries.confidence if queries.confidence is not None else [None] * len(queries)
        pairs = zip(queries.codes, confidence, strict=True)
        if radius is None:
            found = [buckets.search(connection, space.id, code, k, bits, has_buckets=indexed) for code, bits in pairs]
        else:
            found = [
                buckets.within(connection, space.id, code, radius, bits, has_buckets=indexed) for code, bits in pairs
            ]
        return [Neighbors(f.keys[:k], f.distances[:k], Stats(f.path, f.probes, f.candidates, f.radius)) for f in found]

    def within(self, connection: Connection, query: QueryCodes, radius: int, allowed: KeyMask | None) -> KeyMask:
        """All documents within a radius of one query. Blocks while it reads."""
        has_buckets = self.space.has_buckets
        found = buckets.within(connection, self.space.id, query.codes[0], radius, None, has_buckets=has_buckets)
        keys = np.asarray(found.keys, dtype=np.int64)
        return KeyMask.of_keys(keys if allowed is None else keys[allowed.covers(keys)])

    def _nearest_of(
        self, connection: Connection, queries: QueryCodes, k: int, radius: int | None, keys: Keys
    ) -> Sequence[Neighbors]:
        """The first `k` neighbors of each query among some documents, whose codes are read part by part."""
        best = [Neighbors(np.empty(0, np.int64), np.empty(0, np.int64), _NO_WORK)] * len(queries)
        costs = [np.empty(0, np.float32)] * len(queries)
        limit = self.space.n_bits if radius is None else radius
        n_codes = 0
        for start in range(0, len(keys), _READ_TOGETHER):
            part = keys[start : start + _READ_TOGETHER]
            found, has_code = self.codes(connection, part)
            found, part = found[has_code], part[has_code]
            n_codes += len(part)
            for row, code in enumerate(queries.codes):
                distances = hamming_distance(found, code)
                near = distances <= limit
                cost = np.zeros(int(near.sum()), np.float32)
                if queries.confidence is not None:
                    cost = flip_cost(found[near], code, queries.confidence[row])
                cost = np.concatenate([costs[row], cost])
                far = np.concatenate([best[row].distances, distances[near]])
                known = np.concatenate([best[row].keys, part[near]])
                order = np.lexsort((known, cost, far))[:k]
                best[row] = Neighbors(known[order], far[order], Stats("scan", 0, n_codes, limit))
                costs[row] = cost[order]
        return best

    def codes(self, connection: Connection, keys: NDArray[np.int64]) -> tuple[Codes, NDArray[np.bool_]]:
        """The codes of `(n,)` documents, `(n, n_bytes)`, zeros where they have none, and the `(n,)` mask of those."""
        stored = codes.states(connection, self.space.id, keys) if len(keys) else {}
        found = np.zeros((len(keys), self.space.n_bits // 8), dtype=np.uint8)
        has_code = np.zeros(len(keys), dtype=np.bool_)
        for row, key in enumerate(keys.tolist()):
            _, code = stored.get(key, (0, None))
            if code is not None:
                found[row], has_code[row] = np.frombuffer(code, dtype=np.uint8), True
        return found, has_code

    def all_codes(self, connection: Connection) -> Iterator[Codes]:
        """The codes of all documents, `(n, n_bytes)` in parts. Blocks while it reads."""
        return (found for _, found in buckets.scan(connection, self.space.id, self.space.n_bits // 8))


SearchSource = MemorySource | SqlSource
