"""Texts: the different texts of a column, in the order of their code points, each known by its place (its code)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from heapq import merge
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from service.index.columns.dates import NO_DATE
from service.index.columns.selected import Selected, of_codes

END = b"\xff"
"""Follows each text; no byte of UTF-8 is as great, so no search runs from one text into the next."""

Instants = NDArray[np.int64]
Codes = NDArray[np.integer]
_CHUNK, _SORTED_AT_ONCE = 1 << 20, 5_000


def encoded(text: str) -> bytes:
    """A text as it lies in the dictionary: the order of these bytes is that of the code points."""
    return text.encode("utf-8", "surrogatepass")


def in_order(texts: list[str]) -> list[str]:
    """Texts by their code points, sorted in parts: one sort of many would keep other threads waiting."""
    parts = [sorted(texts[start : start + _SORTED_AT_ONCE]) for start in range(0, len(texts), _SORTED_AT_ONCE)]
    return list(merge(*parts)) if len(parts) > 1 else sorted(texts)


class Texts:
    """Different texts, ascending; never changed once made.

    Args:
        starts: `(n + 1,)` where in `data` each text begins.
        data: `(n_bytes,)` uint8: the UTF-8 bytes of the texts, each with an `END` behind it.
        instants: `(n,)` int64 of those that are dates, else `NO_DATE`; None if no text is a date.
    """

    __slots__ = ("_heads", "_n_shared", "data", "instants", "starts")

    def __init__(self, starts: NDArray[np.integer], data: NDArray[np.uint8], instants: Instants | None) -> None:
        self.starts, self.data, self.instants = starts, data, instants
        self._heads: NDArray[np.uint64] | None = None
        self._n_shared = 0

    @classmethod
    def of_sorted(cls, texts: Sequence[str], instants: Instants) -> Texts:
        """The dictionary of different texts that ascend, with the instants of those that are dates."""
        parts = [encoded(text) for text in texts]
        lengths = np.fromiter(map(len, parts), np.int64, len(parts)) + 1
        data = np.frombuffer(END.join([*parts, b""]), np.uint8)
        return cls(starts_of(lengths), data, instants if (instants != NO_DATE).any() else None)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def memory_bytes(self) -> int:
        """Bytes of all arrays, those that the first search makes among them."""
        arrays = (self.starts, self.data, self.instants)
        return 8 * len(self) + sum(array.nbytes for array in arrays if array is not None)

    def __getitem__(self, code: int) -> str:
        return self.bytes_of(code).decode("utf-8", "surrogatepass")

    def bytes_of(self, code: int) -> bytes:
        """The UTF-8 bytes of a text."""
        return self.data[self.starts[code] : self.starts[code + 1] - 1].tobytes()

    def decoded(self, codes: Codes) -> list[str]:
        """The texts of `(m,)` codes."""
        return [self[code] for code in codes.tolist()]

    def places(self, texts: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """How many texts are less than each of `m` UTF-8 texts, in any order, and whether it is among them.

        Cost: m binary searches over heads of 8 bytes; where heads are equal, slower ones over the texts.
        """
        n = len(self)
        if not n or not texts:
            return np.zeros(len(texts), np.int64), np.zeros(len(texts), bool)
        heads, shared = self._searched()
        asked = np.array([_head(text, shared) for text in texts], np.uint64)
        left = np.searchsorted(heads, asked, "left")
        right = np.searchsorted(heads, asked, "right")
        found = np.zeros(len(texts), bool)
        for i in np.flatnonzero(_differ(texts, shared)).tolist():
            left[i] = 0 if texts[i] < shared else n
            right[i] = left[i]
        for i in np.flatnonzero(right > left).tolist():
            place = bisect_left(range(left[i], right[i]), texts[i], key=self.bytes_of) + int(left[i])
            left[i] = place
            found[i] = place < right[i] and self.bytes_of(place) == texts[i]
        return left.astype(np.int64), found

    def _searched(self) -> tuple[NDArray[np.uint64], bytes]:
        """What of each text follows what all share, 8 bytes as a number; and what they share."""
        first, last = self.bytes_of(0), self.bytes_of(len(self) - 1)
        if self._heads is None:
            limit = min(len(first), len(last))
            shared = next((i for i in range(limit) if first[i] != last[i]), limit)
            self._n_shared, self._heads = shared, _heads(self.starts, self.data, shared)
        return self._heads, first[: self._n_shared]

    def equal_to(self, texts: Sequence[str]) -> Selected:
        """The codes of some texts."""
        places, found = self.places([encoded(text) for text in texts])
        return of_codes(len(self), places[found])

    def between(self, gt: str | None, gte: str | None, lt: str | None, lte: str | None) -> Selected:
        """The codes of the texts between these, in the order of code points; None leaves a side open."""
        starts = [self._place(text, is_after) for text, is_after in ((gt, True), (gte, False)) if text is not None]
        ends = [self._place(text, is_after) for text, is_after in ((lt, False), (lte, True)) if text is not None]
        return range(max(starts, default=0), min(ends, default=len(self)))

    def _place(self, text: str, is_after: bool) -> int:
        """How many texts are less than that one; with `is_after` or are it."""
        places, found = self.places([encoded(text)])
        return int(places[0]) + (is_after and bool(found[0]))

    def dated(self, first: int, last: int) -> Selected:
        """The codes of the texts that are dates from one instant to another, both included."""
        return range(0) if self.instants is None else (self.instants >= first) & (self.instants <= last)

    def beginning_with(self, prefix: str) -> Selected:
        """The codes of the texts that begin so."""
        places, _ = self.places([encoded(prefix), encoded(prefix) + END])
        return range(int(places[0]), int(places[1]))

    def containing(self, text: str) -> Selected:
        """The codes of the texts that have that one in them. Cost: one pass over the bytes."""
        wanted = encoded(text)
        if not wanted:
            return range(len(self))
        steps = np.arange(0, len(self.data), _CHUNK).astype(self.starts.dtype)
        bounds: list[int] = np.searchsorted(self.starts, steps).tolist()
        places: list[int] = []
        for begin, end in pairwise([*bounds, len(self)]):
            offset = int(self.starts[begin])
            data = self.data[offset : self.starts[end]].tobytes()
            at = data.find(wanted)
            while at >= 0:
                places.append(at + offset)
                at = data.find(wanted, data.find(END, at))
        found = np.zeros(len(self), bool)
        found[np.searchsorted(self.starts, np.array(places, self.starts.dtype), "right") - 1] = True
        return found

    def merged(
        self, used: NDArray[np.bool_], others: Sequence[str], other_instants: Instants
    ) -> tuple[Texts, NDArray[np.int64], NDArray[np.int64]]:
        """A dictionary of the used texts of this one and of others, which are different and ascend.

        Returns:
            the dictionary; the new codes of the texts of this one, any for unused ones; and those of the others.
        """
        parts = [encoded(text) for text in others]
        places, is_known = self.places(parts)
        used = used.copy()
        used[places[is_known]] = True
        new = np.flatnonzero(~is_known)
        kept_before = np.concatenate([[0], np.cumsum(used)])  # (n + 1,)
        at = kept_before[places[new]]  # how many kept texts come before each new one
        mine = kept_before[:-1] + np.searchsorted(places[new], np.arange(len(used)), "right")
        theirs = np.empty(len(others), np.int64)
        theirs[new] = at + np.arange(len(new))
        theirs[is_known] = mine[places[is_known]]
        data = END.join([*(parts[i] for i in new.tolist()), b""])
        lengths = np.fromiter((len(parts[i]) + 1 for i in new.tolist()), np.int64, len(new))
        new_starts = starts_of(lengths).astype(np.int64) + len(self.data)
        kept = np.flatnonzero(used)
        starts = np.insert(self.starts[:-1][kept].astype(np.int64), at, new_starts[:-1])
        ends = np.insert(self.starts[1:][kept].astype(np.int64), at, new_starts[1:])
        instants = None
        if self.instants is not None or (other_instants[new] != NO_DATE).any():
            before = np.full(len(kept), NO_DATE) if self.instants is None else self.instants[kept]
            instants = np.insert(before, at, other_instants[new])
        both = np.concatenate([self.data, np.frombuffer(data, np.uint8)])
        return Texts(starts_of(ends - starts), _gathered(both, starts, ends), instants), mine, theirs


def starts_of(lengths: NDArray[np.int64]) -> NDArray[np.integer]:
    """Where texts of these lengths begin, and where the last one ends: `(n + 1,)`, as short integers as will do."""
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return starts.astype(np.uint32) if starts[-1] < 1 << 32 else starts


def _gathered(data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The texts that lie from each start to its end, one after the other."""
    breaks = np.flatnonzero(starts[1:] != ends[:-1]) + 1
    run_starts = starts[np.concatenate([[0], breaks])] if len(starts) else starts
    run_ends = ends[np.concatenate([breaks - 1, [len(ends) - 1]])] if len(ends) else ends
    view = data.data
    runs = [view[start:end] for start, end in zip(run_starts.tolist(), run_ends.tolist(), strict=True)]
    return np.frombuffer(b"".join(runs), np.uint8)


def _heads(starts: NDArray[np.integer], data: NDArray[np.uint8], n_shared: int) -> NDArray[np.uint64]:
    """8 bytes of each text after the first `n_shared`, as a number that is greater where they are: `(n,)` uint64."""
    heads = np.zeros(len(starts) - 1, np.uint64)
    for i in range(8):
        places = starts[:-1].astype(np.int64) + n_shared + i
        is_in = places < starts[1:].astype(np.int64) - 1
        heads[is_in] |= data[places[is_in]].astype(np.uint64) << np.uint64(56 - 8 * i)
    return heads


def _head(text: bytes, shared: bytes) -> int:
    return int.from_bytes(text[len(shared) : len(shared) + 8].ljust(8, b"\0"), "big")


def _differ(texts: Sequence[bytes], shared: bytes) -> NDArray[np.bool_]:
    return np.fromiter((not text.startswith(shared) for text in texts), bool, len(texts))
