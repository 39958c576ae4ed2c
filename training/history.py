"""HistoryWriter: stores the records of a training from a thread of its own, so that no step waits for the database."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from types import TracebackType
from typing import Any, Self

import structlog

from service.errors import explained
from service.store import job_history
from service.store.database import Database
from service.store.job_history import NewRecord
from service.store.jobs import Job
from training.fit.records import Record

log = structlog.get_logger(__name__)

_EVERY_S = 0.5
_DIGITS = 5


class HistoryWriter:
    """Stores the records of one job, a few together; a context manager, at whose end all are stored.

    What cannot be stored is tried again with the next ones. At the end it is given up: a training is worth more than
    its curves.

    Args:
        database: where the job is.
        job: the job.
    """

    def __init__(self, database: Database, job: Job) -> None:
        self.database, self.job = database, job
        self._waiting: list[NewRecord] = []
        self._landmarks: list[str] | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def add(self, record: Record, landmarks: Sequence[str]) -> None:
        """Take a record, and the ids of the documents that it is of; does not block."""
        members = {name: _rounded(value) for name, value in asdict(record).items() if name not in ("percent", "codes")}
        if self._landmarks is None:  # once in each attempt, as a later one may find other documents
            self._landmarks = members["landmarks"] = list(landmarks)
        with self._lock:
            self._waiting.append(NewRecord(record.percent, members, record.codes.tobytes()))

    def _run(self) -> None:
        self._store(is_first=True)
        while not self._ended.wait(_EVERY_S):
            self._store()
        self._store()

    def _store(self, is_first: bool = False) -> None:
        with self._lock:
            records = self._waiting[:]
        if not records and not is_first:
            return
        try:
            with self.database.write() as connection:
                if is_first:
                    job_history.forget_old(connection, self.job.collection_id)
                job_history.put(connection, self.job.id, records)
        except Exception as error:  # of the database or its driver; the lease sees what is wrong with the job
            log.warning("records of a training could not be stored", job=self.job.id, error=explained(error))
            return
        with self._lock:
            del self._waiting[: len(records)]


def _rounded(value: Any) -> Any:
    """Numbers with as many digits as a curve shows; None for those that are not finite, which JSON does not have."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if isfinite(value) else None
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return {name: _rounded(one) for name, one in value.items()} if isinstance(value, dict) else value
