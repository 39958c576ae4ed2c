"""Preview: how answers would change if another code space became the active one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.errors import ForbiddenMove
from service.hashing.codes import Codes
from service.store import buckets, collections, documents, spaces
from service.store.database import Database
from service.store.spaces import CodeSpace
from service.threads import run_in_large_thread

NEAREST = 10
"""Nearest documents that are compared."""
MAX_SEARCHED = 500_000
"""Most documents that are searched, the oldest: their codes are read from SQL, in about a second."""
_SHOWN = 10
_SEED = 1


@dataclass(frozen=True, slots=True)
class ChangedAnswer:
    """A document whose nearest would change.

    Attributes:
        id: of the document.
        overlap: how many of its nearest stay among them.
        leave: ids of those that would not be among them any more, the nearest first.
        come: ids of those that would be new, the nearest first.
    """

    id: str
    overlap: int
    leave: Sequence[str]
    come: Sequence[str]


@dataclass(frozen=True, slots=True)
class Preview:
    """How the nearest of a sample of documents in one space differ from those in the active one.

    Attributes:
        version: of the space.
        active_version: of the active one.
        n_documents: documents of the sample that have a code in both.
        n_searched: documents with a code in both, among which the nearest were looked for.
        k: how many nearest were compared.
        overlap: mean share of the nearest that are the same; 1 where there is nothing to compare.
        histogram: number of documents of which 0, 1, ... k of the nearest are the same.
        worst: documents with the least overlap.
    """

    version: int
    active_version: int
    n_documents: int
    n_searched: int
    k: int
    overlap: float
    histogram: Sequence[int]
    worst: Sequence[ChangedAnswer]


class Previews:
    """Compares the answers of two code spaces."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def preview(self, collection: str, version: int, n: int) -> Preview:
        """How the ten nearest of up to `n` documents would change if that version became the active one.

        Codes of both spaces are read from SQL, whether or not a process has them in memory; nothing is encoded.

        Raises:
            NotFound: there is no such collection or version.
            ForbiddenMove: the space has no codes yet, or failed.

        Cost: linear in the documents, up to 500,000, for each document of the sample.
        """
        return await run_in_large_thread(self._preview, collection, version, n)

    def _preview(self, name: str, version: int, n: int) -> Preview:
        with self.database.read() as connection:
            collection = collections.get(connection, name)
            space, active = spaces.get(connection, collection.id, version), spaces.active(connection, collection.id)
            if space.state not in ("evaluating", "ready", "active", "retired"):
                raise ForbiddenMove("code space", str(version), space.state, "previewed")
            pair = _CodesOfTwo.read(connection, space, active)
            asked = documents.sample_keys(connection, collection.id, n, _SEED)
            rows = np.flatnonzero(np.isin(pair.keys, asked))
            k = max(0, min(NEAREST, len(pair.keys) - 1))
            found = [pair.nearest(int(row), k) for row in rows]
            overlaps = np.array([len(np.intersect1d(*one)) for one in found], dtype=np.int64)
            worst = np.argsort(overlaps, kind="stable")[:_SHOWN]
            changed = [(int(rows[i]), found[i]) for i in worst if overlaps[i] < k]
            answers = _answers(connection, pair.keys, changed)
        share = float(overlaps.mean() / k) if len(overlaps) and k else 1.0
        histogram = np.bincount(overlaps, minlength=k + 1).tolist()
        return Preview(version, active.version, len(rows), len(pair.keys), k, share, histogram, answers)


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

    def nearest(self, row: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the `k` nearest of a row but itself, in the active space and in the new one, in their order."""
        return _nearest(self.active, row, k), _nearest(self.new, row, k)


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


def _nearest(words: NDArray[np.uint64], row: int, k: int) -> NDArray[np.int64]:
    distances = np.zeros(len(words), dtype=np.int32)
    for column in words.T:
        distances += np.bitwise_count(column ^ column[row])
    distances[row] = np.iinfo(np.int32).max
    if k == 0:
        return np.empty(0, np.int64)
    within = np.flatnonzero(distances <= np.partition(distances, k - 1)[k - 1])
    return within[np.argsort(distances[within], kind="stable")][:k]


def _answers(
    connection: Connection,
    keys: NDArray[np.int64],
    changed: Sequence[tuple[int, tuple[NDArray[np.int64], NDArray[np.int64]]]],
) -> list[ChangedAnswer]:
    """The changes by ids; documents that are gone meanwhile are left out."""
    rows = {row for own, (before, after) in changed for row in (own, *before.tolist(), *after.tolist())}
    by_key = documents.ids_of(connection, [int(keys[row]) for row in sorted(rows)])
    ids = {row: by_key[key] for row in rows if (key := int(keys[row])) in by_key}

    def named(some: NDArray[np.int64], others: NDArray[np.int64]) -> list[str]:
        return [ids[row] for row in some.tolist() if row not in others and row in ids]

    return [
        ChangedAnswer(ids[own], len(np.intersect1d(before, after)), named(before, after), named(after, before))
        for own, (before, after) in changed
        if own in ids
    ]
