"""Replica: the codes of one code space in memory, and how they follow SQL.

SQL is the truth. A replica may be thrown away at any time; loading it anew ends in the same state as following.

Why the tail loses nothing: every seq of a collection is drawn and committed under one lock (the commit lane), so when a
row with seq s is visible, so is every row with a lower seq. `last_seq` is read before the rows, hence everything up to
it is among them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import structlog
from sqlalchemy import Connection

from service.errors import NotFound
from service.index.hamming import snapshot
from service.index.hamming.table import HammingTable
from service.index.snapshot_keeping import keep_snapshot
from service.store import codes, spaces
from service.store.codes import Changes
from service.store.database import Database
from service.store.overviews import SpaceReference
from service.store.snapshots import OF_CODES

log = structlog.get_logger(__name__)

_CHANGES_AT_ONCE = 20_000
_REMEMBERED = 64


class HistoryLost(Exception):
    """The database is not the one that was followed: it was restored from a backup, or replaced."""


@dataclass
class Replica:
    """One code space in memory.

    Attributes:
        space: id, version and digest of the code space.
        table: the codes of its documents.
        applied_seq: every change of the collection up to this seq is in the table. One of a retired space claims
            nothing after the seq at which it was retired: later changes may be in the next space alone.
        saved_seq: that of the snapshot that the table was mapped from or written to; 0 if there is none.
        read_seq: every change of the space up to this seq is in the table.
        fault: what is wrong with the space beside its codes; None if nothing is known to be.
        refused: what the snapshot claimed that was there when the table was read from SQL.
    """

    space: SpaceReference
    table: HammingTable
    applied_seq: int
    saved_seq: int = 0
    read_seq: int = -1
    fault: str | None = None
    refused: tuple[int, str] | None = None
    _latest: OrderedDict[int, tuple[int, bytes | None]] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        if self.read_seq < 0:
            self.read_seq = self.applied_seq

    @classmethod
    def load(
        cls,
        database: Database,
        space: SpaceReference,
        n_bits: int,
        last_seq: int,
        snapshots: Path | None = None,
        complete_seq: int | None = None,
    ) -> Self:
        """All live codes of a space: mapped from its snapshot if there is one, else read from SQL.

        `last_seq` of the collection was read before, so the codes in SQL hold every change up to it; changes committed
        in between are applied twice, which changes nothing. A snapshot holds every change up to its own seq.
        `complete_seq` is what the space has of the collection's changes, all of them unless it is given.
        """
        complete_seq = last_seq if complete_seq is None else complete_seq
        refused = None
        if snapshots is not None:
            refused = snapshot.peek(snapshots, str(space.id))
            mapped = cls.mapped(database, space, n_bits, last_seq, snapshots, complete_seq)
            if mapped is not None:
                return mapped
        with database.read() as connection:
            keys, all_codes = codes.load(connection, space.id, n_bits // 8)
        table = HammingTable.build(all_codes, keys)
        return cls(space, table, min(last_seq, complete_seq), read_seq=last_seq, refused=refused)

    @classmethod
    def mapped(
        cls, database: Database, space: SpaceReference, n_bits: int, last_seq: int, snapshots: Path, complete_seq: int
    ) -> Self | None:
        """The snapshot of a space; None if there is none that is known to be of this history."""

        def is_ours(seq: int, token: str) -> bool:
            with database.read() as connection:
                return seq <= last_seq and OF_CODES.is_known(connection, space.id, token, seq)

        found = snapshot.load(snapshots, str(space.id), is_ours)
        if found is None or found[0].n_bits != n_bits:
            return None
        table, seq = found
        return cls(space, table, min(seq, complete_seq), saved_seq=seq, read_seq=seq)

    def save(
        self, database: Database, snapshots: Path, is_ours: Callable[[Connection], bool] = lambda connection: True
    ) -> None:
        """Keep the table as a snapshot, for the next start of a process to map; without room for it there is none.

        SQL learns of it first, and only if `is_ours` says that it still is the database that was followed.
        """
        seq, name = self.read_seq, str(self.space.id)

        def write(token: str) -> None:
            snapshot.save(self.table, snapshots, name, seq, token)

        before = snapshot.peek(snapshots, name)
        if keep_snapshot(database, OF_CODES, self.space.id, seq, snapshots, before, write, is_ours):
            self.saved_seq = seq

    def follow(self, database: Database, last_seq: int, complete_seq: int | None = None) -> int:
        """Apply every change up to `last_seq` and whatever was committed since; return how many there were.

        `complete_seq` is what the space has of the collection's changes, all of them unless it is given.

        Raises:
            HistoryLost: what was applied last is not in the database.
        """
        n_applied = 0
        while self.read_seq < last_seq:
            with database.read() as connection:
                if self.read_seq < spaces.compacted_seq(connection, self.space.id):
                    # deletions that this replica has not heard of are not told any more
                    keys, all_codes = codes.load(connection, self.space.id, self.space.n_bits // 8)
                    patience = self.table.patience
                    self.table, self.saved_seq = HammingTable.build(all_codes, keys), 0
                    self.table.patience = patience
                    self._latest.clear()
                self._check_history(connection)
                changes = codes.changes(connection, self.space.id, self.read_seq, _CHANGES_AT_ONCE)
            gone = changes.keys[changes.deleted]
            if len(gone):
                self.table.delete(gone)
            if len(gone) < len(changes.keys):
                self.table.add(changes.codes[~changes.deleted], changes.keys[~changes.deleted])
            self._remember(changes)
            n_applied += len(changes.keys)
            complete = len(changes.keys) < _CHANGES_AT_ONCE
            reached = int(changes.seqs[-1]) if len(changes.keys) else 0
            self.read_seq = max(reached, last_seq) if complete else reached
        # what came after last_seq was read too, but is no claim: the space may have been retired in between
        complete_seq = last_seq if complete_seq is None else min(last_seq, complete_seq)
        self.applied_seq = max(self.applied_seq, complete_seq)
        return n_applied

    def _remember(self, changes: Changes) -> None:
        last = slice(-_REMEMBERED, None)
        for key, seq, code, deleted in zip(
            changes.keys[last].tolist(),
            changes.seqs[last].tolist(),
            changes.codes[last],
            changes.deleted[last],
            strict=True,
        ):
            self._latest[key] = seq, None if deleted else code.tobytes()
            self._latest.move_to_end(key)
        while len(self._latest) > _REMEMBERED:
            self._latest.popitem(last=False)

    def _check_history(self, connection: Connection) -> None:
        """Find the last changes that were applied in the database as they were, or changed since.

        A deletion may be found no more: the record of it is kept for a while only.
        """
        found = codes.states(connection, self.space.id, list(self._latest)) if self._latest else {}
        for key, (seq, code) in self._latest.items():
            there = found.get(key)
            if there is None and code is None:
                continue
            if there is None:
                is_lost = _keeps_codes(connection, self.space.id)
            else:
                is_lost = there[0] < seq or (there[0] == seq and there[1] != code)
            if is_lost:
                raise HistoryLost(f"change {seq} of space {self.space.id} is not as it was applied")


def _keeps_codes(connection: Connection, space_id: int) -> bool:
    """Whether nobody deletes codes of a space for good: not while it answers or is being built."""
    try:
        return spaces.by_id(connection, space_id).state in ("encoding", "evaluating", "ready", "active")
    except NotFound:
        return False
