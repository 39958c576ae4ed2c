"""Document replicas: the words and metadata of which collections this process has in memory.

The follower's thread steps them, collection by collection, as it does the replicas of codes. A load or a snapshot of
many words runs in a thread of its own, one at a time; a lock file makes one process of a machine read the texts, and
the others map what it has written. An index has one writer: the thread that loads it, until the follower has it.
"""

from __future__ import annotations

import fcntl
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Literal

import structlog
from sqlalchemy import Connection

from service.errors import NotFound, Unavailable
from service.index import document_snapshot as snapshot
from service.index.document_build import DocumentBuild
from service.index.document_replica import DocumentReplica, LoadEnded
from service.store import words
from service.store.database import Database
from service.store.overviews import Overview

log = structlog.get_logger(__name__)

_RETRY_S, _STALE_S = 5.0, 3600.0
_BUILD_FROM = 10_000
"""Changes of a collection from which its words are read by a process of its own."""
_SMALL_SEQ = 500
"""Changes of a collection up to which its words are read at once, by whoever finds them missing."""
_LOCK_STEP_S = 0.05
_SNAPSHOT_NAME = re.compile(r"words-(\d+)-")

DocumentState = Literal["following", "loading", "failed", "unloaded"]
IsFollowed = Callable[[Connection], bool]


class DocumentReplicas:
    """Keeps the words of every collection that is in use.

    Args:
        database: where the truth is.
        snapshots: folder of the snapshots of this database alone; None keeps none.
        snapshot_from: documents from which words are worth a snapshot.
        followed: gives what says, later on, whether a database still is the one that is followed now.
    """

    def __init__(
        self,
        database: Database,
        snapshots: Path | None,
        snapshot_from: int,
        followed: Callable[[], IsFollowed],
    ) -> None:
        self.database = database
        self.snapshots = snapshots
        self.snapshot_from = snapshot_from
        self.followed = followed
        self._stopping = threading.Event()
        self._loader: ThreadPoolExecutor | None = None
        self._replicas: dict[int, DocumentReplica] = {}
        self._loading: dict[int, Future[DocumentReplica]] = {}
        self._renewing: dict[int, Future[DocumentReplica | None]] = {}
        self._failures: dict[int, tuple[str, float]] = {}
        self.build_from = _BUILD_FROM
        self._build = None if snapshots is None else DocumentBuild(database, snapshots)
        self._patience = random.uniform(1.0, 1.5)  # not as the processes beside it

    def start(self) -> None:
        """Load in a thread of its own from now on."""
        self._loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="word-loader")

    def stop(self) -> None:
        """End the thread within about a second; what it was loading is lost."""
        self._stopping.set()
        if self._build is not None:
            self._build.stop()
        if self._loader is not None:
            self._loader.shutdown(cancel_futures=True)

    def get(self, collection_id: int) -> DocumentReplica | None:
        """The words of a collection; None while they are not in memory."""
        return self._replicas.get(collection_id)

    def state(self, collection_id: int) -> tuple[DocumentState, str | None]:
        """How the words of a collection are served, and what is wrong, if something is."""
        failure = self._failures.get(collection_id)
        if collection_id in self._replicas:
            return "following", None
        return ("failed", failure[0]) if failure is not None else ("loading", None)

    def prune(self, collection_ids: set[int]) -> None:
        """Delete the snapshots of words of collections that are gone, and old ones that nobody will map again.

        Raises:
            OSError: the folder cannot be read.
        """
        folder = self.snapshots
        assert folder is not None
        used = {replica.snapshot_name for replica in self._replicas.values()}
        latest: dict[int, tuple[float, str]] = {}
        there = snapshot.names(folder)
        for name in there:
            found = _SNAPSHOT_NAME.match(name)
            if found is None:
                used.add(name)  # of somebody else
            elif (id := int(found[1])) in collection_ids:
                age_s = snapshot.age_s(folder, name)
                latest[id] = min(latest.get(id, (age_s, name)), (age_s, name))
                if age_s < _STALE_S:
                    used.add(name)
        kept = used | {name for _, name in latest.values()}  # the latest waits for words that are not in memory now
        for path in snapshot.prune(folder, set(there) - kept):
            log.info("snapshot of words deleted", path=str(path))

    def step_columns(self, collection: Overview) -> None:
        """Bring the metadata of one collection to its last seq, if they are in memory; failures as in `step`."""
        replica = self._replicas.get(collection.collection_id)
        if replica is not None:  # where it cannot go on, the step of the words has it loaded anew
            self._try(collection, lambda: replica.follow_columns(self.database, collection))

    def step(self, collection: Overview) -> None:
        """Bring the words of one collection nearer to its last seq, by about a million characters; load them first.

        A failure is the collection's own: it is tried again a little later, and codes alone answer meanwhile.
        """
        self._try(collection, lambda: self._step(collection))

    def _try(self, collection: Overview, step: Callable[[], object]) -> None:
        failure = self._failures.get(collection.collection_id)
        if failure is not None and time.monotonic() < failure[1]:
            return
        try:
            step()
            self._failures.pop(collection.collection_id, None)
        except Unavailable:
            raise
        except NotFound:  # it was dropped a moment ago
            self.forget([collection.collection_id])
        except Exception as error:  # the others are followed
            self._fail(collection, error)

    def _fail(self, collection: Overview, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        before = self._failures.get(collection.collection_id)
        if before is None or before[0] != reason:
            log.error("words cannot be followed", collection=collection.collection, error=reason, exc_info=True)
        self._failures[collection.collection_id] = reason, time.monotonic() + _RETRY_S
        self.forget([collection.collection_id], failures=False)

    def _step(self, collection: Overview) -> None:
        id = collection.collection_id
        replica = self._replicas.get(id)
        if replica is not None and replica.version != collection.words_version:
            replica = self._changed(replica)
        is_behind = replica is not None and replica.read_seq < collection.compacted_seq
        if replica is None or is_behind or replica.version != collection.words_version:
            replica = self._load(collection) or (None if is_behind else replica)
        if replica is None:
            return
        renewing = self._renewing.get(id)
        if renewing is not None and renewing.done():
            del self._renewing[id]
            renewed = renewing.result()
            if (
                renewed is not None
                and renewed.analyzer == replica.analyzer
                and renewed.catch_up(self.database, collection, self._stopping.is_set)
            ):
                renewed.use(replica.settings, replica.version)
                replica = renewed
        if not replica.follow(self.database, collection):
            return  # the next step knows how far deletions are noted no more, and loads them anew
        self._replicas[id] = replica
        self._save_if_due(replica)

    def _changed(self, replica: DocumentReplica) -> DocumentReplica:
        """The replica with the settings that SQL holds now, if it can take them as it is."""
        with self.database.read() as connection:
            settings, version = words.get(connection, replica.collection_id)
        if settings.analyzer_language == replica.analyzer.language:
            replica.use(settings, version)
        return replica

    def _load(self, collection: Overview) -> DocumentReplica | None:
        """The words by their present settings, once they are loaded; one with earlier settings answers meanwhile."""
        id = collection.collection_id
        if self._loader is None or collection.last_seq <= _SMALL_SEQ:
            return DocumentReplica.load(self.database, collection, self.snapshots, self._stopping.is_set)
        loading = self._loading.get(id)
        if loading is None:
            loading = self._loading[id] = self._loader.submit(self._loaded, collection, self.followed())
        if not loading.done():
            return None
        del self._loading[id]
        return loading.result()

    def _loaded(self, collection: Overview, is_followed: IsFollowed) -> DocumentReplica:
        began = time.monotonic()
        replica = None
        if self.snapshots is not None:
            replica = DocumentReplica.of_snapshot(self.database, collection, self.snapshots)
        if replica is None or not replica.catch_up(self.database, collection, self._stopping.is_set):
            replica = self._read(collection, is_followed)
        log.info(
            "words answer",
            collection=collection.collection,
            documents=len(replica.words),
            language=replica.analyzer.language,
            took_s=round(time.monotonic() - began, 2),
        )
        return replica

    def _read(self, collection: Overview, is_followed: IsFollowed) -> DocumentReplica:
        """The words from the texts, unless another process has read them while this one waited for the lock."""
        with self._alone():
            folder = self.snapshots
            there = None if folder is None else DocumentReplica.of_snapshot(self.database, collection, folder)
            if there is None and self._build is not None and collection.last_seq >= self.build_from:
                self._build.run(collection.collection_id)
            has_ended = self._stopping.is_set
            replica = there or DocumentReplica.load(self.database, collection, folder, has_ended)
            if replica.catch_up(self.database, collection, has_ended):
                return replica if replica.saved_seq else self._saved(replica, is_followed)
            replica = DocumentReplica.load(self.database, collection, None, has_ended)
            return self._saved(replica, is_followed)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of words among the processes that share the snapshots; where there can be none, go on without.

        Raises:
            LoadEnded: this process stops, and waits no longer.
        """
        if self.snapshots is None:
            yield
            return
        with ExitStack() as stack:
            try:
                self.snapshots.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context((self.snapshots / "words.lock").open("w"))
                while not _is_locked(file):
                    if self._stopping.wait(_LOCK_STEP_S):
                        raise LoadEnded
            except OSError as error:
                log.warning("words are read without a lock", folder=str(self.snapshots), error=str(error))
            yield

    def _saved(self, replica: DocumentReplica, is_followed: IsFollowed) -> DocumentReplica:
        """The same words as a map of their snapshot, if they are worth one and could be written."""
        if self.snapshots is None or len(replica.words) < self.snapshot_from:
            return replica
        replica.save(self.database, self.snapshots, is_followed)
        return replica.mapped(self.database, self.snapshots) or replica

    def _save_if_due(self, replica: DocumentReplica) -> None:
        """Have a snapshot written and mapped when a tenth of the documents have changed."""
        id = replica.collection_id
        n = len(replica.words)
        if self.snapshots is None or n < self.snapshot_from or id in self._renewing:
            return
        if replica.read_seq - replica.saved_seq < self._patience * n / 10:
            return
        if self._loader is not None:
            self._renewing[id] = self._loader.submit(self._renewed, replica, self.followed())
        else:
            renewing = self._renewing[id] = Future()
            renewing.set_result(self._renewed(replica, self.followed()))

    def _renewed(self, replica: DocumentReplica, is_followed: IsFollowed) -> DocumentReplica | None:
        """A map of the latest snapshot, another process's if it has just written one."""
        with self._alone():
            assert self.snapshots is not None
            there = replica.mapped(self.database, self.snapshots)
            if there is not None and there.saved_seq > replica.saved_seq:
                return there
            saved = self._saved(replica, is_followed)
        return None if saved is replica else saved

    def keep(self, collection_ids: Iterable[int]) -> None:
        """Forget the words of all other collections."""
        known = self._replicas.keys() | self._loading.keys() | self._renewing.keys() | self._failures.keys()
        self.forget(known - set(collection_ids))

    def forget(self, collection_ids: Iterable[int], failures: bool = True) -> None:
        """Drop the words of some collections; a load that is running ends, and nobody keeps its result."""
        for id in list(collection_ids):
            self._replicas.pop(id, None)
            for future in (self._loading.pop(id, None), self._renewing.pop(id, None)):
                if future is not None:
                    future.cancel()
            if failures:
                self._failures.pop(id, None)


def _is_locked(file: IO[str]) -> bool:
    """Whether a file is locked now for whoever opened it; false while somebody else holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
