"""Judgments: the last report on the quality of a code space, for each metadata field that it was judged by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from service.store import schema
from service.store.schema import now
from service.store.statements import insert

TABLE = schema.judgments


@dataclass(frozen=True, slots=True)
class Judgment:
    """A report on a code space.

    Attributes:
        label: metadata field that it was judged by; None if by none.
        report: the figures, as `training.evaluate` makes them.
    """

    label: str | None
    report: dict[str, Any]
    created_at: datetime


def put(connection: Connection, space_id: int, label: str | None, report: dict[str, Any]) -> None:
    """Keep a report in place of the one before of the same space and label."""
    values = {"space_id": space_id, "label": label or "", "report": report, "created_at": now()}
    statement = insert(connection, TABLE).values(values)
    replaced = {name: statement.excluded[name] for name in ("report", "created_at")}
    connection.execute(statement.on_conflict_do_update(index_elements=["space_id", "label"], set_=replaced))


def get(connection: Connection, space_id: int, label: str | None) -> Judgment | None:
    """The last report on a space by a label; None if there is none."""
    row = connection.execute(_GET, {"space": space_id, "label_": label or ""}).first()
    return None if row is None else Judgment(label, *row)


_GET = select(TABLE.c.report, TABLE.c.created_at).where(
    TABLE.c.space_id == bindparam("space"), TABLE.c.label == bindparam("label_")
)
