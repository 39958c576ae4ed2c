"""Preview: how answers would change if another code space became the active one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.encoding import Encoder
from service.errors import ForbiddenMove
from service.hashing.codes import Codes
from service.hashing.content import Text
from service.store import buckets, collections, document_samples, documents, kept_queries, spaces
from service.store.database import Database
from service.store.spaces import CodeSpace
from service.threads import run_in_large_thread, run_in_thread

NEAREST = 10
"""Nearest documents that are compared."""
MAX_SEARCHED = 500_000
"""Most documents that are searched, the oldest: their codes are read from SQL, in about a second."""
_SHOWN = 10
_SEED = 1


@dataclass(frozen=True, slots=True)
class ChangedAnswer:
    """A document, or a query, whose nearest would change.

    Attributes:
        asked: id of the document, or the text of the query.
        overlap: how many of its nearest stay among them.
        leave: ids of those that would not be among them any more, the nearest first.
        come: ids of those that would be new, the nearest first.
    """

    asked: str
    overlap: int
    leave: Sequence[str]
    come: Sequence[str]


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far the nearest of several documents or queries are the same in two spaces.

    Attributes:
        n: documents or queries that were asked.
        overlap: mean share of the nearest that are the same; 1 where there is nothing to compare.
        histogram: how many of them have 0, 1, ... k of the nearest in common.
        worst: those with the least overlap.
    """

    n: int
    overlap: float
    histogram: Sequence[int]
    worst: Sequence[ChangedAnswer]


@dataclass(frozen=True, slots=True)
class Preview:
    """How the nearest in one space differ from those in the active one.

    Attributes:
        version: of the space.
        active_version: of the active one.
        n_searched: documents with a code in both, among which the nearest were looked for.
        k: how many nearest were compared.
        documents: of a sample of documents that have a code in both.
        queries: of the last queries that were kept; None where there are none.
    """

    version: int
    active_version: int
    n_searched: int
    k: int
    documents: Overlap
    queries: Overlap | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is compared: two spaces of a collection, and texts that it was asked with."""

    collection_id: int
    space: CodeSpace
    active: CodeSpace
    texts: list[str]


class Previews:
    """Compares the answers of two code spaces."""

    def __init__(self, database: Database, encoder: Encoder) -> None:
        self.database = database
        self.encoder = encoder

    async def preview(self, collection: str, version: int, n: int) -> Preview:
        """How the ten nearest of up to `n` documents and `n` kept queries would change if that version became active.

        Codes of both spaces are read from SQL, whether or not a process has them in memory; queries are encoded.

        Raises:
            NotFound: there is no such collection or version.
            ForbiddenMove: the space has no codes yet, or failed.

        Cost: linear in the documents, up to 500,000, for each document and query of the sample.
        """
        plan = await run_in_thread(self._plan, collection, version, n)
        asked: list[Codes] = []
        if plan.texts:
            contents = [Text(text) for text in plan.texts]
            asked = [(await self.encoder.encode(str(one.digest), contents)).codes for one in (plan.active, plan.space)]
        return await run_in_large_thread(self._compare, plan, n, asked)

    def _plan(self, name: str, version: int, n: int) -> _Plan:
        with self.database.read() as connection:
            collection = collections.get(connection, name)
            space, active = spaces.get(connection, collection.id, version), spaces.active(connection, collection.id)
            texts = kept_queries.last(connection, collection.id, n) if collection.kind == "text" else []
        if space.state not in ("evaluating", "ready", "active", "retired"):
            raise ForbiddenMove("code space", str(version), space.state, "previewed")
        return _Plan(collection.id, space, active, texts)

    def _compare(self, plan: _Plan, n: int, asked: Sequence[Codes]) -> Preview:
        with self.database.read() as connection:
            two = _CodesOfTwo.read(connection, plan.space, plan.active)
            rows = np.flatnonzero(
                np.isin(two.keys, document_samples.sample_keys(connection, plan.collection_id, n, _SEED))
            )
            k = max(0, min(NEAREST, len(two.keys) - 1))
            found = [two.nearest_of_row(int(row), k) for row in rows]
            ids = documents.ids_of(connection, [int(key) for key in two.keys[rows]])
            by_document = _overlap(connection, two.keys, k, [ids.get(int(key), "") for key in two.keys[rows]], found)
            by_query = None
            if asked:
                pairs = zip(*map(_words, asked), strict=True)
                nearest = [two.nearest_of_codes(before, after, k) for before, after in pairs]
                by_query = _overlap(connection, two.keys, k, plan.texts, nearest)
        return Preview(plan.space.version, plan.active.version, len(two.keys), k, by_document, by_query)


_Change = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows of the nearest in the active space, and in the other one, the nearest first."""


@dataclass(frozen=True)
class _CodesOfTwo:
    """Codes of the documents that have one in both spaces, by key, each as a few 64-bit words: `(n, n_words)`."""

    keys: NDArray[np.int64]
    new: NDArray[np.uint64]
    active: NDArray[np.uint64]

    @classmethod
    def read(cls, connection: Connection, space: CodeSpace, active: CodeSpace) -> _CodesOfTwo:
        keys, codes = _first_codes(connection, space)
        active_keys, active_codes = _first_codes(connection, active)
        both, mine, theirs = np.intersect1d(keys, active_keys, assume_unique=True, return_indices=True)
        return cls(both, _words(codes[mine]), _words(active_codes[theirs]))

    def nearest_of_row(self, row: int, k: int) -> _Change:
        """The `k` nearest of a document but itself, in the order of answers."""
        return _nearest(self.active, self.active[row], k, row), _nearest(self.new, self.new[row], k, row)

    def nearest_of_codes(self, active: NDArray[np.uint64], new: NDArray[np.uint64], k: int) -> _Change:
        """The `k` nearest of a query with these codes in the two spaces."""
        return _nearest(self.active, active, k), _nearest(self.new, new, k)


def _first_codes(connection: Connection, space: CodeSpace) -> tuple[NDArray[np.int64], Codes]:
    keys, codes, n = [np.empty(0, np.int64)], [np.empty((0, space.n_bits // 8), np.uint8)], 0
    for part_keys, part_codes in buckets.scan(connection, space.id, space.n_bits // 8):
        keys.append(part_keys)
        codes.append(part_codes)
        n += len(part_keys)
        if n >= MAX_SEARCHED:
            break
    return np.concatenate(keys)[:MAX_SEARCHED], np.concatenate(codes)[:MAX_SEARCHED]


def _words(codes: Codes) -> NDArray[np.uint64]:
    """Codes `(n, n_bytes)` as words, filled up with zeros: counting bits by words takes a thirtieth of the time."""
    filled = np.zeros((len(codes), -(-codes.shape[1] // 8) * 8), dtype=np.uint8)
    filled[:, : codes.shape[1]] = codes
    return filled.view(np.uint64)


def _nearest(
    words: NDArray[np.uint64], code: NDArray[np.uint64], k: int, leave_out: int | None = None
) -> NDArray[np.int64]:
    if k == 0:
        return np.empty(0, np.int64)
    distances = np.zeros(len(words), dtype=np.int32)
    for column, part in zip(words.T, code, strict=True):
        distances += np.bitwise_count(column ^ part)
    if leave_out is not None:
        distances[leave_out] = np.iinfo(np.int32).max
    within = np.flatnonzero(distances <= np.partition(distances, k - 1)[k - 1])
    return within[np.argsort(distances[within], kind="stable")][:k]


def _overlap(
    connection: Connection, keys: NDArray[np.int64], k: int, asked: Sequence[str], changes: Sequence[_Change]
) -> Overlap:
    """How far the changes leave the nearest of those that were asked the same."""
    same = np.array([len(np.intersect1d(*change)) for change in changes], dtype=np.int64)
    worst = [int(i) for i in np.argsort(same, kind="stable")[:_SHOWN] if same[i] < k]
    rows = {row for i in worst for part in changes[i] for row in part.tolist()}
    ids = documents.ids_of(connection, [int(keys[row]) for row in sorted(rows)])

    def named(some: NDArray[np.int64], others: NDArray[np.int64]) -> list[str]:
        """Ids of documents that are not gone meanwhile."""
        return [ids[key] for row in some.tolist() if row not in others and (key := int(keys[row])) in ids]

    answers = []
    for i in worst:
        before, after = changes[i]
        answers.append(ChangedAnswer(asked[i], int(same[i]), named(before, after), named(after, before)))
    share = float(same.mean() / k) if len(same) and k else 1.0
    return Overlap(len(same), share, np.bincount(same, minlength=k + 1).tolist(), answers)
