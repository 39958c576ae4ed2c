"""The audit: which routes for administrators were called, by whom, and with what result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from service.store import schema
from service.store.schema import now
from service.store.statements import insert

TABLE = schema.audit
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class AuditedCall:
    """A call of a route for administrators.

    Attributes:
        at: when it was answered.
        key_id: of its key; None for a key of the settings, and where none was needed.
        key_name: the name of its key, or of its setting.
        address: where it came from.
        route: the path with the names of its parameters.
        path: the path itself.
        collection: the one that the path names.
        status: of the response.
    """

    at: datetime
    key_id: int | None
    key_name: str | None
    address: str | None
    method: str
    route: str
    path: str
    collection: str | None
    status: int
    request_id: str


def add(connection: Connection, calls: Sequence[AuditedCall]) -> None:
    """Keep some calls."""
    connection.execute(insert(connection, TABLE), [asdict(call) for call in calls])


def page(connection: Connection, before_id: int, limit: int) -> list[tuple[int, AuditedCall]]:
    """Up to `limit` calls, each after its id, the last one first: those before an id."""
    columns = [TABLE.c[name] for name in AuditedCall.__dataclass_fields__]
    query = select(TABLE.c.id, *columns).where(TABLE.c.id < before_id).order_by(TABLE.c.id.desc()).limit(limit)
    return [(row[0], AuditedCall(*row[1:])) for row in connection.execute(query)]


def forget(connection: Connection, after_days: int) -> int:
    """Delete the calls that are older than so many days; return how many."""
    return connection.execute(delete(TABLE).where(TABLE.c.at < now(-after_days * _DAY_S))).rowcount
