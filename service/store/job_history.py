"""What a training measured while it ran: records of one job, numbered by the per cent of its steps that were done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from service.store import schema
from service.store.schema import now
from service.store.statements import insert

TABLE, JOBS = schema.job_history, schema.jobs
KEPT = 20
"""Jobs of a collection whose records are kept: those that were asked for last."""


@dataclass(frozen=True, slots=True)
class NewRecord:
    """What a training measured at one moment.

    Attributes:
        number: the per cent of its steps that were done, 0 to 100.
        record: the figures, as `training.fit.records` makes them.
        codes: of the landmarks, one after another.
    """

    number: int
    record: dict[str, Any]
    codes: bytes


@dataclass(frozen=True, slots=True)
class HistoryRecord(NewRecord):
    """The same as it is stored, and when it was measured."""

    at: datetime


def put(connection: Connection, job_id: str, records: Sequence[NewRecord]) -> None:
    """Keep records of a job that runs, in place of those with the same numbers; nothing if it runs no more."""
    running = select(JOBS.c.id).where(JOBS.c.id == job_id, JOBS.c.state == "running").with_for_update(read=True)
    if not records or connection.execute(running).first() is None:
        return
    for one in records:
        values = {"job_id": job_id, "number": one.number, "at": now(), "record": one.record, "codes": one.codes}
        statement = insert(connection, TABLE).values(values)
        replaced = {name: statement.excluded[name] for name in ("at", "record", "codes")}
        connection.execute(statement.on_conflict_do_update(index_elements=["job_id", "number"], set_=replaced))


def forget_old(connection: Connection, collection_id: int) -> None:
    """Delete the records of all but the last jobs of a collection; the jobs stay."""
    mine = (JOBS.c.collection_id == collection_id, JOBS.c.kind == "retrain")
    ids = connection.scalars(
        select(JOBS.c.id).where(*mine).order_by(JOBS.c.created_at.desc(), JOBS.c.id.desc()).offset(KEPT).limit(KEPT)
    ).all()
    connection.execute(delete(TABLE).where(TABLE.c.job_id.in_(ids)))


def after(connection: Connection, job_id: str, number: int, limit: int) -> list[HistoryRecord]:
    """Up to `limit` records of a job with greater numbers, in their order."""
    query = (
        select(TABLE.c.number, TABLE.c.record, TABLE.c.codes, TABLE.c.at)
        .where(TABLE.c.job_id == job_id, TABLE.c.number > number)
        .order_by(TABLE.c.number)
        .limit(limit)
    )
    return [HistoryRecord(*row) for row in connection.execute(query)]
