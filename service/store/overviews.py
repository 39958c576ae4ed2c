"""Overviews: what a follower must know of each collection and its code spaces, read in two statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, case, func, select

from service.hashing.embedding_models import FIRST
from service.store import schema
from service.store.schema import now

TABLE = schema.code_spaces
COLLECTIONS = schema.collections


@dataclass(frozen=True, slots=True)
class SpaceReference:
    """What a follower must know of a code space to replicate it."""

    id: int
    version: int
    n_bits: int
    digest: str | None
    model: int = FIRST
    has_buckets: bool = True


@dataclass(frozen=True, slots=True)
class Overview:
    """What a follower must know of a collection.

    Attributes:
        last_seq: the last seq drawn in its commit lane.
        active: the space that answers.
        building: a space that has its codes and is not active yet.
        preloading: retired spaces that are about to be active again (`ask_preload`).
        retired_seqs: by the id of each retired space, the seq at which it was retired. Later changes of the collection
            may exist in other spaces only.
        words_version: of the settings of its words.
        compacted_seq: deletions of documents up to it may be noted no more.
    """

    collection_id: int
    collection: str
    n_bits: int
    last_seq: int
    active: SpaceReference
    building: SpaceReference | None
    preloading: tuple[SpaceReference, ...] = ()
    retired_seqs: Mapping[int, int] = field(default_factory=dict)
    words_version: int = 0
    compacted_seq: int = 0

    @property
    def wanted(self) -> tuple[SpaceReference, ...]:
        """The spaces that a process which serves the collection has in memory, the active one first."""
        return (self.active, *((self.building,) if self.building else ()), *self.preloading)

    def complete_seq(self, space_id: int) -> int:
        """Up to which seq a space has every change of the collection; 0 for one that is being built or is gone."""
        return self.last_seq if space_id == self.active.id else self.retired_seqs.get(space_id, 0)


def read(connection: Connection) -> list[Overview]:
    """Every collection with its active space, those to load beside it, and where the retired ones end."""
    retired: dict[int, list[tuple[SpaceReference, int, bool]]] = {}
    for collection_id, seq, is_asked_for, *space in connection.execute(_ALL_RETIRED):
        retired.setdefault(collection_id, []).append((SpaceReference(*space), seq, is_asked_for))
    overviews = []
    for collection_id, name, n_bits, last_seq, *rest in connection.execute(_OVERVIEW):
        live, following, of_documents = rest[:6], rest[6:12], rest[12:]
        building = None if following[0] is None else SpaceReference(*following)
        before = retired.get(collection_id, [])
        preloading = tuple(space for space, _, is_asked_for in before if is_asked_for)
        retired_seqs = {space.id: seq for space, seq, _ in before}
        overviews.append(
            Overview(
                collection_id,
                name,
                n_bits,
                last_seq,
                SpaceReference(*live),
                building,
                preloading,
                retired_seqs,
                *of_documents,
            )
        )
    return overviews


def _reference(table: FromClause) -> tuple[ColumnElement[Any], ...]:
    """The columns of a `SpaceReference`."""
    return tuple(table.c[name] for name in ("id", "version", "n_bits", "digest", "model", "has_buckets"))


_LIVE, _NEXT = TABLE.alias("live"), TABLE.alias("next")
_OVERVIEW = (
    select(
        *(COLLECTIONS.c.id, COLLECTIONS.c.name, COLLECTIONS.c.n_bits, COLLECTIONS.c.last_seq),
        *_reference(_LIVE),
        *_reference(_NEXT),
        *(COLLECTIONS.c.words_version, COLLECTIONS.c.compacted_seq),
    )
    .join(_LIVE, (_LIVE.c.collection_id == COLLECTIONS.c.id) & (_LIVE.c.state == "active"))
    .outerjoin(
        _NEXT,
        # Not while it is filled: its codes come in no order then.
        (_NEXT.c.collection_id == COLLECTIONS.c.id) & _NEXT.c.state.in_(("evaluating", "ready")),
    )
    .where(COLLECTIONS.c.dropped_at.is_(None))
    .order_by(COLLECTIONS.c.id)
)
_ALL_RETIRED = (
    select(
        TABLE.c.collection_id,
        func.coalesce(TABLE.c.retired_seq, 0),
        case((TABLE.c.preload_until > now(), True), else_=False),
        *_reference(TABLE),
    )
    .where(TABLE.c.state == "retired")
    .order_by(TABLE.c.collection_id, TABLE.c.version)
)
