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
from hashlib import sha256
from pathlib import Path

import structlog

from service.errors import Unavailable
from service.index import snapshot
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
    saved_seq: int = 0

    @classmethod
    def load(
        cls, database: Database, space: SpaceReference, n_bits: int, last_seq: int, snapshots: Path | None = None
    ) -> Replica:
        """All live codes of a space: mapped from its snapshot if there is one, else read from SQL.

        `last_seq` of the collection was read before, so the codes in SQL hold every change up to it; changes committed
        in between are applied twice, which changes nothing. A snapshot holds every change up to its own seq.
        """
        if snapshots is not None:
            found = snapshot.load(snapshots, _snapshot_name(database, space))
            if found is not None and found[1] <= last_seq and found[0].n_bits == n_bits:
                return cls(space, found[0], found[1], found[1])
        with database.read() as connection:
            keys, all_codes = codes.load(connection, space.id, n_bits // 8)
        return cls(space, HammingTable.build(all_codes, keys), last_seq)

    def save(self, database: Database, snapshots: Path) -> None:
        """Keep the table as a snapshot, for the next start of a process to map; without room for it there is none."""
        seq = self.applied_seq
        try:
            snapshot.save(self.table, snapshots, _snapshot_name(database, self.space), seq)
        except OSError as error:
            log.warning("snapshot not written", folder=str(snapshots), error=str(error))
        self.saved_seq = seq

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


def _snapshot_name(database: Database, space: SpaceReference) -> str:
    """A name that no other space has had, of this database or of one that stood at the same place before.

    Ids count from 1 in every new database and untrained spaces share a digest, so the time of creation is part of it.
    """
    with database.read() as connection:
        created_at = spaces.by_id(connection, space.id).created_at
    return sha256(f"{space.id} {space.version} {space.digest} {created_at.isoformat()}".encode()).hexdigest()


@dataclass
class Follower:
    """Keeps a replica of every collection's active space in this process.

    Args:
        database: where the truth is.
        node_id: the name of this process in the heartbeats that a promote waits for.
        poll_interval_s: seconds between two looks at the database; `wake` shortens a wait.
        snapshots: folder of snapshots; None keeps none.
        snapshot_from: codes from which a space is worth a snapshot; below it SQL is as fast.
    """

    database: Database
    node_id: str
    poll_interval_s: float = 0.2
    snapshots: Path | None = None
    snapshot_from: int = 50_000
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
    _saving: Future[None] | None = None
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

    def wait_until_answering(self, collection_id: int, space_id: int, timeout_s: float) -> bool:
        """Whether answers come from that space now; waits for it up to `timeout_s` seconds."""

        def answering() -> bool:
            replica = self.replica(collection_id)
            return replica is not None and replica.space.id == space_id

        self.wake()
        with self._moved:
            return self._moved.wait_for(answering, timeout_s)

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
        for replica in self._of(collection, answering):
            self._save_if_due(replica)
        with self._moved:
            self._moved.notify_all()

    def _save_if_due(self, replica: Replica) -> None:
        """Have a snapshot written when enough has changed since the last: a tenth of the codes."""
        n_changed = replica.applied_seq - replica.saved_seq
        due = len(replica.table) >= self.snapshot_from and n_changed >= max(1, len(replica.table) // 10)
        if self.snapshots is not None and due and (self._saving is None or self._saving.done()):
            if self._loader is None:
                replica.save(self.database, self.snapshots)
            else:
                self._saving = self._loader.submit(replica.save, self.database, self.snapshots)

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
            self._replicas[space.id] = Replica.load(
                self.database, space, collection.n_bits, collection.last_seq, self.snapshots
            )
            return
        loading = self._loading.get(space.id)
        if loading is None:
            arguments = (self.database, space, collection.n_bits, collection.last_seq, self.snapshots)
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
                said = f"{type(error).__name__}: {error}"
                if said != self.error:  # once, not five times a second
                    log.error("cannot follow", error=str(error), exc_info=not isinstance(error, Unavailable))
                self.error = said
            self._wake.wait(self.poll_interval_s)
            self._wake.clear()
