"""Promotion: give a code space the codes that it lacks, have it loaded, and make it active, while others keep writing.

**What is missing** is looked for among all documents once. After that it is known without looking at all of them: let
`seen` be a moment (the collection's last seq and greatest key, read in one snapshot) up to which every document without
a code was listed. A document that lacks a code now

- has a greater key than `seen`: it was added since, as keys grow in the order of the commit lane; or
- has a tombstone in the space with a greater seq than `seen`: its text changed since, which discarded its code; or
- was listed but not written, as it changed between its reading and its writing: those are remembered.

The first two are ranges of an index. Compaction deletes no tombstone of a document that exists.

A vector that a document is given beside those it has (`vectors`) leaves such a tombstone as well. What has no vector of
the space's embedding model cannot get a code: it is left out, or the promotion is refused.

**Why it ends.** A round encodes, outside the lane, what was missing at the moment it began: a finite number. Rounds are
repeated only while each takes less than half of the time of the one before, or until one takes less than `hold_s`: then
what came meanwhile takes less than `hold_s` again, unless documents come faster than they are encoded. So there are at
most log2(time of the first) rounds. Then the rest is encoded in the lane, where nobody adds to it. If that takes more
than `hold_s` all the same, what was written is kept, the lane is left, and `hold_s` is doubled; the last of eight
attempts has no limit. Writers wait for half a second at first, and longer only where they outrun the encoding.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection

from service.errors import DatabaseUnavailable, ForbiddenMove
from service.hashing.codes import Codes
from service.hashing.content import Content, Contents, of_model, size_of
from service.store import bulk_codes, codes, collections, documents, embedding_models, nodes, spaces
from service.store.database import Database, Lane
from service.store.documents import Document
from service.store.idempotency import Conclude
from service.store.leases import ReportProgress
from service.store.spaces import CodeSpace

Encode = Callable[[Contents], Codes]
"""Codes `(n, n_bytes)` of contents by the hash function of the space. May block, and be called in the commit lane."""

_HOLD_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, math.inf)
_PRELOAD_LONGER_S = 60.0
_ROUND, _FILLING, _LANE = (500, 4_000_000), (4_000, 4_000_000), (50, 200_000)
"""Most documents read and characters encoded at once: in a round, in one that fills a space, and in the lane between
two looks at the clock."""


@dataclass
class Completion:
    """Gives a code space the codes that it lacks.

    Args:
        database: where the documents are.
        space: the space to write codes to.
        encode: the hash function of that space.
        report: takes the number of codes written so far; what it raises stops the run.
        leaves_out: documents without a vector of the space's embedding model get no code; else they are refused with
            `VectorsMissing`.

    In a space in state encoding codes are written outside the commit lane (`bulk_codes`).
    """

    database: Database
    space: CodeSpace
    encode: Encode
    report: Callable[[int], None]
    leaves_out: bool = False
    n_written: int = field(default=0, init=False)
    _seen: tuple[int, int] = field(
        default=(0, 0), init=False
    )  # seq and key: of what came up to them, `_left` is missing
    _left: list[int] = field(default_factory=list, init=False)

    def catch_up(self, enough_s: float) -> None:
        """Repeat rounds until one takes less than `enough_s`, or more than half of the time of the one before.

        Every batch is one transaction, so a killed run goes on where it stopped.
        """
        if self._fills:
            bulk_codes.settle(self.database, self.space)
        before_s = math.inf
        while True:
            began = time.monotonic()
            self._round()
            took_s = time.monotonic() - began
            if took_s <= enough_s or took_s > before_s / 2:
                return
            before_s = took_s

    def _round(self) -> None:
        """Give codes to the documents that lack one at the moment it begins."""
        with self.database.read() as connection:
            last_seq = collections.by_id(connection, self.space.collection_id).last_seq
            last_key = documents.last_key(connection, self.space.collection_id)
            again = self._again(connection)
        left: list[int] = []
        for batch, read_seq in self._outside(self._seen[1], last_key, again):
            contents = self._contents(batch)
            keys = [document.key for document in batch]
            if contents is None:
                with self.database.read() as connection:
                    embedding_models.check_covered(connection, self.space)
                left += keys  # that were given a vector meanwhile
                continue
            found = self.encode(contents)
            n = self._write(batch, found, read_seq)
            if n < len(keys):
                left += keys
            self.n_written += n
            self.report(self.n_written)
        self._seen, self._left = (last_seq, last_key), left

    @property
    def _fills(self) -> bool:
        return self.space.state == "encoding" and not self.space.has_buckets

    def _write(self, batch: list[Document], found: Codes, read_seq: int) -> int:
        """Write codes of documents as far as they have not changed since they were read; return how many."""
        keys = [document.key for document in batch]
        if self._fills:
            try:
                return bulk_codes.fill(self.database, self.space, keys, found, read_seq)
            except DatabaseUnavailable:  # one of them is being changed, or nothing works: then the next read says so
                return 0
        with self.database.lane(self.space.collection_id) as lane:
            revisions = [document.revision for document in batch]
            has_buckets = self.space.has_buckets
            return codes.append_current(lane, self.space.id, keys, revisions, found, has_buckets=has_buckets)

    def _contents(self, batch: list[Document]) -> list[Content] | None:
        """What is encoded of documents; None where one of them has no vector of the space's model."""
        contents = [of_model(document.content, self.space.model) for document in batch]
        found = [content for content in contents if content is not None]
        return found if len(found) == len(batch) else None

    @property
    def _model(self) -> int | None:
        """The model that documents without a code must have a vector of, to be looked at."""
        return self.space.model if self.leaves_out else None

    def _missing(self, connection: Connection, after_key: int, up_to_key: int, most: tuple[int, int]) -> list[Document]:
        collection_id, (limit, max_chars) = self.space.collection_id, most
        return codes.missing(
            connection, collection_id, self.space.id, after_key, limit, up_to_key, max_chars, self._model
        )

    def _missing_among(self, connection: Connection, keys: list[int]) -> list[Document]:
        return codes.missing_among(connection, self.space.collection_id, self.space.id, keys, self._model)

    def _outside(self, after_key: int, last_key: int, again: list[int]) -> Iterator[tuple[list[Document], int]]:
        """Documents without a code, in batches: those added between two keys, then some of those before.

        Each with the last seq of the collection in the snapshot in which it was read.
        """
        most = _FILLING if self._fills else _ROUND
        while True:
            with self.database.read() as connection:
                read_seq = collections.by_id(connection, self.space.collection_id).last_seq
                found = self._missing(connection, after_key, last_key, most)
            if not found:
                break
            yield from ((batch, read_seq) for batch in _cut(found, most[1]))
            after_key = found[-1].key
        for start in range(0, len(again), most[0]):
            keys = again[start : start + most[0]]
            with self.database.read() as connection:
                read_seq = collections.by_id(connection, self.space.collection_id).last_seq
                found = self._missing_among(connection, keys)
            yield from ((batch, read_seq) for batch in _cut(found, most[1]))

    def finish(self, lane: Lane, hold_s: float) -> bool:
        """Write the last codes inside the lane; true if none is missing now, false if it took longer than `hold_s`."""
        deadline = time.monotonic() + hold_s
        for batch in self._inside(lane):
            if time.monotonic() > deadline:
                return False
            contents = self._contents(batch)
            if contents is None:
                embedding_models.check_covered(lane.connection, self.space)
                raise AssertionError("nobody can have covered it meanwhile")
            found = self.encode(contents)
            keys = [document.key for document in batch]
            codes.append(lane, self.space.id, keys, found, has_buckets=self.space.has_buckets)
            self.n_written += len(batch)
        return True

    def _inside(self, lane: Lane) -> Iterator[list[Document]]:
        after_key = self._seen[1]
        again = self._again(lane.connection)
        while found := self._missing(lane.connection, after_key, codes.MAX_KEY, _LANE):
            yield from _cut(found, _LANE[1])
            after_key = found[-1].key
        for start in range(0, len(again), _LANE[0]):
            keys = again[start : start + _LANE[0]]
            found = self._missing_among(lane.connection, keys)
            yield from _cut(found, _LANE[1])

    def _again(self, connection: Connection) -> list[int]:
        """The documents up to the key in `_seen` that may lack a code."""
        last_seq, last_key = self._seen
        if last_key == 0:
            return []
        discarded = codes.discarded(connection, self.space.id, last_seq)
        return sorted({*self._left, *(key for key in discarded if key <= last_key)})


@dataclass
class Promotion:
    """Makes a ready or retired space the active one.

    Args:
        database: where everything is.
        space: the space.
        encode: its hash function.
        report: takes progress, `done`, `total` and `eta_s` or `waiting_for`; what it raises stops the run.
        replaces: the version that must be the active one, if it matters which is.
        n_missing: how many documents lack a code, if the caller has counted them.
        leaves_out: promote it even if documents have no vector of its embedding model: they get no code in it.
        conclude: called with the space before the transaction that promotes it ends; it may write in it.
    """

    database: Database
    space: CodeSpace
    encode: Encode
    report: ReportProgress = lambda progress: None
    replaces: int | None = None
    n_missing: int | None = None
    leaves_out: bool = False
    conclude: Conclude[CodeSpace] = lambda connection, space: None

    def run(self, load_timeout_s: float) -> CodeSpace:
        """The space, active now.

        Args:
            load_timeout_s: longest wait for API processes to load the space; those that have not answer from the one
                before until they have.

        Raises:
            ForbiddenMove: it is neither ready nor retired, or another version than `replaces` is active.
            VectorsMissing: documents have no vector of its embedding model.
            NotFound: its collection is gone.
        """
        with self.database.read() as connection:
            self._check(connection)
            if not self.leaves_out:
                embedding_models.check_covered(connection, self.space)
        completion = Completion(self.database, self.space, self.encode, self._report_written(), self.leaves_out)
        completion.catch_up(_HOLD_S[0])
        self._wait_until_loaded(load_timeout_s)
        for hold_s in _HOLD_S:
            completion.catch_up(hold_s)
            self.encode([])  # a function that has to be loaded first is loaded before the lane
            with self.database.lane(self.space.collection_id) as lane:
                self._check(lane.connection)
                if completion.finish(lane, hold_s):
                    promoted = spaces.promote(lane, self.space.id, is_complete=True)
                    self.conclude(lane.connection, promoted)
                    return promoted
        raise AssertionError("the last attempt has no limit")

    def _check(self, connection: Connection) -> None:
        state = spaces.by_id(connection, self.space.id).state
        if "active" not in spaces.MOVES[state]:
            raise ForbiddenMove("code space", str(self.space.version), state, "active")
        active = spaces.active(connection, self.space.collection_id)
        if self.replaces not in (None, active.version):
            replaced = spaces.get(connection, self.space.collection_id, self.replaces)
            raise ForbiddenMove("code space", str(replaced.version), replaced.state, "retired")

    def _report_written(self) -> Callable[[int], None]:
        if self.n_missing is None:
            with self.database.read() as connection:
                self.n_missing = codes.count_missing(
                    connection, self.space.collection_id, self.space.id, self.space.model
                )
        total, began = self.n_missing, time.monotonic()

        def report(done: int) -> None:
            eta_s = (time.monotonic() - began) / max(done, 1) * max(total - done, 0)
            self.report({"done": done, "total": max(total, done), "eta_s": eta_s})

        report(0)
        return report

    def _wait_until_loaded(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        with self.database.write() as connection:
            spaces.ask_preload(connection, self.space.id, timeout_s + _PRELOAD_LONGER_S)
        while time.monotonic() < deadline:
            with self.database.read() as connection:
                waiting = nodes.n_without(connection, self.space.id)
            if not waiting:
                return
            self.report({"waiting_for": waiting})
            time.sleep(0.1)


def _cut(batch: list[Document], n_chars: int) -> Iterator[list[Document]]:
    """The documents in lists of at most `n_chars` characters, or of one document."""
    part: list[Document] = []
    n = 0
    for document in batch:
        if part and n + size_of(document.content) > n_chars:
            yield part
            part, n = [], 0
        part.append(document)
        n += size_of(document.content)
    if part:
        yield part
