"""Workers of jobs: wait for one, keep its lease while it runs, record how it ended.

The trainer and the job runner share this; they differ in the kinds of jobs that they claim, and in what they do for
each of them.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import structlog

from service.errors import Conflict, NearbitError, NotFound, Unavailable, explained
from service.store import jobs, spaces
from service.store.database import Database
from service.store.jobs import Job
from service.store.schema import BUILDING

log = structlog.get_logger(__name__)

_IDLE_S = 0.3
_RETRY_S = 1.0
_MAX_ATTEMPTS = 5

ReportProgress = Callable[[Mapping[str, Any]], None]
"""Takes progress; raises to stop the run. An empty one only asks whether to go on."""
Run = Callable[[Job, ReportProgress], Mapping[str, Any]]
"""Does a job and returns its last progress."""


class Cancelled(Exception):
    """A person cancelled the job."""


class LeaseLost(Exception):
    """Another worker has taken the job, or may have: this one must not write for it any more."""


class Stopping(Exception):
    """This process was asked to end; the job is given back for another to resume."""


def stop_signals(*, exit_with_parent: bool) -> threading.Event:
    """An event that is set by SIGTERM, SIGINT and SIGHUP.

    Args:
        exit_with_parent: and when standard input closes, which it does when the parent process ends in any way.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` has it
            signal.signal(number, lambda *_: stopping.set())
    if exit_with_parent:
        threading.Thread(target=_watch_parent, args=(stopping,), name="watch-parent", daemon=True).start()
    return stopping


def _watch_parent(stopping: threading.Event) -> None:
    try:
        while os.read(sys.stdin.fileno(), 4096):  # past sys.stdin's lock, which the interpreter wants when it ends
            pass
    finally:  # no standard input to read from is no parent either
        stopping.set()


def work(
    database: Database,
    lease_s: float,
    run: Mapping[str, Run],
    stopping: threading.Event,
    *,
    once: bool,
    when_idle: Callable[[], None] = lambda: None,
) -> None:
    """Claim and run jobs until `stopping` is set; a job that is running then is given back and resumed later.

    Args:
        database: where the jobs are.
        lease_s: seconds after which a silent worker loses its job.
        run: what to do for a job, by its kind; other kinds are left to other workers.
        stopping: ends the work.
        once: return as soon as no job is waiting.
        when_idle: called whenever no job is waiting.
    """
    worker = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
    log.info("waits for jobs", worker=worker, kinds=[*run])
    while not stopping.is_set():
        try:
            if _next(database, lease_s, run, worker, stopping):
                continue
            if once:
                return
            when_idle()
            stopping.wait(_IDLE_S)
        except Unavailable as error:  # the job, if any, is resumed when its lease has ended
            log.warning("database does not answer", error=explained(error))
            stopping.wait(_RETRY_S)
        except Exception as error:  # a worker that dies of one fault does none of the jobs to come
            log.error("cannot work", error=str(error), exc_info=True)
            stopping.wait(_RETRY_S)


def _next(database: Database, lease_s: float, run: Mapping[str, Run], worker: str, stopping: threading.Event) -> bool:
    """Run one job if there is one; False if there was none."""
    with database.read() as connection:
        if not jobs.is_waiting(connection, [*run]):
            return False
    with database.write() as connection:
        job = jobs.claim(connection, worker, lease_s, [*run])
    if job is None:
        return False
    run_job(database, lease_s, job, worker, run[job.kind], stopping)
    return True


def run_job(database: Database, lease_s: float, job: Job, worker: str, run: Run, stopping: threading.Event) -> None:
    """Run a claimed job to its end and record it on its row, and on the row of the space it built if it failed.

    Raises:
        Unavailable: the database, or what the job needs, does not answer; whoever claims the job next resumes it.
    """
    log.info("job claimed", job=job.id, kind=job.kind, collection=job.collection, attempt=job.attempts)
    lease = Lease(database, lease_s, job, worker, stopping)
    try:
        if job.attempts > _MAX_ATTEMPTS:
            raise Conflict(f"given up after {_MAX_ATTEMPTS} attempts that ended without a word")
        with lease:
            last = run(job, lease.report)
        _finish(database, job, worker, "succeeded", None, last)
    except Cancelled:
        _finish(database, job, worker, "cancelled", "cancelled on request", lease.progress)
    except LeaseLost:
        log.warning("job was taken over", job=job.id)
    except Stopping:
        _release(database, job, worker)
    except Unavailable:
        raise
    except Exception as error:  # the reason goes on the row
        log.error("job failed", job=job.id, error=str(error), exc_info=not isinstance(error, NearbitError))
        named = str(error) if isinstance(error, NearbitError) else f"{type(error).__name__}: {error}"
        _finish(database, job, worker, "failed", named, lease.progress)


def _finish(
    database: Database, job: Job, worker: str, state: str, error: str | None, progress: Mapping[str, Any]
) -> None:
    """Record the end; a space that did not become active is failed, and the next retrain starts a new one.

    A job that is another worker's now, or gone, is left as it is.
    """
    try:
        with database.write() as connection:
            space_id = jobs.finish(connection, job.id, worker, state, error, dict(progress)).space_id
            if state != "succeeded" and space_id is not None:
                space = spaces.by_id(connection, space_id)
                if space.state in BUILDING:
                    spaces.fail(connection, space.id, error or state)
    except NotFound:
        log.info("job is gone with its collection", job=job.id, state=state, error=error)
    except Conflict as taken:
        log.warning("job was taken over", job=job.id, reason=str(taken))
    else:
        log.info("job ended", job=job.id, state=state, error=error)


def _release(database: Database, job: Job, worker: str) -> None:
    """Give the job back, if it is still this worker's to give."""
    try:
        with database.write() as connection:
            jobs.release(connection, job.id, worker)
    except (Conflict, NotFound) as taken:
        log.warning("job was taken over", job=job.id, reason=str(taken))
    else:
        log.info("job given back", job=job.id)


class Lease:
    """Keeps a job's lease from a thread of its own, so that a long step loses it only if the process dies."""

    def __init__(self, database: Database, lease_s: float, job: Job, worker: str, stopping: threading.Event) -> None:
        self.database, self.job, self.worker, self.stopping = database, job, worker, stopping
        self.lease_s = lease_s
        self.progress: dict[str, Any] = {}
        self._reported = threading.Event()
        self._ended = threading.Event()
        self._verdict: type[Exception] | None = None
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._reported.set()
        self._thread.join()

    def report(self, progress: Mapping[str, Any]) -> None:
        """Take progress to be sent with the next heartbeat; an empty one only asks whether to go on.

        Raises:
            Cancelled: a person cancelled the job.
            LeaseLost: another worker has it, or may have.
            Stopping: this process is to end.
        """
        if progress:
            self.progress = dict(progress)
            self._reported.set()
        if self.stopping.is_set():
            raise Stopping("the worker was asked to end")
        if self._verdict is not None:
            raise self._verdict(f"job {self.job.id}")

    def _keep(self) -> None:
        renewed = time.monotonic()
        while not self._ended.is_set():
            self._reported.clear()
            began = time.monotonic()
            try:
                with self.database.write() as connection:
                    cancelled = jobs.heartbeat(connection, self.job.id, self.worker, self.lease_s, self.progress)
                renewed = began
                if cancelled:
                    self._verdict = Cancelled
            except (Conflict, NotFound):
                self._verdict = LeaseLost
            except Unavailable as error:  # nobody else can claim the job either; the next heartbeat tells whose it is
                log.warning("heartbeat failed", job=self.job.id, error=explained(error))
            except Exception as error:  # of the driver, say: try again, but not beyond the lease
                log.error("heartbeat failed", job=self.job.id, error=str(error), exc_info=True)
                if time.monotonic() - renewed > self.lease_s:
                    self._verdict = LeaseLost
            self._ended.wait(0.2)  # at most five heartbeats a second
            self._reported.wait(min(1.0, self.lease_s / 4))
