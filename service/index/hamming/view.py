"""View: what one query sees of a table, never changed once published; the base, what was added since, what was deleted.

    id 0 .. n_base - 1      codes of the base (`service.index.hamming.layout`), ascending by key
    id n_base ..            codes of the delta, in the order they were added

A deleted or replaced code keeps its id and is marked: in the `dead` bitmap or, so that one delete need not copy it,
among the few `recent` ids. Delta and `recent` grow in place behind what older views count; what a view counts never
changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.index.hamming import layout
from service.index.hamming.layout import Words

Keys = NDArray[np.int64]
"""`(n,)` int64 document keys."""

Ids = NDArray[np.int64]

MAX_RECENT = 128
MIN_ROOM = 1024
NO_BITS: Words = np.empty(0, np.uint64)

# the record: every array by address, one small array to hand to the compiled loops
R_WORDS, R_DELTA, R_DELTA_STRIDE, R_DEAD, R_RECENT, RECORD_WORDS = range(6)


def bitmap(n: int, ids: Ids) -> Words:
    """A bitmap with room for `n` ids in which `ids` are set."""
    bits = np.zeros(n // 64 + 1, np.uint64)
    np.bitwise_or.at(bits, ids >> 6, np.uint64(1) << (ids & 63).astype(np.uint64))
    return bits


def are_set(bits: Words, ids: Ids) -> NDArray[np.bool_]:
    """Which of `ids` are set in a bitmap; an empty bitmap has none."""
    if not len(bits):
        return np.zeros(len(ids), np.bool_)
    mask: NDArray[np.bool_] = (bits[ids >> 6] >> (ids & 63).astype(np.uint64)) & np.uint64(1) != 0
    return mask


def new_delta(n_planes: int, room: int) -> Words:
    """An empty delta with room for at least `room` columns."""
    return np.zeros((n_planes + 1, max(room, MIN_ROOM) + layout.SLACK), np.uint64)


def _address(array: NDArray[np.generic]) -> int:
    return int(array.__array_interface__["data"][0]) if array.size else 0


@dataclass(slots=True, eq=False)
class Arrays:
    """What the views of a table share, from one base, delta or bitmap to the next.

    Attributes:
        words: the base.
        base_keys: its keys, ascending.
        n_base: how many.
        last_key: the greatest of them; if there are none, less than any key.
        delta: `(n_planes + 1, capacity)` words: code planes, and keys in the last row; columns are appended in place.
        room: how many.
        cells: the words of the delta, row after row: one is written in half the time that the array takes.
        dead: bitmap over all ids, or empty if none is set.
        recent: `(MAX_RECENT,)` uint32 ids that died since the bitmap was made; appended in place.
        sliced: the codes of the base bit after bit, for loops that scan them so; empty until they are first scanned.
        record: all of them by address, but for `sliced`.
        latest: the ids in `recent`, to look one up; for the writer.
    """

    words: Words
    base_keys: Keys
    n_base: int
    last_key: int
    delta: Words
    room: int
    cells: memoryview
    dead: Words
    recent: NDArray[np.uint32]
    sliced: Words
    record: NDArray[np.int64]
    latest: set[int]

    @classmethod
    def of(cls, words: Words, delta: Words, dead: Words, sliced: Words) -> Arrays:
        """These arrays, with an empty `recent`."""
        keys, recent, record = layout.keys_of(words), np.zeros(MAX_RECENT, np.uint32), np.zeros(RECORD_WORDS, np.int64)
        record[R_DELTA_STRIDE] = delta.shape[1]
        for place, array in (
            (R_WORDS, words),
            (R_DELTA, delta),
            (R_DEAD, dead),
            (R_RECENT, recent),
        ):
            record[place] = _address(array)
        last_key = int(keys[-1]) if len(keys) else -(1 << 63) - 1
        room = delta.shape[1] - layout.SLACK
        cells = delta.reshape(-1).data
        return cls(words, keys, len(keys), last_key, delta, room, cells, dead, recent, sliced, record, set())


@dataclass(slots=True, eq=False)
class View:
    """One state of a table; treat it as frozen. It is four words, so that a write of one code is cheap to publish.

    Attributes:
        arrays: of which the view sees the whole base, and so much of what grows:
        n_delta: how many columns of the delta count.
        n_recent: how many entries of `recent` count.
        n_live: codes that are not dead.
    """

    arrays: Arrays
    n_delta: int
    n_recent: int
    n_live: int

    @classmethod
    def of(
        cls, words: Words, delta: Words, n_delta: int, n_live: int, dead: Words = NO_BITS, sliced: Words = NO_BITS
    ) -> View:
        """A view of these arrays, with nothing in `recent`."""
        return cls(Arrays.of(words, delta, dead, sliced), n_delta, 0, n_live)

    @classmethod
    def of_base(cls, words: Words) -> View:
        """A view of a base alone."""
        return cls.of(words, new_delta(len(layout.planes_of(words)), 0), 0, len(layout.keys_of(words)))

    def appended(self, n: int) -> View:
        """The view that counts `n` more columns of the delta, written before."""
        return View(self.arrays, self.n_delta + n, self.n_recent, self.n_live + n)

    def has_room(self, n: int) -> bool:
        """Whether `n` more columns fit into the delta."""
        return self.n_delta + n <= self.arrays.room

    def with_room(self, n: int) -> View:
        """This view, with room for `n` more columns in its delta."""
        if self.has_room(n):
            return self
        delta = new_delta(len(self.delta) - 1, 2 * (self.n_delta + n))
        delta[:, : self.n_delta] = self.delta[:, : self.n_delta]
        dead = self._marked(delta, np.empty(0, np.int64))
        return View.of(self.words, delta, self.n_delta, self.n_live, dead, self.arrays.sliced)

    def without(self, ids: Ids) -> View:
        """The view in which the live `ids` are dead too."""
        end = self.n_recent + len(ids)
        if end > MAX_RECENT:
            dead = self._marked(self.delta, ids)
            return View.of(self.words, self.delta, self.n_delta, self.n_live - len(ids), dead, self.arrays.sliced)
        self.arrays.recent[self.n_recent : end] = ids
        self.arrays.latest.update(ids.tolist())
        return View(self.arrays, self.n_delta, end, self.n_live - len(ids))

    def without_one(self, code_id: int) -> View:
        """The same for one id, without the arrays that many need."""
        arrays, end = self.arrays, self.n_recent
        if end == MAX_RECENT:
            return self.without(np.array([code_id]))
        arrays.recent[end] = code_id
        arrays.latest.add(code_id)
        return View(arrays, self.n_delta, end + 1, self.n_live - 1)

    def is_live(self, code_id: int) -> bool:
        """Whether an id is not dead, in the writer's own view, the last one."""
        arrays = self.arrays
        if code_id in arrays.latest:
            return False
        marked = int(arrays.dead[code_id >> 6]) >> (code_id & 63) & 1 if len(arrays.dead) else 0
        return marked == 0

    def _marked(self, delta: Words, ids: Ids) -> Words:
        """The dead and `ids` as a bitmap that has room for that delta; empty if there are none."""
        recent = self.arrays.recent[: self.n_recent].astype(np.int64)
        if not len(self.dead) and not len(recent) and not len(ids):
            return NO_BITS
        marked = bitmap(self.n_base + delta.shape[1], np.concatenate([recent, ids]))
        marked[: len(self.dead)] |= self.dead
        return marked

    @property
    def words(self) -> Words:
        """The base."""
        return self.arrays.words

    @property
    def base_keys(self) -> Keys:
        """Keys of the base, ascending."""
        return self.arrays.base_keys

    @property
    def delta(self) -> Words:
        """All of the delta, of which `n_delta` columns count."""
        return self.arrays.delta

    @property
    def dead(self) -> Words:
        """The bitmap of the dead that are not in `recent`."""
        return self.arrays.dead

    @property
    def n_base(self) -> int:
        """Codes of the base, dead ones included."""
        return self.arrays.n_base

    @property
    def n_bits(self) -> int:
        """Width of the codes."""
        return int(self.words[layout.N_BITS])

    @property
    def n_dead(self) -> int:
        """Codes that are kept but marked."""
        return self.arrays.n_base + self.n_delta - self.n_live

    @property
    def delta_keys(self) -> Keys:
        """`(n_delta,)` keys in the order they were added."""
        return self.delta[-1, : self.n_delta].view(np.int64)

    @property
    def memory_bytes(self) -> int:
        """Bytes that the view holds on to."""
        arrays = self.arrays
        held = (arrays.words, arrays.delta, arrays.dead, arrays.recent, arrays.sliced)
        return sum(array.nbytes for array in held)

    def live(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of `ids` are not dead."""
        alive = ~are_set(self.dead, ids)
        recent = self.arrays.recent[: self.n_recent]
        if len(recent):
            alive &= ~((ids[:, None] == recent).any(axis=1) if len(ids) <= MAX_RECENT else np.isin(ids, recent))
        return alive

    def ids_of(self, keys: Keys) -> tuple[Ids, NDArray[np.bool_]]:
        """The live id of each key, and the mask of the keys that have one."""
        ids, found = self._places(self.base_keys, keys)
        if self.n_delta:
            late, is_late = self._places_in_delta(keys)
            ids, found = np.where(is_late, late, ids), found | is_late
        found &= self.live(ids)
        return ids, found

    def _places_in_delta(self, keys: Keys) -> tuple[Ids, NDArray[np.bool_]]:
        """The last place of each key in the delta, as id: earlier ones were replaced."""
        added = self.delta_keys
        if len(keys) == 1:
            places = np.flatnonzero(added == keys[0])[-1:]
            return (places + self.n_base if len(places) else np.zeros(1, np.int64)), np.array([len(places) == 1])
        order = np.argsort(added, kind="stable")
        places, found = self._places(added[order], keys, side="right")
        return order[places] + self.n_base, found

    @staticmethod
    def _places(ordered: Keys, keys: Keys, side: str = "left") -> tuple[Ids, NDArray[np.bool_]]:
        """Places of `keys` among ascending keys, 0 where absent; the first of equal ones or, from right, the last."""
        if not len(ordered):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.bool_)
        if side == "left":
            places = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
        else:
            places = np.maximum(np.searchsorted(ordered, keys, side="right") - 1, 0)
        found = ordered[places] == keys
        return np.where(found, places, 0), found

    def gather(self, ids: Ids) -> tuple[Words, Keys]:
        """Planes `(n_planes, n)` and keys `(n,)` of some ids."""
        planes = np.empty((len(self.delta) - 1, len(ids)), np.uint64)
        old = ids < self.n_base
        planes[:, old] = layout.planes_of(self.words)[:, ids[old]]
        planes[:, ~old] = self.delta[:-1, ids[~old] - self.n_base]
        return planes, self.keys_of(ids)

    def keys_of(self, ids: Ids) -> Keys:
        """The `(n,)` keys of some ids."""
        keys = np.empty(len(ids), np.int64)
        old = ids < self.n_base
        keys[old], keys[~old] = self.base_keys[ids[old]], self.delta_keys[ids[~old] - self.n_base]
        return keys

    def key_span(self) -> tuple[int, int]:
        """The least and the greatest key, dead ones included; (0, -1) if there are none."""
        base, late = self.base_keys, self.delta_keys
        ends = [*base[:1].tolist(), *base[-1:].tolist(), *([int(late.min()), int(late.max())] if len(late) else [])]
        return (min(ends), max(ends)) if ends else (0, -1)

    def live_ids(self) -> Ids:
        """Every id that is not dead, ascending."""
        ids = np.arange(self.n_base + self.n_delta)
        return ids[self.live(ids)] if self.n_dead else ids
