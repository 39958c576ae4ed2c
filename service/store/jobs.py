"""Jobs: enqueue, claim by kind and lease, heartbeat, finish, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Select,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    true,
    tuple_,
    update,
)

from service.errors import Conflict, ForbiddenMove, JobRunning, NotFound, RetrainRunning
from service.store import schema
from service.store.collections import EXISTS as COLLECTION_EXISTS
from service.store.collections import Collection
from service.store.schema import UNFINISHED, now
from service.store.statements import insert, is_one_of

TABLE = schema.jobs
COLLECTIONS = schema.collections


@dataclass(frozen=True, slots=True)
class Job:
    """Something that a worker does for a collection, in the background.

    Attributes:
        id: 32 hexadecimal digits.
        kind: which worker does it, and what `progress` holds: see `store.progress`.
        collection: name of the collection.
        space_id: the code space that it builds, once there is one.
        state: queued, running, succeeded, failed or cancelled.
        progress: what the worker reported last.
        cancel_requested: a user asked for it to stop; the worker sees that with its next heartbeat.
        attempts: how often it was claimed; more than once if a worker died over it.
    """

    id: str
    kind: str
    collection_id: int
    collection: str
    space_id: int | None
    state: str
    params: dict[str, Any]
    progress: dict[str, Any]
    error: str | None
    cancel_requested: bool
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def enqueue(connection: Connection, collection: Collection, kind: str, params: dict[str, Any]) -> Job:
    """A new job, queued.

    Raises:
        JobRunning: a job of that kind is queued or running for the collection (a retrain: RetrainRunning).
        NotFound: the collection is gone.
    """
    values = {
        "id": uuid4().hex,
        "kind": kind,
        "collection_id": collection.id,
        "state": "queued",
        "params": params,
        "progress": {},
        "created_at": now(),
    }
    statement = insert(connection, TABLE).values(values).on_conflict_do_nothing().returning(TABLE.c.id)
    id = connection.execute(statement).scalar()
    if id is None:
        running = unfinished(connection, collection.id, kind) or ""
        if kind == "retrain":
            raise RetrainRunning(collection.name, kind, running)
        raise JobRunning(collection.name, kind, running)
    if kind == "drop_collection":
        return _get(connection, id)
    # The row just inserted holds its collection against being dropped, so what is read here stays true.
    return get(connection, id)


def get(connection: Connection, id: str) -> Job:
    """The job of that id; those of dropped collections are not shown to callers.

    Raises:
        NotFound: there is none.
    """
    return _get(connection, id, COLLECTION_EXISTS)


def _get(connection: Connection, id: str, *conditions: ColumnElement[bool]) -> Job:
    row = connection.execute(_JOBS.where(TABLE.c.id == id, *conditions)).first()
    if row is None:
        raise NotFound("job", id)
    return Job(*row)


def page(connection: Connection, collection_id: int, kind: str | None, after: str, limit: int) -> list[Job]:
    """Up to `limit` jobs of a collection, the last one asked for first.

    Args:
        connection: of a transaction.
        collection_id: of the collection.
        kind: of the jobs; None for all.
        after: the id of the job at which the page before ended; empty for the first page.
        limit: most jobs in the page.
    """
    query = _JOBS.where(TABLE.c.collection_id == collection_id)
    if kind is not None:
        query = query.where(TABLE.c.kind == kind)
    if after:
        last = select(TABLE.c.created_at, TABLE.c.id).where(TABLE.c.id == after).scalar_subquery()
        query = query.where(tuple_(TABLE.c.created_at, TABLE.c.id) < last)
    rows = connection.execute(query.order_by(TABLE.c.created_at.desc(), TABLE.c.id.desc()).limit(limit))
    return [Job(*row) for row in rows]


def unfinished(connection: Connection, collection_id: int, kind: str) -> str | None:
    """The id of the job of that kind that is queued or running for a collection, if one is."""
    query = select(TABLE.c.id).where(
        TABLE.c.collection_id == collection_id, TABLE.c.kind == kind, TABLE.c.state.in_(UNFINISHED)
    )
    return connection.scalars(query).first()


@dataclass(frozen=True, slots=True)
class Backlog:
    """Jobs of one kind that are queued, or that run: how many, and for how long the oldest has been unfinished."""

    kind: str
    state: str
    n_jobs: int
    oldest_s: float


def backlog(connection: Connection) -> list[Backlog]:
    """The unfinished jobs of all collections, by kind and state; there are as many as collections and kinds at most."""
    rows = connection.execute(_UNFINISHED_JOBS).all()
    at = datetime.now(UTC)
    return [Backlog(kind, state, n, max(0.0, (at - since).total_seconds())) for kind, state, n, since in rows]


def last_created(connection: Connection, collection_id: int, kind: str) -> datetime | None:
    """When the latest job of that kind of a collection was asked for; None if there was none."""
    of_kind = TABLE.c.collection_id == collection_id, TABLE.c.kind == kind
    query = select(TABLE.c.created_at).where(*of_kind).order_by(TABLE.c.created_at.desc()).limit(1)
    return connection.execute(query).scalar()


def is_waiting(connection: Connection, kinds: Sequence[str]) -> bool:
    """Whether `claim` would find a job of those kinds; it takes no lock."""
    return connection.execute(_WAITING, {"kinds": list(kinds)}).first() is not None


def claim(connection: Connection, worker: str, lease_s: float, kinds: Sequence[str]) -> Job | None:
    """Claim the oldest queued job of those kinds, or one whose lease expired, for `worker`."""
    id = connection.execute(_CLAIM, {"new_worker": worker, "lease_s": lease_s, "kinds": list(kinds)}).scalar()
    return None if id is None else _get(connection, id)


def heartbeat(
    connection: Connection, id: str, worker: str, lease_s: float, progress: dict[str, Any] | None = None
) -> bool:
    """Renew the worker's lease, record its progress, and return whether a user asked to cancel the job.

    Raises:
        Conflict: the job is not this worker's any more.
        NotFound: it is gone, with its collection.
    """
    values: dict[str, Any] = {"lease_until": now(lease_s)} | ({} if progress is None else {"progress": progress})
    return bool(_of_worker(connection, id, worker, values))


def release(connection: Connection, id: str, worker: str) -> None:
    """Put a running job back into the queue: the next worker resumes it, and this attempt does not count.

    Raises:
        Conflict: the job is not this worker's any more.
        NotFound: it is gone, with its collection.
    """
    _of_worker(
        connection,
        id,
        worker,
        {"state": "queued", "lease_until": None, "worker": None, "attempts": TABLE.c.attempts - 1},
    )


def attach_space(connection: Connection, id: str, space_id: int) -> None:
    """Note which code space the job builds."""
    connection.execute(update(TABLE).where(TABLE.c.id == id).values(space_id=space_id))


def finish(
    connection: Connection,
    id: str,
    worker: str,
    state: str,
    error: str | None = None,
    progress: dict[str, Any] | None = None,
) -> Job:
    """Record the end of a job, state succeeded, failed or cancelled; return the job.

    Raises:
        Conflict: the job is not this worker's any more.
        NotFound: it is gone, with its collection.
    """
    values: dict[str, Any] = {"state": state, "error": error, "finished_at": now(), "lease_until": None}
    _of_worker(connection, id, worker, values | ({} if progress is None else {"progress": progress}))
    return _get(connection, id)


def cancel(connection: Connection, id: str) -> Job:
    """The job, cancelled at once if it was queued, or with a request to its worker if it runs.

    Raises:
        ForbiddenMove: it is finished.
        NotFound: there is none.
    """
    queued = TABLE.c.state == "queued"
    values = {
        "cancel_requested": true(),
        "state": case((queued, "cancelled"), else_=TABLE.c.state),
        "finished_at": case((queued, now()), else_=None),
    }
    changed = connection.execute(update(TABLE).where(TABLE.c.id == id, TABLE.c.state.in_(UNFINISHED)).values(values))
    job = get(connection, id)
    if not changed.rowcount:
        raise ForbiddenMove("job", id, job.state, "cancelled")
    return job


def _of_worker(connection: Connection, id: str, worker: str, values: dict[str, Any]) -> bool:
    """Change a job that runs on the worker; return whether a user asked to cancel it."""
    mine = (TABLE.c.id == id, TABLE.c.state == "running", TABLE.c.worker == worker)
    wanted = connection.execute(update(TABLE).where(*mine).values(values).returning(TABLE.c.cancel_requested)).scalar()
    if wanted is None:
        raise Conflict(f"job {id} is {_get(connection, id).state}, and not on worker {worker}")
    return bool(wanted)


_JOBS: Select[*tuple[Any, ...]] = select(
    TABLE.c.id,
    TABLE.c.kind,
    TABLE.c.collection_id,
    COLLECTIONS.c.name,
    TABLE.c.space_id,
    TABLE.c.state,
    TABLE.c.params,
    TABLE.c.progress,
    TABLE.c.error,
    TABLE.c.cancel_requested,
    TABLE.c.attempts,
    TABLE.c.created_at,
    TABLE.c.started_at,
    TABLE.c.finished_at,
).join(COLLECTIONS, COLLECTIONS.c.id == TABLE.c.collection_id)


_UNFINISHED_JOBS = (
    select(TABLE.c.kind, TABLE.c.state, func.count(), func.min(TABLE.c.created_at))
    .where(TABLE.c.state.in_(UNFINISHED))
    .group_by(TABLE.c.kind, TABLE.c.state)
    .order_by(TABLE.c.kind, TABLE.c.state)
)

_IS_CLAIMABLE = (
    is_one_of(TABLE.c.kind, "kinds"),
    or_(TABLE.c.state == "queued", and_(TABLE.c.state == "running", TABLE.c.lease_until <= now())),
)
_WAITING = select(TABLE.c.id).where(*_IS_CLAIMABLE).limit(1)
_CLAIMABLE = (
    select(TABLE.c.id)
    .where(*_IS_CLAIMABLE)
    .order_by(TABLE.c.created_at, TABLE.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)  # PostgreSQL: two workers take two jobs; SQLite has one writer and ignores it
)
_CLAIM = (
    update(TABLE)
    .where(TABLE.c.id == _CLAIMABLE.scalar_subquery())
    .values(
        state="running",
        worker=bindparam("new_worker"),
        lease_until=now(bindparam("lease_s", type_=Double)),
        attempts=TABLE.c.attempts + 1,
        started_at=func.coalesce(TABLE.c.started_at, now()),
    )
    .returning(TABLE.c.id)
)
