"""HammingTable: the exact k nearest and all within a radius, in memory; readers never wait for the writer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidInput
from service.hashing.codes import Codes, check_n_bits, hamming_distance

Keys = NDArray[np.int64]
"""`(n,)` int64 document keys."""

Allowed = Keys | Collection[int] | None
"""The keys that an answer may hold; None allows all."""


@dataclass(frozen=True, slots=True)
class Stats:
    """The work one query took: why it was fast, or not.

    `path` is "scan" or "probe"; `probes` counts buckets looked into, `candidates` codes whose distance was computed,
    and within `radius` bits of the query nothing was left unseen.
    """

    path: str
    probes: int
    candidates: int
    radius: int


@dataclass(frozen=True, slots=True)
class Neighbors:
    """One query's answer, ascending by (distance, key): `keys` `(n,)` int64, `distances` `(n,)` int64 in bits."""

    keys: Keys
    distances: NDArray[np.int64]
    stats: Stats


@dataclass(frozen=True, slots=True)
class _State:
    """What a reader sees, never changed once published: keys ascending, and their codes."""

    keys: Keys
    codes: Codes


class HammingTable:
    """Binary codes of one width under unique int64 keys, searched exactly.

    One thread may write while any number read: a reader takes one reference to the state and keeps it to the end, so a
    query sees an update whole or not at all.
    """

    def __init__(self, n_bits: int) -> None:
        self._n_bits = check_n_bits(n_bits)
        self._state = _State(np.empty(0, np.int64), np.empty((0, n_bits // 8), np.uint8))

    @classmethod
    def build(cls, codes: Codes, keys: Keys) -> HammingTable:
        """A table of `(n, n_bytes)` uint8 codes under `(n,)` unique int64 keys, in any order; n may be 0.

        Raises:
            InvalidInput: shapes, width or dtype are wrong, or a key comes twice.
        """
        table = cls(8 * codes.shape[1] if codes.ndim == 2 else 0)
        codes, keys = table._checked(codes, keys)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        if (keys[1:] == keys[:-1]).any():
            raise InvalidInput("keys must be unique, one came more than once")
        table._state = _State(keys, codes[order])
        return table

    def __len__(self) -> int:
        return len(self._state.keys)

    @property
    def n_bits(self) -> int:
        """Width of the codes in bits."""
        return self._n_bits

    @property
    def memory_bytes(self) -> int:
        """Bytes that codes and keys take."""
        return self._state.keys.nbytes + self._state.codes.nbytes

    def add(self, codes: Codes, keys: Keys) -> None:
        """Put `(n, n_bytes)` codes under `(n,)` keys; a key that is present is replaced, the last of equal keys wins.

        Raises:
            InvalidInput: shapes, width or dtype are wrong.
        """
        codes, keys = self._checked(codes, keys)
        state = self._state
        all_keys, all_codes = np.concatenate([state.keys, keys]), np.concatenate([state.codes, codes])
        order = np.argsort(all_keys, kind="stable")
        ordered = all_keys[order]
        last = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]
        self._state = _State(ordered[last], all_codes[order[last]])

    def delete(self, keys: Keys) -> None:
        """Take `(n,)` keys out; those that are absent are ignored."""
        state = self._state
        kept = ~np.isin(state.keys, np.asarray(keys, np.int64))
        self._state = _State(state.keys[kept], state.codes[kept])

    def get(self, keys: Keys) -> tuple[Codes, NDArray[np.bool_]]:
        """The codes of `(n,)` keys: `(n, n_bytes)` uint8, zero where absent, and the `(n,)` mask of those found."""
        state, keys = self._state, np.asarray(keys, np.int64)
        codes = np.zeros((len(keys), self._n_bits // 8), np.uint8)
        if not len(state.keys):
            return codes, np.zeros(len(keys), np.bool_)
        places = np.minimum(np.searchsorted(state.keys, keys), len(state.keys) - 1)
        found = state.keys[places] == keys
        codes[found] = state.codes[places[found]]
        return codes, found

    def search(self, codes: Codes, k: int, allowed: Allowed = None) -> list[Neighbors]:
        """The exact `k` nearest of each of `(q, n_bytes)` codes, or all that there are when they are fewer.

        Args:
            codes: the queries, `(q, n_bytes)` uint8.
            k: how many, at least 1.
            allowed: the keys an answer may hold; never fewer than k come back when k allowed keys exist.

        Raises:
            InvalidInput: shape, width or dtype of the codes is wrong, or k < 1.
        """
        if k < 1:
            raise InvalidInput(f"k must be at least 1, got {k}")
        keys, stored = self._allowed_part(allowed)
        return [_nearest(keys, _distances(stored, code), k, self._n_bits) for code in self._checked_queries(codes)]

    def within(self, codes: Codes, radius: int, allowed: Allowed = None) -> list[Neighbors]:
        """All that lie within `radius` bits of each of `(q, n_bytes)` codes; radius 0 finds equal codes.

        Raises:
            InvalidInput: shape, width or dtype of the codes is wrong, or radius < 0.
        """
        if radius < 0:
            raise InvalidInput(f"radius must be at least 0, got {radius}")
        keys, stored = self._allowed_part(allowed)
        return [_within(keys, _distances(stored, code), radius) for code in self._checked_queries(codes)]

    def _allowed_part(self, allowed: Allowed) -> tuple[Keys, Codes]:
        """Keys and codes of one state, only the allowed ones."""
        state = self._state
        if allowed is None:
            return state.keys, state.codes
        wanted = allowed if isinstance(allowed, np.ndarray) else np.fromiter(allowed, np.int64, len(allowed))
        mask = np.isin(state.keys, wanted)
        return state.keys[mask], state.codes[mask]

    def _checked_queries(self, codes: Codes) -> Codes:
        if codes.ndim != 2 or codes.shape[1] * 8 != self._n_bits or codes.dtype != np.uint8:
            raise InvalidInput(f"codes must be (n, {self._n_bits // 8}) uint8, got {codes.shape} {codes.dtype}")
        return codes

    def _checked(self, codes: Codes, keys: Keys) -> tuple[Codes, Keys]:
        self._checked_queries(codes)
        if keys.shape != (len(codes),) or keys.dtype != np.int64:
            raise InvalidInput(f"keys must be ({len(codes)},) int64, one for each code, got {keys.shape} {keys.dtype}")
        return codes, keys


def _distances(codes: Codes, code: Codes) -> NDArray[np.integer]:
    """Distances of `(n, n_bytes)` codes from one code; 64-bit codes go by whole words."""
    if codes.shape[1] == 8:
        words: NDArray[np.uint64] = np.ascontiguousarray(codes).view(np.uint64)[:, 0]
        counts: NDArray[np.uint8] = np.bitwise_count(words ^ code.copy().view(np.uint64)[0])
        return counts
    return hamming_distance(codes, code)


def _nearest(keys: Keys, distances: NDArray[np.integer], k: int, n_bits: int) -> Neighbors:
    """The first k by (distance, key); `keys` ascend."""
    bound = int(np.partition(distances, k - 1)[k - 1]) if k < len(keys) else n_bits
    hits = np.flatnonzero(distances <= bound)
    hits = hits[np.argsort(distances[hits], kind="stable")[:k]]
    return Neighbors(keys[hits], distances[hits].astype(np.int64), Stats("scan", 0, len(keys), n_bits))


def _within(keys: Keys, distances: NDArray[np.integer], radius: int) -> Neighbors:
    hits = np.flatnonzero(distances <= radius)
    hits = hits[np.argsort(distances[hits], kind="stable")]
    return Neighbors(keys[hits], distances[hits].astype(np.int64), Stats("scan", 0, len(keys), radius))
