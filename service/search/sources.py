"""Where candidates come from: the replica in memory, or the hash table in SQL; one contract, the same candidates.

A request takes one source and keeps it to its end, so that all of its answer comes from one code space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.hashing.codes import Codes
from service.index.hamming.answers import Neighbors, Stats
from service.index.replica import Replica
from service.store import buckets, spaces
from service.store.overviews import SpaceReference

SourceName = Literal["memory", "sql"]

_BRIEF_COMPARISONS = 20_000_000
"""Codes that a scan compares in a few milliseconds."""


@dataclass(frozen=True, slots=True)
class QueryCodes:
    """Codes of queries, `(q, n_bytes)`, and the confidence of their bits, `(q, n_bits)` uint8, where it orders ties."""

    codes: Codes
    confidence: NDArray[np.uint8] | None = None

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

    def is_brief(self, queries: QueryCodes) -> bool:
        """Whether a search is sure to take a few milliseconds at most."""
        return queries.confidence is None and len(queries) * len(self.replica.table) <= _BRIEF_COMPARISONS

    def nearest(self, connection: Connection, queries: QueryCodes, k: int, radius: int | None) -> Sequence[Neighbors]:
        """The first `k` neighbors of each query, within the radius if one is given. Blocks while it computes."""
        logits = None if queries.confidence is None else queries.confidence.astype(np.float32)
        return list(self.replica.table.search(queries.codes, k, logits=logits, radius=radius))


@dataclass(frozen=True, slots=True)
class SqlSource:
    """The hash table in SQL."""

    space: SpaceReference
    name: ClassVar[SourceName] = "sql"

    @classmethod
    def of(cls, connection: Connection, collection_id: int) -> SqlSource:
        """The active space of a collection."""
        active = spaces.active(connection, collection_id)
        return cls(SpaceReference(active.id, active.version, active.n_bits, active.digest))

    def is_brief(self, queries: QueryCodes) -> bool:
        """Whether a search is sure to take a few milliseconds at most: it may read every code, so never."""
        return False

    def nearest(self, connection: Connection, queries: QueryCodes, k: int, radius: int | None) -> Sequence[Neighbors]:
        """The first `k` neighbors of each query, within the radius if one is given. Blocks while it reads."""
        confidence = queries.confidence if queries.confidence is not None else [None] * len(queries)
        pairs = zip(queries.codes, confidence, strict=True)
        if radius is None:
            found = [buckets.search(connection, self.space.id, code, k, bits) for code, bits in pairs]
        else:
            found = [buckets.within(connection, self.space.id, code, radius, bits) for code, bits in pairs]
        return [Neighbors(f.keys[:k], f.distances[:k], Stats(f.path, f.probes, f.candidates, f.radius)) for f in found]


SearchSource = MemorySource | SqlSource
