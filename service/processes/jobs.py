"""The job runner: a process for the jobs that need no training, so that they never wait for one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import structlog

from service.config import Settings
from service.encoding import Encoder
from service.errors import NotFound
from service.hashing.codes import Codes
from service.hashing.content import Contents
from service.store import deletion, embedding_models, expiry, idempotency, leases, spaces
from service.store.database import Database
from service.store.deletion import Deletion
from service.store.jobs import Job
from service.store.leases import ReportProgress, Run
from service.store.migrations import check_schema
from service.store.promotion import Promotion

log = structlog.get_logger(__name__)

T = TypeVar("T")

_FIND_LEFT_S = 600.0
"""Seconds between two searches for things that must be deleted but have no job."""
_DELETE_DUE_S = 1.0
"""The same for what has expired."""
_EXPIRED_AT_ONCE = 200


def work(settings: Settings, *, exit_with_parent: bool = False, once: bool = False) -> None:
    """Claim and run jobs until SIGTERM or SIGINT; a job that is running then is given back, and resumed later.

    Args:
        settings: database, encoder, lease.
        exit_with_parent: end when standard input closes, which it does when the parent process ends in any way.
        once: return as soon as no job is waiting.

    Raises:
        SchemaMismatch: the database has another schema than this release.
    """
    stopping = leases.stop_signals(exit_with_parent=exit_with_parent)
    database = Database.open(settings.database_url, creates=False)
    runner, importer = JobRunner(database, settings), JobRunner(database, settings)
    importing = threading.Thread(
        target=partial(leases.work, database, settings.lease_s, importer.importing(), stopping, once=once),
        name="imports",
    )
    try:
        check_schema(database)
        if once:
            _find_left(database)
            delete_due(database)
        else:
            for name, sweep, every_s in (("left", _find_left, _FIND_LEFT_S), ("due", delete_due, _DELETE_DUE_S)):
                threading.Thread(
                    target=_sweep, args=(database, stopping, sweep, every_s), name=name, daemon=True
                ).start()
        importing.start()
        leases.work(database, settings.lease_s, runner.kinds(), stopping, once=once)
        importing.join()
    finally:
        runner.close()
        importer.close()
        database.close()


def _sweep(database: Database, stopping: threading.Event, sweep: Callable[[Database], object], every_s: float) -> None:
    """Look, every now and then, for what is left to delete."""
    while not stopping.is_set():
        try:
            sweep(database)
        except Exception as error:  # the next round tries again
            log.error("cannot look for what is to be deleted", error=str(error), exc_info=True)
        stopping.wait(every_s)


def delete_due(database: Database) -> None:
    """Delete the documents that have expired, and the answers to calls that are kept no longer. Blocks.

    In short transactions, with a pause as long as each: a runner that is killed leaves the rest to the next.
    """
    with database.read() as connection:
        expired, has_old = expiry.with_expired(connection), idempotency.has_old(connection)
    for collection_id in expired:
        with suppress(NotFound):  # dropped a moment ago
            _repeat(partial(_delete_expired, database, collection_id))
    if has_old:
        _repeat(partial(_delete_old_answers, database))


def _delete_expired(database: Database, collection_id: int) -> bool:
    with database.lane(collection_id) as lane:
        return expiry.delete_expired(lane, _EXPIRED_AT_ONCE) == _EXPIRED_AT_ONCE


def _delete_old_answers(database: Database) -> bool:
    with database.write() as connection:
        return idempotency.delete_old(connection) > 0


def _repeat(step: Callable[[], bool]) -> None:
    """Run a step until it says that nothing is left."""
    while True:
        began = time.monotonic()
        if not step():
            return
        time.sleep(time.monotonic() - began)


def _find_left(database: Database) -> None:
    """Enqueue the deletions that are left to do, and delete the lines that no import will read."""
    deletion.enqueue_left(database)
    deletion.discard_abandoned_imports(database)


class JobRunner:
    """Runs each kind of job; `store.progress` defines the progress that it reports."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self._blocking: _BlockingEncoder | None = None

    def kinds(self) -> dict[str, Run]:
        """The function that runs a job, by the kind of job."""
        return {
            "promote": self.promote,
            "rollback": self.promote,
            "prune": self.prune,
            "drop_collection": self.drop_collection,
            "duplicates": self.duplicates,
            "delete": self.delete,
            "patch": self.patch,
        }

    def importing(self) -> dict[str, Run]:
        """The same of the kind that may take hours, for which the others should not wait."""
        return {"import": self.import_lines}

    def promote(self, job: Job, report_progress: ReportProgress) -> Mapping[str, Any]:
        """Make the space of a version the active one, after giving a code to every document that lacks one in it.

        Args:
            job: its `params` are `version`, `replaces`: the version that must be the active one, or None for any, and
                `force`: leave out documents without a vector of its embedding model.
            report_progress: called with the progress.
        """
        with self.database.read() as connection:
            space = spaces.get(connection, job.collection_id, job.params["version"])
        if space.state == "active":  # an earlier runner did it, and died before it could finish the job
            return {"stage": "active", "version": space.version}

        def encode(contents: Contents) -> Codes:
            return self._encoder().encode(str(space.digest), contents)

        def report_stage(progress: Mapping[str, Any]) -> None:
            report_progress({"stage": "loading" if "waiting_for" in progress else "encoding", **progress})

        force = bool(job.params.get("force"))
        promotion = Promotion(
            self.database, space, encode, report_stage, replaces=job.params["replaces"], leaves_out=force
        )
        promoted = promotion.run(self.settings.ready_timeout_s)
        with self.database.read() as connection:
            uncovered = embedding_models.n_uncovered(connection, promoted)
        return {"stage": "active", "version": promoted.version} | ({"uncovered": uncovered} if uncovered else {})

    def prune(self, job: Job, report_progress: ReportProgress) -> Mapping[str, Any]:
        """Delete code spaces that were pruned, and tombstones that no replica needs."""
        deleting = Deletion(self.database, report_progress)
        deleting.prune(job.collection_id)
        return {"stage": "done", "deleted": deleting.n_deleted}

    def drop_collection(self, job: Job, report_progress: ReportProgress) -> Mapping[str, Any]:
        """Delete all rows of a dropped collection, including that of the job itself."""
        deleting = Deletion(self.database, report_progress)
        deleting.drop_collection(job.collection_id)
        return {"stage": "done", "deleted": deleting.n_deleted}

    def duplicates(self, job: Job, report_progress: ReportProgress) -> Mapping[str, Any]:
        """Group the near duplicates of a collection."""
        from service.processes.duplicates import DuplicateRun

        return DuplicateRun(self.database, job, report_progress).run()

    def delete(self, job: Job, report_progress: ReportProgress) -> Mapping[str, Any]:
        """Delete the documents of a collection that pass a filter."""
        from service.processes.deletion import DeletionRun

        return DeletionRun(self.database, job, report_progress).run()

    def patch(self, job: Job, report_progress: ReportProgress) -> Mapping[str, Any]:
        """Patch the documents of a collection that pass a filter."""
        from service.processes.patching import PatchRun

        return PatchRun(self.database, job, self.settings.max_metadata_bytes, report_progress).run()

    def import_lines(self, job: Job, report_progress: ReportProgress) -> Mapping[str, Any]:
        """Put the documents of lines that were received into a collection."""
        from service.processes.import_run import ImportRun

        def encode(digest: str, contents: Contents) -> Codes:
            return self._encoder().encode(digest, contents)

        return ImportRun(self.database, self.settings, encode, job, report_progress).run()

    def close(self) -> None:
        """Close the encoder, if a job needed one."""
        if self._blocking is not None:
            self._blocking.close()

    def _encoder(self) -> _BlockingEncoder:
        """The encoder, opened when a job first needs it: a process that only deletes does not load torch."""
        if self._blocking is None:
            self._blocking = _BlockingEncoder(partial(_open_encoder, self.settings, self.database))
        return self._blocking


class _BlockingEncoder:
    """An encoder for callers without an event loop; its own event loop runs in a thread."""

    def __init__(self, open_encoder: Callable[[], Encoder]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="encoder-loop", daemon=True)
        self._thread.start()
        self._encoder = open_encoder()

    def encode(self, digest: str, contents: Contents) -> Codes:
        """Codes of contents by the hash function of that digest; raises as `Encoder.encode` does."""
        return self._wait(self._encoder.encode(digest, contents)).codes

    def close(self) -> None:
        """Close the encoder and the event loop."""
        self._wait(self._encoder.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


def _open_encoder(settings: Settings, database: Database) -> Encoder:
    """A client of the encoder process if one is set, else a batcher, as in an API process."""
    if settings.encoder_url:
        from service.encoding.client import EncoderClient

        return EncoderClient.of(settings)
    from service.encoding.batcher import Batcher

    def load(digest: str) -> bytes:
        with database.read() as connection:
            return spaces.get_function(connection, digest)

    return Batcher(load, device=settings.device, max_batch=settings.encoder_batch, cache=1)
