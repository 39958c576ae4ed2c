"""AutoRetrain: has new codes made by itself, where the policy of a collection says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection

from service.errors import JobRunning, NotFound
from service.store import collections, documents, drift, jobs, spaces, upkeep
from service.store.database import Database
from service.store.spaces import CodeSpace
from service.store.upkeep import RetrainPolicy

log = structlog.get_logger(__name__)

_EVERY = timedelta(minutes=1)
_APART = timedelta(hours=20)
"""Least time between two retrains of a collection, of which one is by itself: one that was refused is not repeated at
once."""


def utc_now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


class AutoRetrain:
    """Looks once a minute whether a collection is to be retrained, while its trainer has nothing else to do.

    Args:
        database: of the collections.
        least_documents: fewest documents that a training learns from.
        clock: tells the time in UTC.
    """

    def __init__(self, database: Database, least_documents: int, clock: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self.least_documents = least_documents
        self.clock = clock
        self._looked_at: datetime | None = None

    def look(self) -> None:
        """Queue the retrains that policies ask for now; nothing if it looked less than a minute ago. Blocks."""
        now = self.clock()
        if self._looked_at is not None and now - self._looked_at < _EVERY:
            return
        self._looked_at = now
        with self.database.read() as connection:
            policies = upkeep.with_policy(connection)
        for collection_id, policy in policies:
            if policy.allows(now):
                self._retrain_if_wanted(collection_id, policy, now)

    def _retrain_if_wanted(self, collection_id: int, policy: RetrainPolicy, now: datetime) -> None:
        try:
            with self.database.read() as connection:
                active = spaces.active(connection, collection_id)
                reasons = self._reasons(connection, active, policy, now)
            if not reasons:
                return
            with self.database.write() as connection:
                collection = collections.by_id(connection, collection_id)
                job = jobs.enqueue(connection, collection, "retrain", _params(active))
        except (JobRunning, NotFound):  # somebody asked for one a moment ago, or the collection is gone
            return
        log.info("retrain queued by policy", collection=collection.name, job=job.id, reasons=reasons)

    def _reasons(self, connection: Connection, active: CodeSpace, policy: RetrainPolicy, now: datetime) -> list[str]:
        last = jobs.last_created(connection, active.collection_id, "retrain")
        if last is not None and now - last < _APART:
            return []
        moved = drift.read(connection, active, documents.count(connection, active.collection_id))
        return [reason.text for reason in policy.wants(moved, self.least_documents)]


def _params(active: CodeSpace) -> dict[str, object]:
    """The options that the active codes were learned with, without `force`."""
    params: dict[str, object] = ((active.report or {}).get("training") or {}).get("params") or {}
    return {name: value for name, value in params.items() if name != "force"}
