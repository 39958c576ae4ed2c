"""Maps: where each document of a code space lies in the plane; written in parts, read whole.

A chunk has the keys of its n documents, `(n,)` int64, and then their places, `(n, 2)` float32, both little-endian.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from service.store import schema
from service.store.schema import now

TABLE = schema.maps
CHUNKS = schema.map_chunks
SPACES = schema.code_spaces

CHUNK = 65_536
"""Documents in a chunk: a megabyte."""
MIN_DOCUMENTS = 20
"""Documents that a computed map needs."""
_BYTES_OF_DOCUMENT = 16


@dataclass(frozen=True, slots=True)
class Places:
    """Documents and where they lie.

    Attributes:
        keys: `(n,)` int64, increasing.
        positions: `(n, 2)` float32.
    """

    keys: NDArray[np.int64]
    positions: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def none(cls) -> Places:
        """Of no document."""
        return cls(np.empty(0, np.int64), np.empty((0, 2), np.float32))

    def find(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The places of `(m,)` documents, `(m, 2)`, any where there is none, and the `(m,)` mask of those found."""
        if not len(self):
            return np.zeros((len(keys), 2), np.float32), np.zeros(len(keys), np.bool_)
        rows = np.minimum(np.searchsorted(self.keys, keys), len(self) - 1)
        return self.positions[rows], self.keys[rows] == keys


@dataclass(frozen=True, slots=True)
class StoredMap:
    """A finished map.

    Attributes:
        seq: every change of the collection up to it is in the map.
        digest: of its documents and places.
        report: `trustworthiness` and `moved`, where they are known.
        labels: words of its regions: x, y, text, words, level and n of each.
    """

    id: int
    space_id: int
    seq: int
    n_documents: int
    digest: str
    report: dict[str, Any] = field(default_factory=dict)
    labels: list[dict[str, Any]] = field(default_factory=list)


def start(connection: Connection, space_id: int, seq: int) -> int:
    """A new map of a space, which nobody sees before it is finished; return its id."""
    statement = insert(TABLE).values(space_id=space_id, seq=seq).returning(TABLE.c.id)
    id: int = connection.execute(statement).scalar_one()
    return id


def chunk(places: Places) -> bytes:
    """The places of some documents as a chunk holds them."""
    return places.keys.astype("<i8").tobytes() + places.positions.astype("<f4").tobytes()


def add(connection: Connection, map_id: int, number: int, data: bytes) -> None:
    """Write one chunk of a map; the chunks are numbered in the order of their keys."""
    connection.execute(insert(CHUNKS).values(map_id=map_id, number=number, data=data))


def finish(
    connection: Connection,
    map_id: int,
    n_documents: int,
    digest: str,
    report: dict[str, Any],
    labels: Sequence[dict[str, Any]],
) -> None:
    """Make a map what callers see, and delete those of its space that it replaces."""
    values = {"n_documents": n_documents, "digest": digest, "report": report, "labels": list(labels)}
    of_space = select(TABLE.c.space_id).where(TABLE.c.id == map_id).scalar_subquery()
    connection.execute(update(TABLE).where(TABLE.c.id == map_id).values(values | {"finished_at": now()}))
    connection.execute(delete(TABLE).where(TABLE.c.space_id == of_space, TABLE.c.id != map_id))


def delete_unfinished(connection: Connection, collection_id: int) -> None:
    """Delete what jobs that ended before they had finished left behind; called by the one job that makes maps."""
    spaces = select(SPACES.c.id).where(SPACES.c.collection_id == collection_id)
    connection.execute(delete(TABLE).where(TABLE.c.space_id.in_(spaces), TABLE.c.finished_at.is_(None)))


def latest(connection: Connection, space_id: int) -> StoredMap | None:
    """The finished map of a space, if there is one."""
    return _stored(connection.execute(_LATEST, {"space": space_id}).first())


def before(connection: Connection, collection_id: int, space_id: int) -> StoredMap | None:
    """What a new map of a space begins with: its last one, else the last one of the collection, if there is one."""
    return latest(connection, space_id) or _stored(connection.execute(_LAST, {"collection": collection_id}).first())


def load(connection: Connection, map_id: int) -> Places:
    """All documents of a map. Cost: 16 bytes for each."""
    keys, positions = [], []
    for (data,) in connection.execute(_CHUNKS, {"map": map_id}):
        n = len(data) // _BYTES_OF_DOCUMENT
        keys.append(np.frombuffer(data, "<i8", n))
        positions.append(np.frombuffer(data, "<f4", 2 * n, 8 * n).reshape(n, 2))
    if not keys:
        return Places.none()
    return Places(np.concatenate(keys).astype(np.int64), np.concatenate(positions).astype(np.float32))


def _stored(row: Sequence[Any] | None) -> StoredMap | None:
    return None if row is None else StoredMap(*row)


_SELECT = select(
    TABLE.c.id, TABLE.c.space_id, TABLE.c.seq, TABLE.c.n_documents, TABLE.c.digest, TABLE.c.report, TABLE.c.labels
).where(TABLE.c.finished_at.is_not(None))
_LATEST = _SELECT.where(TABLE.c.space_id == bindparam("space")).order_by(TABLE.c.id.desc()).limit(1)
_LAST = (
    _SELECT.join(SPACES, SPACES.c.id == TABLE.c.space_id)
    .where(SPACES.c.collection_id == bindparam("collection"), SPACES.c.state != "deleting")
    .order_by(TABLE.c.id.desc())
    .limit(1)
)
_CHUNKS = select(CHUNKS.c.data).where(CHUNKS.c.map_id == bindparam("map")).order_by(CHUNKS.c.number)
