"""The trainer process: claim a job, keep its lease, run it, record how it ended."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import structlog
import torch

from service.config import Settings
from service.errors import Conflict, NearbitError, NotFound, Unavailable
from service.store import jobs, spaces
from service.store.database import Database
from service.store.jobs import Job
from service.store.migrations import check_schema
from training.fit import Cancelled
from training.retrain import Retrain

log = structlog.get_logger(__name__)

_IDLE_S = 0.3
_MAX_ATTEMPTS = 5


class LeaseLost(Exception):
    """Another trainer has taken the job: this one must not write for it any more."""


class Stopping(Exception):
    """This process was asked to end; the job is given back for another to resume."""


def work(settings: Settings, *, exit_with_parent: bool = False, once: bool = False) -> None:
    """Claim and run jobs until SIGTERM or SIGINT; a job that is running then is given back and resumed later.

    Args:
        settings: database, lease, threads, sample.
        exit_with_parent: end when standard input closes, which it does when the parent process ends in any way.
        once: return as soon as no job is waiting.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if exit_with_parent:
        threading.Thread(target=_watch_parent, args=(stopping,), daemon=True).start()
    torch.set_num_threads(settings.train_threads or os.cpu_count() or 1)
    worker = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
    database = Database.open(settings.database_url)
    try:
        check_schema(database)
        log.info("trainer waits for jobs", worker=worker)
        while not stopping.is_set():
            if not _next(database, settings, worker, stopping):
                if once:
                    return
                stopping.wait(_IDLE_S)
    finally:
        database.close()


def _watch_parent(stopping: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):  # past sys.stdin's lock, which the interpreter wants when it ends
        pass
    stopping.set()


def _next(database: Database, settings: Settings, worker: str, stopping: threading.Event) -> bool:
    """Run one job if there is one; False if there was none."""
    try:
        with database.write() as connection:
            job = jobs.claim(connection, worker, settings.lease_s)
        if job is None:
            return False
        run_job(database, settings, job, worker, stopping)
    except Unavailable as error:  # the job, if any, is resumed when its lease has ended
        log.warning("database does not answer", error=str(error))
        stopping.wait(1.0)
    return True


def run_job(database: Database, settings: Settings, job: Job, worker: str, stopping: threading.Event) -> None:
    """Run a claimed job to its end and record it on its row, and on its space's if it failed."""
    log.info("job claimed", job=job.id, attempt=job.attempts)
    lease = _Lease(database, settings, job, worker, stopping)
    try:
        if job.attempts > _MAX_ATTEMPTS:
            raise Conflict(f"given up after {_MAX_ATTEMPTS} attempts that ended without a word")
        with lease:
            space = Retrain(database, settings, job, lease.tell).run()
        _finish(database, job, worker, "succeeded", None, {"stage": "active", "version": space.version})
    except Cancelled:
        _finish(database, job, worker, "cancelled", "cancelled on request", lease.progress)
    except LeaseLost:
        log.warning("job was taken over", job=job.id)
    except Stopping:
        with database.write() as connection:
            jobs.release(connection, job.id, worker)
        log.info("job given back", job=job.id)
    except Unavailable:
        raise
    except Exception as error:  # one of the two loops that may: the reason goes on the row
        log.error("job failed", job=job.id, error=str(error), exc_info=not isinstance(error, NearbitError))
        named = str(error) if isinstance(error, NearbitError) else f"{type(error).__name__}: {error}"
        _finish(database, job, worker, "failed", named, lease.progress)


def _finish(
    database: Database, job: Job, worker: str, state: str, error: str | None, progress: Mapping[str, Any]
) -> None:
    """Record the end; a space that did not become active is failed, and the next retrain starts a new one."""
    with database.write() as connection:
        try:
            current = jobs.get(connection, job.id)
        except NotFound:
            log.warning("job is gone, its collection was deleted", job=job.id)
            return
        if state != "succeeded" and current.space_id is not None:
            space = spaces.by_id(connection, current.space_id)
            if space.state not in ("active", "retired", "failed"):
                spaces.fail(connection, space.id, error or state)
        jobs.finish(connection, job.id, worker, state, error, dict(progress))
    log.info("job ended", job=job.id, state=state, error=error)


class _Lease:
    """Keeps a job's lease from a thread of its own, so that a long step loses it only if the process dies."""

    def __init__(
        self, database: Database, settings: Settings, job: Job, worker: str, stopping: threading.Event
    ) -> None:
        self.database, self.job, self.worker, self.stopping = database, job, worker, stopping
        self.lease_s = settings.lease_s
        self.progress: dict[str, Any] = {}
        self._told = threading.Event()
        self._ended = threading.Event()
        self._verdict: type[Exception] | None = None
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> _Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._told.set()
        self._thread.join()

    def tell(self, progress: Mapping[str, Any]) -> None:
        """Take progress to be sent with the next heartbeat; an empty one only asks whether to go on.

        Raises:
            Cancelled: a person cancelled the job.
            LeaseLost: another trainer has it.
            Stopping: this process is to end.
        """
        if progress:
            self.progress = dict(progress)
            self._told.set()
        if self.stopping.is_set():
            raise Stopping("the trainer was asked to end")
        if self._verdict is not None:
            raise self._verdict(f"job {self.job.id}")

    def _keep(self) -> None:
        while not self._ended.is_set():
            self._told.clear()
            try:
                with self.database.write() as connection:
                    cancelled = jobs.heartbeat(connection, self.job.id, self.worker, self.lease_s, self.progress)
                if cancelled:
                    self._verdict = Cancelled
            except (Conflict, NotFound):
                self._verdict = LeaseLost
            except Unavailable as error:
                log.warning("heartbeat failed", job=self.job.id, error=str(error))
            self._ended.wait(0.2)  # at most five heartbeats a second
            self._told.wait(min(1.0, self.lease_s / 4))
