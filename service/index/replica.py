"""Replicas: the codes of a code space in memory, kept in step with SQL by a follower.

SQL is the truth. A replica may be thrown away at any time; loading it anew ends in the same state as following. The
follower is one thread per process: it tails each collection by its ever-growing `seq`, loads the space being built in
advance, and swaps one reference when another space is active and its replica has caught up. A reader takes one replica
and keeps it to the end of the request, so no answer mixes two spaces.

Why the tail loses nothing: every seq of a collection is drawn and committed under one lock (the commit lane), so when a
row with seq s is visible, so is every row with a lower seq. `last_seq` is read before the rows, hence everything up to
it is among them.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from service.errors import Unavailable
from service.index.table import HammingTable
from service.store import codes, nodes, spaces
from service.store.database import Database
from service.store.spaces import Overview, SpaceReference

log = structlog.get_logger(__name__)

_CHANGES_AT_ONCE = 20_000
_HEARTBEAT_S = 1.0


@dataclass
class Replica:
    """One code space in memory.

    Attributes:
        space: id, version and digest of the code space.
        table: the codes of its documents.
        applied_seq: every change of the collection up to this seq is in the table.
    """

    space: SpaceReference
    table: HammingTable
    applied_seq: int

    @classmethod
    def load(cls, database: Database, space: SpaceReference, n_bits: int, last_seq: int) -> Replica:
        """Read all live codes of a space.

        `last_seq` of the collection was read before, so the codes hold every change up to it; changes committed in
        between are applied twice, which changes nothing.
        """
        with database.read() as connection:
            keys, all_codes = codes.load(connection, space.id, n_bits // 8)
        return cls(space, HammingTable.build(all_codes, keys), last_seq)

    def follow(self, database: Database, last_seq: int) -> int:
        """Apply every change up to `last_seq` and whatever was committed since; return how many there were."""
        n_applied = 0
        while self.applied_seq < last_seq:
            with database.read() as connection:
                changes = codes.changes(connection, self.space.id, self.applied_seq, _CHANGES_AT_ONCE)
            gone = changes.keys[changes.deleted]
            if len(gone):
                self.table.delete(gone)
            if len(gone) < len(changes.keys):
                self.table.add(changes.codes[~changes.deleted], changes.keys[~changes.deleted])
            n_applied += len(changes.keys)
            complete = len(changes.keys) < _CHANGES_AT_ONCE
            reached = int(changes.seqs[-1]) if len(changes.keys) else 0
            self.applied_seq = max(reached, last_seq) if complete else reached
        return n_applied


@dataclass
class Follower:
    """Keeps a replica of every collection's active space in this process.

    Args:
        database: where the truth is.
        node_id: the name of this process in the heartbeats that a promote waits for.
        poll_interval_s: seconds between two looks at the database; `wake` shortens a wait.
    """

    database: Database
    node_id: str
    poll_interval_s: float = 0.2
    error: str | None = "not polled yet"
    _answering: dict[int, Replica] = field(default_factory=dict)  # by collection
    _replicas: dict[int, Replica] = field(default_factory=dict)  # by space: answering, or about to
    _loading: dict[int, Future[Replica]] = field(default_factory=dict)  # by space
    _overview: list[Overview] = field(default_factory=list)
    _moved: threading.Condition = field(default_factory=threading.Condition)
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _loader: ThreadPoolExecutor | None = None
    _heartbeat_at: float = 0.0
    _heartbeat_spaces: frozenset[int] = frozenset()

    def start(self) -> None:
        """Follow in a thread of its own; replicas appear as they are loaded."""
        self._loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="replica-loader")
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop following and take this process out of the heartbeats; may be called twice."""
        self._stopping.set()
        self._wake.set()
        if self._thread is None or self._loader is None:
            return
        self._thread.join()
        self._loader.shutdown(cancel_futures=True)
        self._thread = None
        try:
            with self.database.write() as connection:
                nodes.remove(connection, self.node_id)
        except Unavailable as error:  # the row ages out by itself
            log.warning("node not removed", error=str(error))

    def wake(self) -> None:
        """Look at the database now: this process has just committed a change."""
        self._wake.set()

    def replica(self, collection_id: int) -> Replica | None:
        """The replica that answers for a collection; None if this process has not loaded it yet."""
        return self._answering.get(collection_id)

    def overview(self) -> list[tuple[Overview, Replica | None]]:
        """Every collection as last seen in the database, with the replica that answers for it."""
        return [(collection, self._answering.get(collection.collection_id)) for collection in self._overview]

    def wait_for(self, collection_id: int, seq: int, timeout_s: float) -> Replica | None:
        """The collection's replica once it has applied `seq`; None if it has not after `timeout_s` seconds."""

        def reached() -> Replica | None:
            replica = self.replica(collection_id)
            return replica if replica is not None and replica.applied_seq >= seq else None

        replica = reached()
        if replica is not None or timeout_s <= 0:
            return replica
        self.wake()
        with self._moved:
            return self._moved.wait_for(reached, timeout_s)

    def poll(self) -> None:
        """One step: read the overview, apply changes, load what is missing, swap what is ready, send the heartbeat."""
        with self.database.read() as connection:
            self._overview = spaces.overview(connection)
        for collection in self._overview:
            self._step(collection)
        self._forget()
        self._send_heartbeat()

    def _step(self, collection: Overview) -> None:
        """Bring one collection's replicas up to its last seq; answer from the active space once it is loaded."""
        for space in filter(None, (collection.active, collection.building)):
            self._load(space, collection)
        answering = self._answering.get(collection.collection_id)
        active = self._replicas.get(collection.active.id)
        for replica in self._of(collection, answering):
            replica.follow(self.database, collection.last_seq)
        if active is not None and active is not answering:
            self._answering[collection.collection_id] = active
            log.info(
                "space answers", collection=collection.collection, version=active.space.version, codes=len(active.table)
            )
        with self._moved:
            self._moved.notify_all()

    def _of(self, collection: Overview, answering: Replica | None) -> list[Replica]:
        wanted = {
            space.id for space in (collection.active, collection.building, answering and answering.space) if space
        }
        return [self._replicas[i] for i in wanted if i in self._replicas]

    def _load(self, space: SpaceReference, collection: Overview) -> None:
        """Have the replica of a space: a loader thread, if there is one, reads it while others are followed."""
        if space.id in self._replicas:
            return
        if self._loader is None:
            self._replicas[space.id] = Replica.load(self.database, space, collection.n_bits, collection.last_seq)
            return
        loading = self._loading.get(space.id)
        if loading is None:
            arguments = (self.database, space, collection.n_bits, collection.last_seq)
            loading = self._loading[space.id] = self._loader.submit(Replica.load, *arguments)
            loading.add_done_callback(lambda _: self.wake())
        if loading.done():
            del self._loading[space.id]
            self._replicas[space.id] = loading.result()

    def _forget(self) -> None:
        """Drop the replicas of spaces that neither answer nor are about to."""
        collections = {c.collection_id for c in self._overview}
        for gone in self._answering.keys() - collections:
            del self._answering[gone]
        wanted = {s.id for c in self._overview for s in (c.active, c.building) if s}
        wanted |= {replica.space.id for replica in self._answering.values()}
        for unwanted in self._replicas.keys() - wanted:
            del self._replicas[unwanted]

    def _send_heartbeat(self) -> None:
        """Tell which spaces this process has loaded, and up to which seq: when they changed, and once a second."""
        now = time.monotonic()
        if now - self._heartbeat_at < _HEARTBEAT_S and self._heartbeat_spaces == self._replicas.keys():
            return
        with self.database.write() as connection:
            nodes.heartbeat(connection, self.node_id, {i: r.applied_seq for i, r in self._replicas.items()})
        self._heartbeat_at, self._heartbeat_spaces = now, frozenset(self._replicas)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.poll()
                self.error = None
            except Exception as error:  # one of the two loops that may: readyz tells, the next poll tries again
                if self.error is None or not isinstance(error, Unavailable):
                    log.error("cannot follow", error=str(error), exc_info=not isinstance(error, Unavailable))
                self.error = f"{type(error).__name__}: {error}"
            self._wake.wait(self.poll_interval_s)
            self._wake.clear()
