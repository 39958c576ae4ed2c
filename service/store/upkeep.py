"""Upkeep: what the codes of a collection are judged by; kept as JSON beside the collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from service.errors import NotFound
from service.store import schema

TABLE = schema.collections

JUDGE_PATTERN = r"^(aim|neighbors|topics|both|pairs|label:.{1,200})$"
JUDGE_RULE = "What new codes are compared with the active ones by: aim, neighbors, topics, both, pairs or label:FIELD."


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How a collection is kept good.

    Attributes:
        judge: what new codes must not be worse at than the active ones. `aim`: what they were trained for;
            `neighbors`: the true nearest by features; `topics`: documents of the same topic; `both`: the mean of these
            two; `label:FIELD`: documents with the same value of that metadata field; `pairs`: what people said.
    """

    judge: str = "aim"

    @classmethod
    def of_row(cls, stored: Mapping[str, Any] | None) -> Upkeep:
        """The settings of the column `upkeep`; the defaults where it is null."""
        return cls(**dict(stored or {}))

    def to_row(self) -> dict[str, Any]:
        """The settings for the column `upkeep`."""
        return asdict(self)


def label_of(judge: str) -> str | None:
    """The metadata field that is judged by; None if none is."""
    return judge.removeprefix("label:") if judge.startswith("label:") else None


def get(connection: Connection, collection_id: int) -> Upkeep:
    """The settings of a collection.

    Raises:
        NotFound: the collection is gone.
    """
    return _of_row(connection.execute(_GET, {"collection": collection_id}).first(), collection_id)


def lock(connection: Connection, collection_id: int) -> Upkeep:
    """As `get`, in a write transaction; nobody else changes them until it ends.

    Raises:
        NotFound: the collection is gone.
    """
    return _of_row(connection.execute(_LOCK, {"collection": collection_id}).first(), collection_id)


def put(connection: Connection, collection_id: int, upkeep: Upkeep) -> None:
    """Replace the settings of a collection."""
    connection.execute(_PUT, {"collection": collection_id, "new": upkeep.to_row()})


def _of_row(row: Any, collection_id: int) -> Upkeep:
    if row is None:
        raise NotFound("collection", f"#{collection_id}")
    return Upkeep.of_row(row.upkeep)


_GET = select(TABLE.c.upkeep).where(TABLE.c.id == bindparam("collection"), TABLE.c.dropped_at.is_(None))
_LOCK = _GET.with_for_update(key_share=True)
_PUT = (
    update(TABLE)
    .where(TABLE.c.id == bindparam("collection"))
    .values(upkeep=bindparam("new", type_=TABLE.c.upkeep.type))
)
