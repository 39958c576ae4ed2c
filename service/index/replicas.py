"""Replicas: which code spaces this process has in memory, and one thread that keeps them in step with SQL.

The follower tails each collection by its ever-growing `seq`, loads the spaces that are about to answer in advance, and
swaps one reference when another space is active and its replica has caught up. A reader takes one replica and keeps it
to the end of the request, so no answer mixes two spaces.

No answer comes from a history that was lost: a database that was restored from a backup does not hold the token of this
process's last heartbeat, nor, where the backup is younger than that, the last changes that were applied
(docs/decisions/0009). Then every replica is loaded anew.

It is one long class because every step of a poll reads and changes the same few dictionaries, from one thread.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import uuid4

import structlog
from sqlalchemy import Connection

from service.errors import CorruptArtifact, NearbitError, Unavailable, explained
from service.hashing.digest import digest_of
from service.index.document_replica import DocumentReplica
from service.index.document_replicas import DocumentReplicas, DocumentState
from service.index.hamming import snapshot
from service.index.replica import HistoryLost, Replica
from service.index.words import WordIndex
from service.store import nodes, overviews, spaces
from service.store.database import Database
from service.store.overviews import Overview, SpaceReference

log = structlog.get_logger(__name__)

_HEARTBEAT_S = 1.0
_PRUNE_S = 60.0
_STALE_S = 3600.0
_RETRY_S = (1.0, 60.0)


State = Literal["following", "loading", "failed", "unloaded"]


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """How a process serves a collection: from memory ("following"), else from SQL.

    Attributes:
        state: "unloaded" if nobody has asked for a while; "failed" if it cannot be loaded, which is tried again.
        seq: every change up to it is in memory; None if nothing is.
        error: what is wrong, if something is.
    """

    state: State
    seq: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class _Failure:
    error: str
    n: int
    retry_at: float


@dataclass
class Follower:
    """Keeps a replica of every collection's active space in this process.

    What goes wrong with one space is its own: it is tried again, later each time, SQL answers meanwhile, and the others
    are followed.

    Args:
        database: where the truth is.
        node_id: the name of this process in the heartbeats that a promote waits for.
        poll_interval_s: seconds between two looks at the database; `wake` shortens a wait.
        snapshots: folder of the snapshots of this database alone; None keeps none.
        snapshot_from: codes from which a space is worth a snapshot; below it SQL is as fast.
        words_snapshot_from: the same for its words, in documents.
        unload_after_s: seconds after which the replica of a collection that nobody asked for is dropped; 0 never does.
        unload_from_bytes: replicas that take less memory are kept all the same.

    Attributes:
        error: why nothing can be followed at all; None while it can.
        history: counts the databases that were found in place of the one followed; what is derived from an earlier one
            must be thrown away.
    """

    database: Database
    node_id: str
    poll_interval_s: float = 0.2
    snapshots: Path | None = None
    snapshot_from: int = 50_000
    words_snapshot_from: int = 5_000
    unload_after_s: float = 0.0
    unload_from_bytes: int = 0
    error: str | None = "not polled yet"
    history: int = 0
    _answering: dict[int, Replica] = field(default_factory=dict)  # by collection
    _replicas: dict[int, Replica] = field(default_factory=dict)  # by space: answering, or about to
    _loading: dict[int, Future[Replica]] = field(default_factory=dict)  # by space
    _renewing: dict[int, Future[Replica | None]] = field(default_factory=dict)  # by space: mapped in place of a copy
    _failures: dict[int, _Failure] = field(default_factory=dict)  # by space
    _asked_at: dict[int, float] = field(default_factory=dict)  # by collection
    _unloaded: set[int] = field(default_factory=set)  # collections
    _overview: list[Overview] = field(default_factory=list)
    _moved: threading.Condition = field(default_factory=threading.Condition)
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _loader: ThreadPoolExecutor | None = None
    _heartbeat_at: float = 0.0
    _heartbeat_spaces: frozenset[int] = frozenset()
    _tokens: frozenset[str] = frozenset()  # of the last heartbeat; two while it is not known whether one was committed
    _pruned_at: float = float("-inf")
    _pruned_spaces: frozenset[int] = frozenset()
    _patience: float = field(default_factory=lambda: random.uniform(1.0, 1.5))  # not as the processes beside it
    _when_caught_up: list[Callable[[], object]] = field(default_factory=list)
    _documents: DocumentReplicas = field(init=False)

    def __post_init__(self) -> None:
        def followed() -> Callable[[Connection], bool]:
            history = self.history
            return lambda connection: self._is_followed(connection, history)

        self._documents = DocumentReplicas(self.database, self.snapshots, self.words_snapshot_from, followed)

    def when_caught_up(self, call: Callable[[], object]) -> None:
        """Call a function from the follower's thread, once, when every replica has caught up."""
        self._when_caught_up.append(call)

    def start(self) -> None:
        """Follow in a thread of its own; replicas appear as they are loaded."""
        self._loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="replica-loader")
        self._documents.start()
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
        self._documents.stop()
        self._thread = None
        try:
            with self.database.write() as connection:
                nodes.remove(connection, self.node_id)
        except Unavailable as error:  # the row ages out by itself
            log.warning("node not removed", error=explained(error))

    def wake(self) -> None:
        """Look at the database now: this process has just committed a change."""
        self._wake.set()

    def replica(self, collection_id: int) -> Replica | None:
        """The replica that answers for a collection, for a query; None if this process has not loaded it.

        One that was unloaded is loaded again because of the query.
        """
        self._asked_at[collection_id] = time.monotonic()
        if collection_id in self._unloaded:
            self._unloaded.discard(collection_id)
            self.wake()
        return self._answering.get(collection_id)

    def documents(self, collection_id: int) -> DocumentReplica | None:
        """The words of a collection, for a query; None if this process has not loaded them."""
        return self._documents.get(collection_id)

    def state_of_documents(self, collection_id: int) -> tuple[DocumentState, str | None]:
        """How this process serves the words of a collection now, and what is wrong, if something is."""
        state, error = self._documents.state(collection_id)
        return ("unloaded" if state == "loading" and collection_id in self._unloaded else state), error

    def overview(self) -> list[tuple[Overview, Replica | None]]:
        """Every collection as last seen in the database, with the replica that answers for it."""
        return [(collection, self._answering.get(collection.collection_id)) for collection in self._overview]

    def state(self, collection_id: int) -> ReplicaState:
        """How this process serves a collection now."""
        for collection in self._overview:
            if collection.collection_id == collection_id:
                return self._state(collection)
        return ReplicaState("loading", None, None)

    def states(self) -> list[tuple[Overview, ReplicaState]]:
        """The same for every collection, as last seen in the database."""
        return [(collection, self._state(collection)) for collection in self._overview]

    def behind(self) -> list[str]:
        """Names of the collections whose replica is still being loaded, or has not read what was seen in SQL."""
        names = []
        for collection, state in self.states():
            replica = self._answering.get(collection.collection_id)
            is_behind = replica is not None and replica.read_seq < collection.last_seq
            if state.state == "loading" or (state.state == "following" and is_behind):
                names.append(collection.collection)
        return names

    def _state(self, collection: Overview) -> ReplicaState:
        replica = self._answering.get(collection.collection_id)
        error = self._error(collection, replica)
        if replica is not None:
            return ReplicaState("following", replica.applied_seq, error)
        if collection.collection_id in self._unloaded:
            return ReplicaState("unloaded", None, None)
        return ReplicaState("failed" if collection.active.id in self._failures else "loading", None, error)

    def _error(self, collection: Overview, replica: Replica | None) -> str | None:
        """What is wrong with the space that answers, or with one that is about to."""
        answering = () if replica is None else (replica.space,)
        for space in dict.fromkeys((*collection.wanted, *answering)):
            failure, loaded = self._failures.get(space.id), self._replicas.get(space.id)
            if failure is not None:
                return f"version {space.version}: {failure.error}"
            if loaded is not None and loaded.fault is not None:
                return f"version {space.version}: {loaded.fault}"
        return None

    def wait_until_answering(self, collection_id: int, space_id: int, timeout_s: float) -> bool:
        """Whether answers come from that space now; waits for it up to `timeout_s` seconds.

        They do from SQL, too, where a collection is not in memory.
        """

        def answering() -> bool:
            replica = self._answering.get(collection_id)
            return collection_id in self._unloaded or (replica is not None and replica.space.id == space_id)

        self.wake()
        with self._moved:
            return self._moved.wait_for(answering, timeout_s)

    def poll(self) -> None:
        """One step: read the overview, apply changes, load what is missing, swap what is ready, send the heartbeat."""
        try:
            self._poll()
        except HistoryLost as error:
            self._start_over(str(error))
            self._poll()

    def _poll(self) -> None:
        with self.database.read() as connection:
            seen = overviews.read(connection)
            token = nodes.token(connection, self.node_id) if self._tokens else None
        if self._tokens and token not in self._tokens:
            raise HistoryLost("it does not know the last heartbeat of this process")
        self._compare(seen)
        self._overview = seen
        for collection in seen:
            self._unload_if_idle(collection)
            if collection.collection_id not in self._unloaded:
                self._documents.step_columns(collection)  # before the codes: no code is found that filters do not know
                self._step(collection)
                self._documents.step(collection)
                words = self._documents.get(collection.collection_id)
                if words is not None and words.read_seq < collection.last_seq:
                    self.wake()  # one step reads only so much, that codes and heartbeats go on
        with self._moved:
            self._moved.notify_all()
        self._forget()
        self._send_heartbeat()
        self._prune_snapshots()

    def _compare(self, seen: Iterable[Overview]) -> None:
        """Find every replica in the overview as it was loaded: the same space, of which nothing was read too much."""
        for collection in seen:
            for space in collection.wanted:
                replica = self._replicas.get(space.id)
                if replica is not None and replica.space != space:
                    raise HistoryLost(f"space {space.id} was {replica.space} and is {space}")
            answering = self._answering.get(collection.collection_id)
            for replica in self._of(collection, answering):
                if replica.read_seq > collection.last_seq:
                    raise HistoryLost(
                        f"{collection.collection} is at change {collection.last_seq}, {replica.read_seq} was applied"
                    )
            words = self._documents.get(collection.collection_id)
            if words is not None and words.columns_seq > collection.last_seq:
                raise HistoryLost(
                    f"{collection.collection} is at change {collection.last_seq}, {words.columns_seq} was read"
                )

    def _start_over(self, reason: str) -> None:
        """Drop all that came from another database than the one that is there now."""
        log.warning("another database than was followed, was it restored? All codes are loaded anew", reason=reason)
        self.history += 1
        self._tokens = frozenset()
        self._heartbeat_at = float("-inf")
        for held in (self._answering, self._replicas, self._loading, self._renewing, self._failures, self._unloaded):
            held.clear()
        self._documents.keep(())

    def _step(self, collection: Overview) -> None:
        """Bring one collection's replicas up to its last seq; answer from the active space once it is loaded."""
        for space in collection.wanted:
            self._try(space, collection, self._load)
        answering = self._answering.get(collection.collection_id)
        for replica in self._of(collection, answering):
            self._try(replica.space, collection, self._follow)
        active = self._replicas.get(collection.active.id)
        if collection.active.id in self._failures:  # SQL answers: what is in memory is out of date, and stays so
            self._answering.pop(collection.collection_id, None)
        elif active is not None and active is not self._answering.get(collection.collection_id):
            if answering is None or answering.space.id != active.space.id:
                log.info(
                    "space answers",
                    collection=collection.collection,
                    version=active.space.version,
                    codes=len(active.table),
                )
            self._answering[collection.collection_id] = active
        for replica in self._of(collection, answering):
            self._save_if_due(replica)

    def _try(
        self, space: SpaceReference, collection: Overview, step: Callable[[SpaceReference, Overview], None]
    ) -> None:
        """Do a step for a space, unless it failed a short while ago; a failure is recorded as that space's."""
        failure = self._failures.get(space.id)
        if failure is not None and time.monotonic() < failure.retry_at:
            return
        try:
            step(space, collection)
        except (HistoryLost, Unavailable):
            raise
        except Exception as error:  # of one space: readyz and the collection tell, and the others are followed
            self._fail(space, collection, error)

    def _fail(self, space: SpaceReference, collection: Overview, error: Exception) -> None:
        before = self._failures.get(space.id)
        n = 1 if before is None else before.n + 1
        reason = str(error) if isinstance(error, NearbitError) else f"{type(error).__name__}: {error}"
        if before is None or before.error != reason:
            log.error(
                "space cannot be followed",
                collection=collection.collection,
                version=space.version,
                error=reason,
                exc_info=not isinstance(error, NearbitError),
            )
        retry_at = time.monotonic() + min(_RETRY_S[0] * 2 ** min(n - 1, 10), _RETRY_S[1])
        self._failures[space.id] = _Failure(reason, n, retry_at)
        self._replicas.pop(space.id, None)
        self._renewing.pop(space.id, None)
        answering = self._answering.get(collection.collection_id)
        if answering is not None and answering.space.id == space.id:
            del self._answering[collection.collection_id]

    def _follow(self, space: SpaceReference, collection: Overview) -> None:
        replica = self._replicas[space.id]
        renewed = self._renewing.get(space.id)
        if renewed is not None and renewed.done():
            del self._renewing[space.id]
            replica = renewed.result() or replica
        replica.follow(self.database, collection.last_seq, collection.complete_seq(space.id))
        before, self._replicas[space.id] = self._replicas[space.id], replica
        if replica is not before and self._answering.get(collection.collection_id) is before:
            self._answering[collection.collection_id] = replica
        self._failures.pop(space.id, None)

    def _save_if_due(self, replica: Replica) -> None:
        """Every so many changes, a tenth of the codes, have a snapshot written and map it: processes share its memory.

        Where another process has just written one, that is mapped instead, in place of this one's own copy.
        """
        limit = max(1, int(self._patience * len(replica.table) / 10))
        if self.snapshots is None or len(replica.table) < self.snapshot_from or replica.space.id in self._renewing:
            return
        if replica.read_seq - replica.saved_seq < limit:
            return
        arguments = replica, self.snapshots, limit, self.history
        if self._loader is not None:
            self._renewing[replica.space.id] = self._loader.submit(self._renewed, *arguments)
        else:
            renewing = self._renewing[replica.space.id] = Future()
            renewing.set_result(self._renewed(*arguments))

    def _renewed(self, replica: Replica, snapshots: Path, limit: int, history: int) -> Replica | None:
        """A replica that shares the memory of the latest snapshot, still to be followed; None if there is none."""

        def mapped() -> Replica | None:
            claim = replica.applied_seq
            new = Replica.mapped(self.database, replica.space, replica.table.n_bits, replica.read_seq, snapshots, claim)
            return new if new is not None and new.read_seq > replica.read_seq - limit else None

        there = snapshot.peek(snapshots, str(replica.space.id))
        is_newer = there is not None and there != replica.refused and there[0] > replica.saved_seq
        new = mapped() if is_newer else None
        if new is None:
            replica.save(self.database, snapshots, lambda connection: self._is_followed(connection, history))
            new = mapped()
        return None if new is None else self._prepared(new, replica.fault)

    def _is_followed(self, connection: Connection, history: int) -> bool:
        """Whether this is still the database that was followed as the `history`th one."""
        before = self._tokens
        token = nodes.token(connection, self.node_id) if before else None
        is_known = not before or token in before or token in self._tokens  # a heartbeat may have come in between
        return is_known and history == self.history

    def _of(self, collection: Overview, answering: Replica | None) -> list[Replica]:
        wanted = dict.fromkeys(space.id for space in collection.wanted)
        if answering is not None and answering.space.id in collection.retired_seqs:
            wanted[answering.space.id] = None
        return [self._replicas[i] for i in wanted if i in self._replicas]

    def _load(self, space: SpaceReference, collection: Overview) -> None:
        """Have the replica of a space: a loader thread, if there is one, reads it while others are followed."""
        if space.id in self._replicas:
            return
        if self._loader is None:
            self._replicas[space.id] = self._loaded(space, collection)
            return
        loading = self._loading.get(space.id)
        if loading is None:
            loading = self._loading[space.id] = self._loader.submit(self._loaded, space, collection)
            loading.add_done_callback(lambda _: self.wake())
        if loading.done():
            del self._loading[space.id]
            self._replicas[space.id] = loading.result()

    def _loaded(self, space: SpaceReference, collection: Overview) -> Replica:
        replica = Replica.load(
            self.database,
            space,
            space.n_bits,
            collection.last_seq,
            self.snapshots,
            collection.complete_seq(space.id),
        )
        return self._prepared(replica, self._fault(space, collection))

    def _prepared(self, replica: Replica, fault: str | None) -> Replica:
        replica.table.patience, replica.fault = self._patience, fault
        return replica

    def _fault(self, space: SpaceReference, collection: Overview) -> str | None:
        """What is wrong with the hash function of a space: without it no text can be asked for."""
        if space.digest is None:
            return None
        with self.database.read() as connection:
            content = spaces.get_function(connection, space.digest)
        if digest_of(content) == space.digest:
            return None
        error = CorruptArtifact(f"hash function {space.digest}", "its bytes do not match its digest")
        log.error("hash function is damaged", collection=collection.collection, version=space.version, error=str(error))
        return str(error)

    def _unload_if_idle(self, collection: Overview) -> None:
        """Drop the replicas of a collection that nobody has asked for, unless they are small."""
        if not self.unload_after_s:
            return
        asked_at = self._asked_at.setdefault(collection.collection_id, time.monotonic())
        answering = self._answering.get(collection.collection_id)
        if answering is None or time.monotonic() - asked_at < self.unload_after_s:
            return
        words = self._documents.get(collection.collection_id)
        n_bytes = answering.table.memory_bytes + (
            0 if words is None else words.words.memory_bytes + words.columns.memory_bytes
        )
        if n_bytes < self.unload_from_bytes:
            return
        log.info("collection unloaded: nobody asked for it", collection=collection.collection)
        self._save_before_unloading(answering)
        self._unloaded.add(collection.collection_id)
        del self._answering[collection.collection_id]

    def _save_before_unloading(self, replica: Replica) -> None:
        """Have a snapshot written of what is not in one, so that the next load is short."""
        is_worth_it = len(replica.table) >= self.snapshot_from and replica.read_seq > replica.saved_seq
        if self.snapshots is not None and self._loader is not None and is_worth_it:
            history = self.history
            self._loader.submit(
                replica.save, self.database, self.snapshots, lambda connection: self._is_followed(connection, history)
            )

    def _forget(self) -> None:
        """Drop the replicas of spaces that neither answer nor are about to, and what is known of collections gone."""
        collections = {c.collection_id for c in self._overview}
        for gone in self._answering.keys() - collections:
            del self._answering[gone]
        for gone in self._asked_at.keys() - collections:
            self._asked_at.pop(gone, None)
        self._unloaded &= collections
        self._documents.keep(collections - self._unloaded)
        wanted = {s.id for c in self._overview for s in c.wanted if c.collection_id not in self._unloaded}
        wanted |= {replica.space.id for replica in self._answering.values()}
        for unwanted in self._replicas.keys() - wanted:
            del self._replicas[unwanted]
        for unwanted in self._failures.keys() - wanted:
            del self._failures[unwanted]
        for unwanted in self._loading.keys() - wanted:  # one that is running ends, and nobody keeps what it has loaded
            self._loading.pop(unwanted).cancel()
        for unwanted in self._renewing.keys() - wanted:
            self._renewing.pop(unwanted).cancel()

    def _send_heartbeat(self) -> None:
        """Tell which spaces this process has loaded, and up to which seq: when they changed, and once a second.

        Collections that are not in memory because nobody asks for them are answered from SQL, by any space and up to
        the last seq; telling so keeps a promote from waiting for this process.
        """
        applied = {space_id: replica.read_seq for space_id, replica in self._replicas.items()}
        for collection in self._overview:
            if collection.collection_id in self._unloaded:
                applied |= {space.id: collection.last_seq for space in collection.wanted}
        now = time.monotonic()
        if now - self._heartbeat_at < _HEARTBEAT_S and self._heartbeat_spaces == applied.keys():
            return
        token = uuid4().hex
        self._tokens |= {token}
        with self.database.write() as connection:
            nodes.heartbeat(connection, self.node_id, applied, token)
        self._tokens = frozenset({token})
        self._heartbeat_at, self._heartbeat_spaces = now, frozenset(applied)

    def _prune_snapshots(self) -> None:
        """Delete the snapshots of spaces that are gone: when the spaces changed, and once a minute.

        A space that is newer than what was seen here may have its snapshot from another process: unless it is old.
        """
        existing = frozenset(i for c in self._overview for i in (*(s.id for s in c.wanted), *c.retired_seqs))
        now = time.monotonic()
        if self.snapshots is None or (now - self._pruned_at < _PRUNE_S and existing == self._pruned_spaces):
            return
        self._pruned_at, self._pruned_spaces = now, existing
        newest = max(existing, default=0)
        try:
            there = snapshot.names(self.snapshots)
            keep = [n for n in there if not n.isdecimal() or int(n) in existing]
            keep += [
                n for n in there if n.isdecimal() and int(n) > newest and snapshot.age_s(self.snapshots, n) < _STALE_S
            ]
            for path in snapshot.prune(self.snapshots, set(there).difference(keep)):
                log.info("snapshot deleted, its space is gone", path=str(path))
            self._documents.prune({collection.collection_id for collection in self._overview})
        except OSError as error:
            log.warning("snapshots not pruned", folder=str(self.snapshots), error=str(error))

    def _run(self) -> None:
        WordIndex()  # has the compiled loops loaded while the first collection is
        while not self._stopping.is_set():
            try:
                self.poll()
                self.error = None
                if self._when_caught_up and not self.behind():
                    self._when_caught_up.pop()()
            except Exception as error:  # one of the two loops that may: readyz tells, the next poll tries again
                reason = f"{type(error).__name__}: {error}"
                if reason != self.error:  # once, not five times a second
                    log.error("cannot follow", error=explained(error), exc_info=not isinstance(error, Unavailable))
                self.error = reason
            self._wake.wait(self.poll_interval_s)
            self._wake.clear()
