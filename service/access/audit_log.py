"""The audit log: calls of administrators wait here until the next look at the database writes them down."""

from __future__ import annotations

import threading
from dataclasses import asdict

import structlog

from service.store import audit
from service.store.audit import AuditedCall
from service.store.database import Database

log = structlog.get_logger(__name__)

_MOST_WAITING = 10_000


class AuditLog:
    """Calls of administrators that are to be kept: each in a log line at once, and in a row within a second.

    Args:
        keep_days: how long rows are kept.
    """

    def __init__(self, keep_days: int) -> None:
        self.keep_days = keep_days
        self._waiting: list[AuditedCall] = []
        self._lock = threading.Lock()

    def add(self, call: AuditedCall) -> None:
        """Keep a call. Does not block; while the database does not answer, only so many are kept, the first ones."""
        line = asdict(call)
        log.info("audit", **{name: line[name] for name in line if name not in ("at", "request_id")})
        with self._lock:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(call)

    def write(self, database: Database) -> None:
        """Write what waits; what cannot be written goes on waiting. Blocks."""
        with self._lock:
            calls = self._waiting
            self._waiting = []
        if not calls:
            return
        try:
            with database.write() as connection:
                audit.add(connection, calls)
        except BaseException:
            with self._lock:
                self._waiting = (calls + self._waiting)[:_MOST_WAITING]
            raise

    def forget(self, database: Database) -> None:
        """Delete rows that are older than they are kept. Blocks."""
        with database.write() as connection:
            audit.forget(connection, self.keep_days)
