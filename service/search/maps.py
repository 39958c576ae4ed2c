"""MapReader: the map of a code space and all its codes, as arrays; from memory where they are there, else from SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.hashing.codes import Codes
from service.index.placing import Landmarks, by_axes, landmark_rows
from service.index.replicas import Follower
from service.store import codes, collections, expiry, maps, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.maps import Places, StoredMap
from service.store.spaces import CodeSpace
from service.threads import run_in_large_thread, run_in_thread

MAX_PLACED = 20_000
"""Documents that a call places because they are not on the map."""


@dataclass(frozen=True, slots=True)
class SpaceCodes:
    """The codes of a space at one moment.

    Attributes:
        space: whose codes.
        seq: every change up to it is in them.
        tag: names this state of them.
        keys: `(n,)` documents, increasing.
        codes: `(n, n_bytes)`.
    """

    space: CodeSpace
    seq: int
    tag: str
    keys: NDArray[np.int64]
    codes: Codes


@dataclass(frozen=True, slots=True)
class SpaceMap:
    """Where the documents of a code space lie.

    Attributes:
        space: of which space.
        seq: every change up to it is in the map.
        tag: names this state of it.
        places: of the documents.
        computed: what a job computed; None: the places are those of the principal components.
        n_missing: documents that are left out: not on the computed map, and more than are placed at once.
    """

    space: CodeSpace
    seq: int
    tag: str
    places: Places
    computed: StoredMap | None
    n_missing: int

    @property
    def method(self) -> Literal["tsne", "pca"]:
        """How the places were found."""
        return "pca" if self.computed is None else "tsne"


class MapReader:
    """Reads maps and codes.

    Args:
        database: holds them.
        follower: has the codes of active spaces in memory.
    """

    def __init__(self, database: Database, follower: Follower) -> None:
        self.database = database
        self.follower = follower

    async def codes(self, collection: str, version: int | None, is_known: Callable[[str], bool]) -> SpaceCodes | str:
        """All codes of a space; or only their tag, if the caller has them already.

        Args:
            collection: its name.
            version: of the space; None: the active one.
            is_known: whether the caller has what that tag names.

        Raises:
            NotFound: there is no such collection or version.
        """

        def read() -> SpaceCodes | str:
            with self.database.read() as connection:
                found, space = _find(connection, collection, version)
                tag = f"codes-{space.id}-{self._seq(found, space)}"
                return tag if is_known(tag) and not found.has_expired else self._codes(connection, found, space)

        return await run_in_large_thread(read)

    async def map(self, collection: str, version: int | None, is_known: Callable[[str], bool]) -> SpaceMap | str:
        """The map of a space; or only its tag, if the caller has it already.

        Args:
            collection, version, is_known: as of `codes`.

        Raises:
            NotFound: there is no such collection or version.

        Cost: linear in the documents: a fifth of a second for a million in memory.
        """

        def read() -> SpaceMap | str:
            with self.database.read() as connection:
                found, space = _find(connection, collection, version)
                computed = maps.latest(connection, space.id)
                tag = _map_tag(space, computed, self._seq(found, space))
                if is_known(tag) and not found.has_expired:
                    return tag
                all_codes = self._codes(connection, found, space)
                tag = _map_tag(space, computed, all_codes.seq)
                if computed is None:
                    places = Places(all_codes.keys, by_axes(all_codes.codes, all_codes.keys))
                else:
                    places = _placed(connection, computed, all_codes)
                return SpaceMap(space, all_codes.seq, tag, places, computed, len(all_codes.keys) - len(places))

        return await run_in_large_thread(read)

    async def labels(self, collection: str, version: int | None) -> tuple[CodeSpace, StoredMap | None]:
        """The code space, and its computed map with the words of its regions, if there is one.

        Raises:
            NotFound: there is no such collection or version.
        """

        def read() -> tuple[CodeSpace, StoredMap | None]:
            with self.database.read() as connection:
                _, space = _find(connection, collection, version)
                return space, maps.latest(connection, space.id)

        return await run_in_thread(read)

    def _seq(self, collection: Collection, space: CodeSpace) -> int:
        replica = self.follower.replica(collection.id)
        in_memory = replica is not None and replica.space.id == space.id
        return replica.applied_seq if replica is not None and in_memory else collection.last_seq

    def _codes(self, connection: Connection, collection: Collection, space: CodeSpace) -> SpaceCodes:
        replica = self.follower.replica(collection.id)
        if replica is not None and replica.space.id == space.id:
            seq = replica.applied_seq  # before the codes: these hold at least every change up to it
            keys, found = replica.table.entries()
        else:
            seq = collection.last_seq
            keys, found = codes.load(connection, space.id, space.n_bits // 8)
        if collection.has_expired:
            living = ~np.isin(keys, expiry.expired_keys(connection, collection.id))
            keys, found = keys[living], found[living]
        return SpaceCodes(space, seq, f"codes-{space.id}-{seq}", keys, found)


def _find(connection: Connection, name: str, version: int | None) -> tuple[Collection, CodeSpace]:
    collection = collections.get(connection, name)
    if version is None:
        return collection, spaces.active(connection, collection.id)
    return collection, spaces.get(connection, collection.id, version)


def _map_tag(space: CodeSpace, computed: StoredMap | None, seq: int) -> str:
    return f"map-{space.id}-{'pca' if computed is None else computed.digest[:16]}-{seq}"


def _placed(connection: Connection, computed: StoredMap, current: SpaceCodes) -> Places:
    """The documents of a space on its computed map: those that came or changed since are placed by their codes."""
    stored = maps.load(connection, computed.id)
    positions, is_known = stored.find(current.keys)
    changed = codes.changes(connection, computed.space_id, computed.seq, MAX_PLACED).keys
    new = np.flatnonzero(~is_known | np.isin(current.keys, changed))
    if not len(new):
        return Places(current.keys, positions)
    marks = landmark_rows(stored.keys)
    at = np.searchsorted(current.keys, stored.keys[marks])
    at[at == len(current.keys)] = 0
    marks_left = (current.keys[at] == stored.keys[marks]) & ~np.isin(at, new)
    at, marks = at[marks_left], marks[marks_left]
    if len(marks):
        placed = new[-MAX_PLACED:]  # the newest
        landmarks = Landmarks(current.keys[at], current.codes[at], stored.positions[marks])
        positions[placed] = landmarks.place(current.codes[placed], current.keys[placed])
        is_known[placed] = True
    else:
        is_known[new] = False
    return Places(current.keys[is_known], positions[is_known])
