"""HammingTable: the exact k nearest and all within a radius, in memory; readers never wait for the writer.

Longer than other files because search, writes and the rebuild of the base share one view and one lock.

How a search goes: the delta (what was added since the base was built) is scanned; then the base is probed by
multi-index hashing, or scanned, whichever looks cheaper before each step, with the k-th distance found so far.
With a key mask the third way is to gather the allowed codes, which is the cheapest where they are few.

Why the probing stops where it does. Cut the codes into m substrings, one table each. Step `a * m + j` looks into the
buckets of table j whose address differs from the query's in exactly a bits. Say step s = a * m + j is done, and some
code was not met. Tables 0..j were probed up to a flips, so it differs from the query in at least a + 1 bits of each of
these j + 1 substrings; tables j+1..m-1 up to a - 1 flips, so in at least a bits of each of the others. Substrings share
no bit, hence its distance is at least (j + 1)(a + 1) + (m - j - 1) a = m a + j + 1 = s + 1. So after step s all within
s bits are known, and the search may stop as soon as the k-th distance is at most s; equal distances are then all known
too, which makes the order by (distance, key) exact. One table (m = 1) is the classic case: after a flips, radius a.
Source: Norouzi, Punjani, Fleet (2014), "Fast exact search in Hamming space with multi-index hashing", section 3.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from service.cores import usable_cores
from service.errors import InvalidInput
from service.hashing.codes import Codes, check_n_bits, unpack
from service.index.hamming import costs, duplicates, layout
from service.index.hamming.answers import Answers, Neighbors
from service.index.hamming.duplicates import DuplicateGroup, Linkage
from service.index.hamming.kernels.select import Engine, loops_for
from service.index.hamming.layout import ANSWER_WORDS, AUTO, FOUND, RADIUS, UNLIMITED, Words
from service.index.hamming.view import Ids, Keys, View
from service.index.key_mask import SPARSE, KeyMask

FIRST_ROOM = 64
"""Matches that a radius search has room for before it is asked again with as much as it needs."""
MIN_DELTA = 10_000
"""Codes added or dead before the base is built anew."""
BLOCK = 64
"""Queries that one thread takes at a time."""
MAX_DUPLICATES = 1_000
"""Keys in one group of near duplicates."""
MAX_PAIRS = 1 << 21
"""Pairs of near codes that are in memory at a time, about, unless one code has more neighbors."""
BYTES = np.dtype(np.uint8)
KEYS = np.dtype(np.int64)
_WORD = (1 << 64) - 1
_PART = 1 << 16
"""Codes that are handed out together: they fit into the cache of a core."""


class HammingTable:
    """Binary codes of one width under unique int64 keys, searched exactly.

    One thread may write while any number read: a reader takes one view and keeps it to the end, so a query sees an
    update whole or not at all. When the delta or the dead have grown, a thread builds the next base and swaps it in.
    """

    def __init__(self, n_bits: int) -> None:
        self._n_bits, self._n_bytes = check_n_bits(n_bits), n_bits // 8
        self._loops = loops_for(n_bits)
        self._one_code = 1, self._n_bytes
        self._lock = threading.Lock()
        self._view = View.of_base(layout.allocate(0, n_bits, 0))
        self._added: dict[int, int] = {}  # live keys of the delta, and their ids
        self._touched: list[Keys] | None = None  # keys written since a rebuild began
        self._rebuild: threading.Thread | None = None
        self.patience = 1.0
        """How many times the usual delta a rebuild waits for: processes that differ in it rebuild one after another."""

    @classmethod
    def build(cls, codes: Codes, keys: Keys) -> HammingTable:
        """A table of `(n, n_bytes)` uint8 codes under `(n,)` unique int64 keys, in any order; n may be 0.

        Raises:
            InvalidInput: shapes, width or dtype are wrong, or a key comes twice.
        """
        table = cls(8 * codes.shape[1] if codes.ndim == 2 else 0)
        table._check(codes, keys)
        planes = np.empty((layout.n_planes_of(table.n_bits), len(codes)), np.uint64)
        layout.to_planes(codes, planes)
        table._view = View.of_base(build_base(planes, keys, table.n_bits, table._engine))
        return table

    @classmethod
    def of_base(cls, words: Words) -> HammingTable:
        """A table of an array that `service.index.hamming.layout` describes: a snapshot."""
        table = cls(int(words[layout.N_BITS]))
        table._view = View.of_base(words)
        return table

    def __len__(self) -> int:
        return self._view.n_live

    @property
    def _engine(self) -> Engine:
        return self._loops.now

    @property
    def n_bits(self) -> int:
        """Width of the codes in bits."""
        return self._n_bits

    @property
    def memory_bytes(self) -> int:
        """Bytes that codes, keys, buckets and marks take; while a rebuild runs, about twice that are in use.

        Without the writer's dictionary of the delta's keys, some 100 bytes for each: 1 MB at 10,000.
        """
        return self._view.memory_bytes

    def base(self) -> Words:
        """The array that holds this table as it is now and nothing else, to be written to a file; safe in any thread.

        Cost: none if nothing was written since the base was built, else that of a rebuild.
        """
        view = self._view
        return self._merged(view) if view.n_delta or view.n_dead else view.words

    def search(
        self,
        codes: Codes,
        k: int,
        allowed: KeyMask | None = None,
        logits: NDArray[np.floating] | None = None,
        radius: int | None = None,
    ) -> Answers:
        """The exact `k` nearest of each of `(q, n_bytes)` codes, or all that there are when they are fewer.

        Args:
            codes: the queries, `(q, n_bytes)` uint8.
            k: how many, at least 1.
            allowed: the keys an answer may hold, all if None; never fewer than k come back when k allowed keys exist.
            logits: the real-valued codes `(q, n_bits)` that the queries were thresholded from. They order hits of
                equal distance, before their keys do: first those that differ in the bits nearest to the threshold.
            radius: leave out what is farther than so many bits.

        Raises:
            InvalidInput: shape, width or dtype of the codes is wrong, or k < 1.
        """
        if k < 1:
            raise InvalidInput(f"k must be at least 1, got {k}")
        view = self._view
        n_live = view.n_live
        is_one = codes.shape == self._one_code and codes.dtype is BYTES and codes.flags.c_contiguous
        is_plain = radius is None and logits is None and allowed is None
        if is_one and is_plain and k <= n_live:  # without the calls below
            rows = np.empty((1, ANSWER_WORDS + 2 * k), KEYS)
            self._engine.answer(view, codes, k, self._n_bits, AUTO, rows)
            return Answers(rows)
        codes = self._queries(codes)
        most = n_live if allowed is None else min(n_live, len(allowed))
        nearest = Answers(self._rows(view, codes, min(k, most), radius, allowed))
        if logits is not None:
            if logits.shape != (len(codes), self._n_bits):
                raise InvalidInput(f"logits must be ({len(codes)}, {self._n_bits}), got {logits.shape}")
            self._order(view, nearest, codes, logits, allowed)
        return nearest

    def within(self, codes: Codes, radius: int, allowed: KeyMask | None = None) -> list[Neighbors]:
        """All allowed that lie within `radius` bits of each of `(q, n_bytes)` codes; radius 0 finds equal codes.

        Raises:
            InvalidInput: shape, width or dtype of the codes is wrong, or radius < 0.
        """
        if radius < 0:
            raise InvalidInput(f"radius must be at least 0, got {radius}")
        return self._balls(self._view, self._queries(codes), min(radius, self._n_bits), allowed)

    def within_mask(self, code: Codes, radius: int, allowed: KeyMask | None = None) -> KeyMask:
        """All allowed that lie within `radius` bits of one `(n_bytes,)` code, as a set in place of an ordered list.

        Many times faster than `within` where thousands match: 2 ms for half of a million codes.

        Raises:
            InvalidInput: shape, width or dtype of the code is wrong, or radius < 0.
        """
        if radius < 0:
            raise InvalidInput(f"radius must be at least 0, got {radius}")
        view, query = self._view, self._queries(code[None])
        span = view.key_span()
        is_sparse = span[1] - span[0] >= SPARSE * max(1, view.n_live)
        if is_sparse or costs.is_probed(view.words, min(radius, self._n_bits)):
            return KeyMask.of_keys(self._balls(view, query, min(radius, self._n_bits), allowed)[0].keys)
        first_key = span[0] & -64  # masks that begin at a multiple of 8 are intersected by bytes
        bits = np.zeros((span[1] - first_key) // 8 + 1, np.uint8)
        self._engine.mark_within(view, query[0], radius, first_key, bits)
        mask = KeyMask(first_key, bits)
        return mask if allowed is None else mask & allowed

    def get(self, keys: Keys) -> tuple[Codes, NDArray[np.bool_]]:
        """The codes of `(n,)` keys: `(n, n_bytes)` uint8, zero where absent, and the `(n,)` mask of those found."""
        view, keys = self._view, np.asarray(keys, np.int64)
        ids, found = view.ids_of(keys)
        codes = np.zeros((len(keys), self._n_bytes), np.uint8)
        codes[found] = layout.from_planes(view.gather(ids[found])[0], codes.shape[1])
        return codes, found

    def all_codes(self) -> Iterator[Codes]:
        """All codes of this moment, `(n, n_bits // 8)` in parts."""
        view = self._view
        ids = view.live_ids()
        for start in range(0, len(ids), _PART):
            yield layout.from_planes(view.gather(ids[start : start + _PART])[0], self._n_bits // 8)

    def entries(self) -> tuple[Keys, Codes]:
        """All keys of this moment, `(n,)` increasing, and their codes, `(n, n_bits // 8)`.

        Cost: 10 ms for a million codes of 64 bits.
        """
        view = self._view
        ids = view.live_ids()
        planes, keys = view.gather(ids)
        codes = layout.from_planes(planes, self._n_bits // 8)
        if not view.n_delta:
            return keys, codes
        order = np.argsort(keys, kind="stable")
        return keys[order], codes[order]

    def near_duplicates(
        self,
        radius: int,
        linkage: Linkage = "single",
        max_size: int = MAX_DUPLICATES,
        allowed: KeyMask | None = None,
    ) -> list[DuplicateGroup]:
        """Groups of two or more keys whose codes lie near one another, by their first keys; no key is in two groups.

        Args:
            radius: how many bits apart near ones are at most.
            linkage: "single" joins all that a chain of near pairs joins; "complete" only what all lies within the
                radius of one another, in the order that `service.index.hamming.duplicates` describes.
            max_size: larger groups are cut, and all their parts marked: of single linkage, first by complete linkage,
                which leaves out what then stands alone; what is still larger, as many equal codes are, into runs of
                keys as equal in length as can be (of one key only if max_size is 2).
            allowed: group these keys only, all if None.

        Raises:
            InvalidInput: radius < 0, max_size < 2 or an unknown linkage.

        Cost: one radius search for each distinct code; memory for the pairs of one block of them at a time. Blocks.
        """
        if linkage not in duplicates.LINKAGES:
            raise InvalidInput(f"linkage must be single or complete, got {linkage!r}")
        if radius < 0 or max_size < 2:
            name, least, value = ("radius", 0, radius) if radius < 0 else ("max_size", 2, max_size)
            raise InvalidInput(f"{name} must be at least {least}, got {value}")
        planes, keys = self._gathered(allowed)
        firsts, owner = duplicates.distinct(planes, keys)
        codes = layout.from_planes(planes[:, firsts], self._n_bytes)
        join = duplicates.single_linkage if linkage == "single" else duplicates.complete_linkage
        roots = join(len(codes), _near(codes, radius))
        is_cut = np.zeros(len(codes), np.bool_)
        if linkage == "single":
            sizes = np.bincount(roots[owner], minlength=len(codes))
            is_cut = sizes[roots] > max_size
            cut = np.flatnonzero(is_cut)
            roots[cut] = cut[duplicates.complete_linkage(len(cut), _near(codes[cut], radius))]
        return duplicates.groups(roots[owner], keys, is_cut[owner], max_size)

    def _gathered(self, allowed: KeyMask | None) -> tuple[Words, Keys]:
        """Planes and ascending keys of all live codes that are allowed."""
        view = self._view
        ids = view.live_ids()
        keys = view.keys_of(ids)
        if allowed is not None:
            shown = allowed.covers(keys)
            ids, keys = ids[shown], keys[shown]
        return view.gather(ids[np.argsort(keys)])

    def add(self, codes: Codes, keys: Keys) -> None:
        """Put `(n, n_bytes)` codes under `(n,)` keys; a key that is present is replaced, the last of equal keys wins.

        Raises:
            InvalidInput: shapes, width or dtype are wrong.
        """
        if codes.shape == self._one_code and keys.shape == (1,) and codes.dtype is BYTES and keys.dtype is KEYS:
            self._add_one(codes.tobytes(), keys)
            return
        self._check(codes, keys)
        _, last = np.unique(keys[::-1], return_index=True)
        if len(last) < len(keys):
            last = np.sort(len(keys) - 1 - last)
            codes, keys = codes[last], keys[last]
        with self._lock:
            replaced = self._live_ids_of(keys)
            view = self._view.with_room(len(keys))
            begin, n_base = view.n_delta, view.n_base
            layout.to_planes(codes, view.delta[:-1, begin : begin + len(keys)])
            view.delta[-1, begin : begin + len(keys)] = keys.view(np.uint64)
            view = view.appended(len(keys))
            self._publish(view.without(replaced) if len(replaced) else view, keys)
            self._added.update(zip(keys.tolist(), range(n_base + begin, n_base + view.n_delta), strict=True))

    def _add_one(self, code: bytes, keys: Keys) -> None:
        """The same for the `(1,)` key of one code, without the arrays that many need."""
        key: int = keys.item()
        with self._lock:
            replaced = self._live_id_of(key)
            view = self._view
            if view.n_delta == view.arrays.room:
                view = view.with_room(1)
            arrays, column = view.arrays, view.n_delta
            cells, stride = arrays.cells, arrays.room + layout.SLACK
            place = column
            for word in layout.words_of(code):
                cells[place] = word
                place += stride
            cells[place] = key & _WORD
            view = View(arrays, column + 1, view.n_recent, view.n_live + 1)
            self._publish(view if replaced is None else view.without_one(replaced), keys)
            self._added[key] = arrays.n_base + column

    def delete(self, keys: Keys) -> None:
        """Take `(n,)` keys out; those that are absent are ignored."""
        keys = np.asarray(keys, np.int64)
        with self._lock:
            if len(keys) == 1:
                gone = self._live_id_of(keys.item())
                if gone is not None:
                    self._added.pop(keys.item(), None)
                    self._publish(self._view.without_one(gone), keys)
                return
            keys = np.unique(keys)
            ids = self._live_ids_of(keys)
            if len(ids):
                self._publish(self._view.without(ids), keys)
                for key in keys.tolist():
                    self._added.pop(key, None)

    def wait(self) -> None:
        """Until no rebuild runs."""
        while (rebuild := self._rebuild) is not None:
            rebuild.join()

    def _rows(self, view: View, codes: Codes, k: int, radius: int | None, allowed: KeyMask | None) -> NDArray[np.int64]:
        """The rows of the `k` nearest; -1 where a radius or a mask leaves fewer."""
        if radius is None and allowed is None and k > 0 and len(codes) <= BLOCK:
            return self._answers(view, codes, k, self._n_bits, k)
        limit = self._n_bits if radius is None else min(radius, self._n_bits)
        rows = np.full((len(codes), ANSWER_WORDS + 2 * k), -1, np.int64)
        if k:
            answer = self._engine.answer
            parts = _blocks(len(codes))
            run = _threads().map if len(parts) > 1 else map
            deque(run(lambda part: answer(view, codes[part], k, limit, AUTO, rows[part], allowed), parts), 0)
        else:
            rows[:, :ANSWER_WORDS] = 0
            rows[:, RADIUS] = limit
        return rows

    def _balls(self, view: View, codes: Codes, radius: int, allowed: KeyMask | None) -> list[Neighbors]:
        """All within a radius of each query."""
        if len(codes) <= BLOCK:
            return self._block(view, codes, radius, allowed)
        parts = _threads().map(lambda part: self._block(view, codes[part], radius, allowed), _blocks(len(codes)))
        return list(chain.from_iterable(parts))

    def _block(self, view: View, codes: Codes, radius: int, allowed: KeyMask | None) -> list[Neighbors]:
        rows = self._answers(view, codes, UNLIMITED, radius, FIRST_ROOM, allowed=allowed)
        answers = Answers(rows)
        balls = []
        for place, found in enumerate(rows[:, FOUND].tolist()):
            if found > FIRST_ROOM:
                code = codes[place : place + 1]
                balls.append(Answers(self._answers(view, code, UNLIMITED, radius, found, allowed=allowed))[0])
            else:
                balls.append(answers[place])
        return balls

    def _order(
        self, view: View, nearest: Answers, codes: Codes, logits: NDArray[np.floating], allowed: KeyMask | None
    ) -> None:
        """Order equal distances by the sum of |logit| over the differing bits, then by key."""
        for (keys, distances, _), code, row in zip(nearest, codes, logits, strict=True):
            if not len(keys):
                continue
            radius = int(distances[-1])  # hits of this distance may have been cut off
            ball = self._balls(view, code[None], radius, allowed)[0]
            ids, _ = view.ids_of(ball.keys)
            stored = layout.from_planes(view.gather(ids)[0], self._n_bytes)
            flipped = unpack(stored ^ code) @ np.abs(row)
            keys[:] = ball.keys[np.lexsort((ball.keys, flipped, ball.distances))[: len(keys)]]

    def _answers(
        self,
        view: View,
        codes: Codes,
        k: int,
        limit: int,
        room: int,
        mode: int = AUTO,
        allowed: KeyMask | None = None,
    ) -> NDArray[np.int64]:
        """Rows as `service.index.hamming.kernels.reference.answer` writes them, with room for so many matches each."""
        out = np.empty((len(codes), ANSWER_WORDS + 2 * room), np.int64)
        self._engine.answer(view, codes, k, limit, mode, out, allowed)
        return out

    def _queries(self, codes: Codes) -> Codes:
        """The same codes if they are right, as the compiled loops need them: rows after one another."""
        self._check_codes(codes)
        return codes if codes.flags.c_contiguous else np.ascontiguousarray(codes)

    def _check_codes(self, codes: Codes) -> None:
        if codes.ndim != 2 or codes.shape[1] != self._n_bytes or (codes.dtype is not BYTES and codes.dtype != BYTES):
            raise InvalidInput(f"codes must be (n, {self._n_bytes}) uint8, got {codes.shape} {codes.dtype}")

    def _check(self, codes: Codes, keys: Keys) -> None:
        self._check_codes(codes)
        if keys.shape != (len(codes),) or (keys.dtype is not KEYS and keys.dtype != KEYS):
            raise InvalidInput(f"keys must be ({len(codes)},) int64, one for each code, got {keys.shape} {keys.dtype}")

    def _live_ids_of(self, keys: Keys) -> Ids:
        """Ids of those of some distinct keys that are present; for the writer, who knows where the delta's keys are."""
        view, added = self._view, self._added
        late = [added[key] for key in keys.tolist() if key in added]
        ordered = view.base_keys
        if not len(ordered) or len(late) == len(keys):
            return np.array(late, np.int64)
        places = np.searchsorted(ordered, keys)
        places = places[ordered[np.minimum(places, len(ordered) - 1)] == keys]
        return np.concatenate([np.array(late, np.int64), places[view.live(places)]])

    def _live_id_of(self, key: int) -> int | None:
        """The same for one key."""
        late = self._added.get(key)
        arrays = self._view.arrays
        if late is not None or key > arrays.last_key:
            return late
        place = int(arrays.base_keys.searchsorted(key))
        return place if arrays.base_keys.item(place) == key and self._view.is_live(place) else None

    def _publish(self, view: View, keys: Keys) -> None:
        """Let readers see a view that differs from the last in `keys`; begin a rebuild if one has become due."""
        self._view = view
        if self._touched is not None:
            self._touched.append(keys.copy())
        elif (view.n_delta > MIN_DELTA or 4 * view.n_dead > MIN_DELTA) and self._is_due(view):
            self._touched = []
            rebuild = threading.Thread(target=self._renew, args=(view,), name="index-rebuild", daemon=True)
            rebuild.start()
            self._rebuild = rebuild  # the thread ends by taking it away, for which it needs the lock that is held here

    def _is_due(self, view: View) -> bool:
        n_delta, n_dead = view.n_delta / self.patience, 4 * view.n_dead / self.patience
        return n_delta > max(MIN_DELTA, view.n_base // 100) or n_dead > max(MIN_DELTA, view.n_base)

    def _renew(self, old: View) -> None:
        """Build a base of what `old` holds, then swap it in together with what was written meanwhile."""
        words = None
        try:
            words = self._merged(old)
        finally:
            with self._lock:
                if words is not None:
                    self._swap(words)
                self._touched, self._rebuild = None, None

    def _swap(self, words: Words) -> None:
        """Put a new base in place of the old; what was written since it was begun becomes the new delta."""
        now = self._view
        touched = np.unique(np.concatenate(self._touched or [np.empty(0, np.int64)]))
        ids, found = now.ids_of(touched)
        planes, keys = now.gather(ids[found])
        view = View.of_base(words).with_room(len(keys))
        gone, was_there = view.ids_of(touched)
        view.delta[:-1, : len(keys)], view.delta[-1, : len(keys)] = planes, keys.view(np.uint64)
        view = view.appended(len(keys))
        self._view = view.without(gone[was_there]) if was_there.any() else view
        self._added = dict(zip(keys.tolist(), range(view.n_base, view.n_base + len(keys)), strict=True))

    def _merged(self, view: View) -> Words:
        planes, keys = view.gather(view.live_ids())
        return build_base(planes, keys, self._n_bits, self._engine)


def build_base(planes: Words, keys: Keys, n_bits: int, engine: Engine) -> Words:
    """The base of `(n_planes, n)` code words under `(n,)` unique keys, in any order.

    Raises:
        InvalidInput: a key comes twice.
    """
    words = layout.allocate(len(keys), n_bits, layout.n_tables_for(len(keys), n_bits))
    if (keys[1:] > keys[:-1]).all():
        layout.keys_of(words)[:], layout.planes_of(words)[:] = keys, planes
    else:
        order = np.argsort(keys)
        ordered = np.take(keys, order, out=layout.keys_of(words))
        if (ordered[1:] == ordered[:-1]).any():
            raise InvalidInput("keys must be unique, one came more than once")
        for row, plane in zip(layout.planes_of(words), planes, strict=True):
            np.take(plane, order, out=row)
    engine.fill_tables(words)
    return words


def _near(codes: Codes, radius: int) -> Iterator[tuple[int, list[Ids]]]:
    """The neighbors of each of `(n, n_bytes)` distinct codes, as `service.index.hamming.duplicates` takes them."""
    table, first, size = HammingTable.build(codes, np.arange(len(codes))), 0, BLOCK
    while radius and first < len(codes):
        found = [near.keys for near in table.within(codes[first : first + size], radius)]
        yield first, found
        first += size
        size = min(4096, max(1, MAX_PAIRS * len(found) // sum(map(len, found))))


def _blocks(n: int) -> list[slice]:
    return [slice(first, min(first + BLOCK, n)) for first in range(0, n, BLOCK)]


@lru_cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(2, usable_cores()), thread_name_prefix="index-batch")
