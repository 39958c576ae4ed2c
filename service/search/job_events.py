"""JobEvents: what changes in jobs, for callers who listen; each job is read once for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import structlog

from service.errors import NotFound, Overloaded, Unavailable, explained
from service.store import job_history, jobs
from service.store.database import Database
from service.store.job_history import HistoryRecord
from service.store.jobs import Job
from service.store.schema import UNFINISHED
from service.threads import run_read

log = structlog.get_logger(__name__)

MAX_LISTENERS = 64
"""Most listeners of one process at a time."""
LONGEST_S = 900.0
"""Seconds after which a listener has to come again, with a key that is valid then."""
_EVERY_S = 0.5
_RECORDS_AT_ONCE = 20

JobEvent = Job | HistoryRecord


class _Watched:
    """A job that somebody listens to.

    Attributes:
        job: as it was read last.
        records: all that were read, by number.
        has_ended: nothing more will come.
        changed: set, and replaced, when something has changed.
        n_listeners: how many listen.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.records: list[HistoryRecord] = []
        self.has_ended = False
        self.changed = asyncio.Event()
        self.n_listeners = 0
        self.task: asyncio.Task[None] | None = None

    def announce(self) -> None:
        """Wake all listeners."""
        self.changed.set()
        self.changed = asyncio.Event()


class Listener:
    """One who listens to a job; `events` may be called once, and `close` must be.

    Attributes:
        after: number of the last record that it has.
    """

    def __init__(self, events: JobEvents, watched: _Watched, after: int) -> None:
        self._events, self._watched, self.after = events, watched, after
        self._is_open = True

    async def events(self) -> AsyncIterator[JobEvent]:
        """Each record, and the job each time that it has changed, until it has ended or `LONGEST_S` are over."""
        watched, shown, until = self._watched, None, time.monotonic() + LONGEST_S
        while self._is_open:
            changed = watched.changed
            job, has_ended = watched.job, watched.has_ended
            for record in [one for one in watched.records if one.number > self.after]:
                self.after = record.number
                yield record
            if job != shown and (job.state in UNFINISHED or has_ended):  # its end comes last
                shown = job
                yield job
            if has_ended or self._events.is_stopping or time.monotonic() > until:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), until - time.monotonic() + 0.1)

    def close(self) -> None:
        """Listen no more; closing twice is fine."""
        if self._is_open:
            self._is_open = False
            self._events.left(self._watched)


class JobEvents:
    """Reads the jobs that are listened to, each twice a second.

    Args:
        database: where jobs and their records are.

    Attributes:
        is_stopping: nobody is listened for any more.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.is_stopping = False
        self._watched: dict[str, _Watched] = {}
        self._n_listeners = 0

    def listen(self, job: Job, after: int) -> Listener:
        """A listener to a job; the caller must close it.

        Args:
            job: as it was just read.
            after: number of the last record that the caller has; -1 if none.

        Raises:
            Overloaded: too many listen to this process.
        """
        if self._n_listeners >= MAX_LISTENERS or self.is_stopping:
            raise Overloaded(f"this process has as many listeners as it takes on, {MAX_LISTENERS}")
        watched = self._watched.get(job.id)
        if watched is None:
            watched = self._watched[job.id] = _Watched(job)
            watched.task = asyncio.create_task(self._watch(watched))
        watched.n_listeners += 1
        self._n_listeners += 1
        return Listener(self, watched, after)

    def left(self, watched: _Watched) -> None:
        """A listener has closed; without any the job is not read any more."""
        self._n_listeners -= 1
        watched.n_listeners -= 1
        if not watched.n_listeners:
            self._watched.pop(watched.job.id, None)
            if watched.task is not None:
                watched.task.cancel()

    def stop(self) -> None:
        """End what all listeners hear; called on the event loop."""
        self.is_stopping = True
        for watched in self._watched.values():
            watched.announce()

    async def _watch(self, watched: _Watched) -> None:
        """Read the job until it has ended; those who listen are sent away whatever ends this."""
        has_failed = False
        try:
            while not watched.has_ended:
                try:
                    if await run_read(self.database, self._read, watched):
                        watched.announce()
                    has_failed = False
                except Unavailable as error:
                    if not has_failed:
                        log.warning("a job cannot be read", job=watched.job.id, error=explained(error))
                    has_failed = True
                await asyncio.sleep(0 if watched.has_ended else _EVERY_S)
        except NotFound:
            log.debug("a job is gone with its collection", job=watched.job.id)
        finally:
            watched.has_ended = True
            watched.announce()

    def _read(self, watched: _Watched) -> bool:
        """Read what is new of the job; whether something is."""
        last = watched.records[-1].number if watched.records else -1
        with self.database.read() as connection:
            job = jobs.get(connection, watched.job.id)  # first, so that no record comes after its end
            records = job_history.after(connection, job.id, last, _RECORDS_AT_ONCE)
        is_new = job != watched.job or bool(records)
        watched.job = job
        watched.records += records
        watched.has_ended = job.state not in UNFINISHED and len(records) < _RECORDS_AT_ONCE
        return is_new or watched.has_ended
