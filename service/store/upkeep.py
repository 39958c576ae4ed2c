"""Upkeep: what the codes of a collection are judged by, and when new ones are made; kept as JSON beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, select, update

from service.errors import NotFound
from service.store import schema
from service.store.drift import GROWTH, Drift, Reason

TABLE = schema.collections

JUDGE_PATTERN = r"^(aim|neighbors|topics|both|pairs|label:.{1,200})$"
JUDGE_RULE = "What new codes are compared with the active ones by: aim, neighbors, topics, both, pairs or label:FIELD."


@dataclass(frozen=True, slots=True)
class RetrainPolicy:
    """When the trainer makes new codes by itself.

    Attributes:
        growth: share by which the collection has grown since the codes were learned; None: however much that is.
        drift: at any other reason for which a retrain is advised.
        hours: hours of the day in UTC, from the first up to the second, in which it begins; None: at any time.
    """

    growth: float | None = None
    drift: bool = False
    hours: tuple[int, int] | None = None

    def allows(self, now: datetime) -> bool:
        """Whether a retrain may begin at a moment in UTC."""
        if self.hours is None:
            return True
        first, end = self.hours
        return first <= now.hour < end if first < end else now.hour >= first or now.hour < end

    def wants(self, drift: Drift, least_documents: int) -> list[Reason]:
        """The reasons for a retrain that this policy goes by.

        Args:
            drift: of the collection.
            least_documents: fewest documents that a training learns from.
        """
        reasons = drift.reasons(least_documents, GROWTH if self.growth is None else self.growth)
        return [one for one in reasons if (self.growth is not None if one.kind == "growth" else self.drift)]


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How a collection is kept good.

    Attributes:
        judge: what new codes must not be worse at than the active ones. `aim`: what they were trained for;
            `neighbors`: the true nearest by features; `topics`: documents of the same topic; `both`: the mean of these
            two; `label:FIELD`: documents with the same value of that metadata field; `pairs`: what people said.
        keep_queries: how many of the last text queries are kept, to preview promotions with; 0: none.
        auto_retrain: `off`; `advise`, that it is logged when a retrain is advised; or when the trainer makes new codes.
    """

    judge: str = "aim"
    auto_retrain: Literal["off", "advise"] | RetrainPolicy = "off"
    keep_queries: int = 0

    @classmethod
    def of_row(cls, stored: Mapping[str, Any] | None) -> Upkeep:
        """The settings of the column `upkeep`; the defaults where it is null."""
        values = dict(stored or {})
        if isinstance(policy := values.get("auto_retrain"), dict):
            hours = policy.pop("hours")
            values["auto_retrain"] = RetrainPolicy(**policy, hours=None if hours is None else (hours[0], hours[1]))
        return cls(**values)

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


def that_keep_queries(connection: Connection) -> dict[str, tuple[int, int]]:
    """By name, the id of each collection that keeps queries, and how many."""
    found = [(name, id, Upkeep.of_row(row).keep_queries) for id, row, name in connection.execute(_GIVEN)]
    return {name: (id, keep) for name, id, keep in found if keep}


def with_policy(connection: Connection) -> list[tuple[int, RetrainPolicy]]:
    """Ids of the collections that the trainer makes new codes of by itself, and when it does."""
    found = [(id, Upkeep.of_row(row).auto_retrain) for id, row, _ in connection.execute(_GIVEN)]
    return [(id, policy) for id, policy in found if isinstance(policy, RetrainPolicy)]


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
_GIVEN = select(TABLE.c.id, TABLE.c.upkeep, TABLE.c.name).where(
    TABLE.c.upkeep.is_not(None), TABLE.c.dropped_at.is_(None)
)
_LOCK = _GET.with_for_update(key_share=True)
_PUT = (
    update(TABLE)
    .where(TABLE.c.id == bindparam("collection"))
    .values(upkeep=bindparam("new", type_=TABLE.c.upkeep.type))
)
