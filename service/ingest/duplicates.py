"""Which stored documents a new one nearly equals: looked up before the commit lane, made exact in it.

Documents of a request count as if they came one by one, in their order: a document is compared with what is stored and
with the earlier ones of the request, in so far as these are stored too.

The lookup asks the replica, or SQL where that is missing or far behind. It may lag: what was committed since its seq is
read in the lane, where nobody else commits. So of two requests at once that bring the same document, one sees that of
the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.hashing.codes import Codes, hamming_distance
from service.index.hamming.table import HammingTable
from service.index.replica import Replica
from service.store import buckets, codes, collections, documents
from service.store.database import Database, Lane
from service.store.duplicates import check_radius
from service.store.spaces import CodeSpace

COUNTED, LISTED = 100, 5
"""Near duplicates of one document up to which they are counted, and up to which they are named."""
_REPLICA_BEHIND, _LOOKUP_BEHIND = 2_000, 10_000
"""Changes that a replica, and a lookup, may lag behind: in the lane they are compared with every new document."""

Pairs = list[tuple[int, int]]
"""Distances and keys of documents, ascending."""


@dataclass(frozen=True, slots=True)
class DuplicateCheck:
    """What is to be done about near duplicates.

    Attributes:
        report: tell of those within so many bits.
        skip: do not store a document that has one within so many bits.
    """

    report: int | None = None
    skip: int | None = None

    @property
    def radius(self) -> int:
        """Within which near duplicates are told of."""
        return max(self.report or 0, self.skip or 0)

    def check(self, n_bits: int) -> None:
        """Refuse radii within which codes are not nearly equal.

        Raises:
            InvalidInput: one is too great.
        """
        for name, radius in (("check_duplicates", self.report), ("skip_duplicates", self.skip)):
            if radius is not None:
                check_radius(radius, n_bits, name)


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A near duplicate: a stored document by its `key`, or an earlier one of the request by its `position` there."""

    distance: int
    key: int | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a new document nearly equals: how many, counted up to `COUNTED`, the nearest, and whether to skip it."""

    count: int
    nearest: list[NearDuplicate]
    skip: bool


@dataclass(frozen=True, slots=True)
class DuplicatesOf:
    """A verdict to be shown: the nearest as ids and distances in bits, stored documents before those of the request."""

    count: int
    nearest: list[tuple[str, int]]
    skipped: bool


@dataclass(frozen=True, slots=True)
class Lookup:
    """The stored documents that are near to new ones, as of a seq.

    Attributes:
        space: whose codes are compared.
        check: within which radius.
        codes: `(n, n_bytes)` of the new documents.
        has_near: for each of these, whether another one of them is near.
        seq: every change of the collection up to it was seen.
        near: for each new document the stored ones, the nearest `COUNTED`.
    """

    space: CodeSpace
    check: DuplicateCheck
    codes: Codes
    has_near: Sequence[bool]
    seq: int
    near: Sequence[Pairs]

    @classmethod
    def of(
        cls, database: Database, replica: Replica | None, space: CodeSpace, check: DuplicateCheck, new: Codes
    ) -> Lookup:
        """Look up new codes. Blocks while it searches.

        Cost: one radius search for each, in memory or in SQL.
        """
        two_nearest = HammingTable.build(new, np.arange(len(new))).search(new, 2, radius=check.radius)
        has_near = [len(near.keys) > 1 for near in two_nearest]
        with database.read() as connection:
            last_seq = collections.by_id(connection, space.collection_id).last_seq
            if replica is None or replica.space.id != space.id or last_seq - replica.applied_seq > _REPLICA_BEHIND:
                indexed = space.has_buckets
                found = [buckets.within(connection, space.id, code, check.radius, has_buckets=indexed) for code in new]
                pairs = [_pairs(near.keys[:COUNTED], near.distances[:COUNTED]) for near in found]
                return cls(space, check, new, has_near, last_seq, pairs)
        seq = replica.applied_seq  # read first: the table may be ahead of it
        return cls(space, check, new, has_near, seq, _search(replica.table, new, check.radius))

    def judge(self, lane: Lane, ids: Sequence[str | None]) -> list[Verdict] | None:
        """What each new document nearly equals, by what is committed now; None if too much was since the lookup.

        Args:
            lane: of the collection, before anything is written in it.
            ids: that the new documents have, or None.
        """
        if lane.last_seq - self.seq > _LOOKUP_BEHIND:
            return None
        near = self._up_to_date(lane) if lane.last_seq > self.seq else self.near
        own = documents.keys_of(lane.connection, lane.collection_id, [id for id in ids if id is not None])
        own_keys = [None if id is None else own.get(id) for id in ids]
        return self._judged(lane, near, own_keys)

    def _up_to_date(self, lane: Lane) -> list[Pairs]:
        """The lookup with all that was committed since."""
        changes = codes.changes(lane.connection, self.space.id, self.seq, _LOOKUP_BEHIND)
        changed = set(changes.keys.tolist())
        table = HammingTable.build(changes.codes[~changes.deleted], changes.keys[~changes.deleted])
        late = _search(table, self.codes, self.check.radius)
        return [
            sorted([pair for pair in early if pair[1] not in changed] + more)
            for early, more in zip(self.near, late, strict=True)
        ]

    def _judged(self, lane: Lane, near: Sequence[Pairs], own_keys: Sequence[int | None]) -> list[Verdict]:
        before = _Stored(self.codes, self.has_near, self.check.radius)
        verdicts = []
        for position, own in enumerate(own_keys):
            found = before.near(position, near[position], own)
            if self._may_have_missed(position, found):
                code, indexed = self.codes[position], self.space.has_buckets
                every = buckets.within(lane.connection, self.space.id, code, self.check.radius, has_buckets=indexed)
                found = before.near(position, _pairs(every.keys, every.distances), own)
            skip = self.check.skip is not None and bool(found) and found[0].distance <= self.check.skip
            verdicts.append(Verdict(min(len(found), COUNTED), found[:LISTED], skip))
            if not skip:
                before.add(position, own)
        return verdicts

    def _may_have_missed(self, position: int, found: Sequence[NearDuplicate]) -> bool:
        """Whether all that were looked up are replaced or gone, and others that were not counted may be the nearest."""
        looked_up = self.near[position]
        return len(looked_up) >= COUNTED and (not found or found[0].distance > looked_up[-1][0])


def show(connection: Connection, verdicts: Sequence[Verdict], stored: Mapping[int, str]) -> list[DuplicatesOf]:
    """Verdicts with the ids of documents; `stored` has those of the request's own ones by their position."""
    keys = {one.key for verdict in verdicts for one in verdict.nearest if one.key is not None}
    ids = documents.ids_of(connection, sorted(keys)) if keys else {}

    def id_of(one: NearDuplicate) -> str:
        return stored[one.position] if one.position is not None else ids[one.key or 0]

    return [DuplicatesOf(v.count, [(id_of(one), one.distance) for one in v.nearest], v.skip) for v in verdicts]


class _Stored:
    """Which documents of the request are stored so far, and which stored ones they replace."""

    def __init__(self, codes: Codes, has_near: Sequence[bool], radius: int) -> None:
        self.codes, self.has_near, self.radius = codes, has_near, radius
        self.stored = np.empty_like(codes)
        self.positions: list[int] = []
        self.replaced: set[int] = set()

    def add(self, position: int, own: int | None) -> None:
        self.stored[len(self.positions)] = self.codes[position]
        self.positions.append(position)
        if own is not None:
            self.replaced.add(own)

    def near(self, position: int, pairs: Pairs, own: int | None) -> list[NearDuplicate]:
        """What is near to a document: of the stored ones in `pairs` those that are not replaced, and those before it.

        They ascend by distance; stored ones come first.
        """
        found = [NearDuplicate(distance, key) for distance, key in pairs if key != own and key not in self.replaced]
        if self.has_near[position]:
            distances = hamming_distance(self.stored[: len(self.positions)], self.codes[position])
            rows = np.flatnonzero(distances <= self.radius).tolist()
            found += [NearDuplicate(int(distances[row]), position=self.positions[row]) for row in rows]
        return sorted(found, key=lambda one: one.distance)


def _search(table: HammingTable, new: Codes, radius: int) -> list[Pairs]:
    return [_pairs(near.keys, near.distances) for near in table.search(new, COUNTED, radius=radius)]


def _pairs(keys: NDArray[np.int64], distances: NDArray[np.int64]) -> Pairs:
    return list(zip(distances.tolist(), keys.tolist(), strict=True))
