"""ColumnIndex: the metadata of documents as typed columns, in memory; readers never wait for the writer.

All but the newest documents are the base: immutable columns whose rows ascend by key. The newest are the tail, which
grows; from time to time both become a new base. A document that is replaced or deleted is marked dead where it lies.
What a reader needs is one view: base and tail, how many rows of the tail count, and which rows are alive.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from service.errors import InvalidInput
from service.index import bits
from service.index.columns.base import Base
from service.index.columns.kernels.select import loops
from service.index.columns.merge import merged
from service.index.columns.row_keys import set_rows
from service.index.columns.tail import Tail
from service.index.columns.view import ColumnView
from service.index.key_mask import Keys

_SMALL_TAIL, _WIDE_TAIL, _TAIL_SHARE, _DEAD_SHARE = 4_096, 1 << 16, 16, 4
"""Base and tail become a new base when the tail has more rows than the first or more values than the second number, and
than the base divided by the third; or when more than one row of the fourth number is dead."""
_IN_A_THREAD = 1 << 20
"""Values from which a base is made beside the writer."""


class ColumnIndex:
    """Metadata of documents under unique int64 keys.

    One thread may write while any number read: a reader takes one view and keeps it to the end, so it sees a call of
    `put` or `delete` whole or not at all.
    """

    def __init__(self, base: Base | None = None) -> None:
        loops()  # looked for now, not in the first request that needs them
        self._lock = threading.Lock()
        self._merge: threading.Thread | None = None
        self._begin(Base() if base is None else base)
        self._publish()

    def _begin(self, base: Base) -> None:
        """Hold what a base holds, with an empty tail."""
        self._base, self._alive, self._tail = base, base.alive, Tail(base.fields)
        self._tail_alive = np.empty(0, bool)
        self._rows_of: dict[int, int] = {}
        self._n_first = self._n_alive = int(np.bitwise_count(base.alive).sum())

    def _publish(self) -> None:
        self._view = ColumnView(self._base, self._alive, self._tail, self._tail_alive)

    def __len__(self) -> int:
        return len(self._view)

    @property
    def n_fields(self) -> int:
        """How many fields there are, about: one of few values counts twice until the next base is made."""
        return self._base.n_fields + self._tail.n_new_fields

    @property
    def memory_bytes(self) -> int:
        """Bytes of all columns, about; while a base is made, up to twice that are in use."""
        return self._base.memory_bytes + self._tail.memory_bytes

    def view(self) -> ColumnView:
        """The documents of now."""
        return self._view

    def put(self, keys: Keys, metadata: Sequence[Mapping[str, Any]]) -> None:
        """Add documents; one whose key is present is replaced, the last of equal keys wins.

        Args:
            keys: `(n,)` int64.
            metadata: of each document, as it is read from JSON.

        Raises:
            InvalidInput: the arguments are not of one length.

        Cost: about a microsecond a value, and from time to time a new base, which takes linear time: one of more than a
        million values is made in a thread of its own.
        """
        keys = np.asarray(keys, np.int64)
        if keys.ndim != 1 or len(keys) != len(metadata):
            raise InvalidInput(f"keys and metadata must be of one length, got {keys.shape} and {len(metadata)}")
        _, last = np.unique(keys[::-1], return_index=True)
        if len(last) < len(keys):
            kept = np.sort(len(keys) - 1 - last)
            keys, metadata = keys[kept], [metadata[i] for i in kept]
        if len(keys):
            with self._lock:
                self._bury(keys)
                first = self._tail.n_rows
                self._tail.append(keys, metadata)
                self._rows_of |= zip(keys.tolist(), range(first, first + len(keys)), strict=True)
                self._tail_alive = np.append(self._tail_alive, np.ones(len(keys), bool))
                self._publish_or_merge()

    def delete(self, keys: Keys | Collection[int]) -> None:
        """Take documents out; keys that are absent are ignored."""
        given = keys if isinstance(keys, np.ndarray) else np.fromiter(keys, np.int64, len(keys))
        gone = np.unique(given.astype(np.int64))
        if len(gone):
            with self._lock:
                self._bury(gone)
                self._publish_or_merge()

    def _bury(self, keys: Keys) -> None:
        """Mark documents dead, in copies: views hold what is there."""
        rows, has = self._base.row_keys.rows_of(keys)
        if has.any():
            self._alive = self._alive.copy()
            bits.remove(self._alive, rows[has])
            self._n_alive = int(np.bitwise_count(self._alive).sum())
        newest = [row for key in keys.tolist() if (row := self._rows_of.pop(key, -1)) >= 0]
        if newest:
            self._tail_alive = self._tail_alive.copy()
            self._tail_alive[newest] = False

    def _publish_or_merge(self) -> None:
        self._publish()
        is_long = self._tail.n_rows > max(_SMALL_TAIL, self._base.n_rows // _TAIL_SHARE)
        is_wide = self._tail.n_values > max(_WIDE_TAIL, self._base.n_values // _TAIL_SHARE)
        is_dead = (self._n_first - self._n_alive) * _DEAD_SHARE > max(self._n_first, _SMALL_TAIL)
        if self._merge is not None or not (is_long or is_wide or is_dead):
            return
        if self._base.n_values + self._tail.n_values < _IN_A_THREAD:
            self._begin(self.base())
            self._publish()
        else:
            self._merge = threading.Thread(target=self._merged, args=(self._view,), name="column-merge", daemon=True)
            self._merge.start()

    def _merged(self, view: ColumnView) -> None:
        """Make a base of a view, and go on with it and with what was written since."""
        try:
            base = merged(view.base, view.alive, view.tail, view.tail_alive)
            with self._lock:
                self._adopt(base, view)
        finally:
            self._merge = None

    def _adopt(self, base: Base, view: ColumnView) -> None:
        n = len(view.tail_alive)
        gone = view.base.row_keys.keys_of(set_rows(view.alive & ~self._alive, view.base.n_rows))
        gone_since = view.tail.keys(n)[view.tail_alive & ~self._tail_alive[:n]]
        tail_alive, rows_of = self._tail_alive[n:].copy(), self._rows_of
        tail = self._tail.after(n, base.fields)
        self._begin(base)
        self._tail, self._tail_alive = tail, tail_alive
        self._rows_of = {key: row - n for key, row in rows_of.items() if row >= n}
        rows, _ = base.row_keys.rows_of(np.concatenate([gone, gone_since]))
        if len(rows):
            self._alive = self._alive.copy()
            bits.remove(self._alive, rows)
            self._n_alive = int(np.bitwise_count(self._alive).sum())
        self._publish()

    def wait(self) -> None:
        """Until no base is being made."""
        while (merge := self._merge) is not None:
            merge.join()

    def base(self) -> Base:
        """One base that holds the documents as they are now and nothing else; safe in any thread.

        Cost: none if nothing was written since the last one was made, else linear in the values.
        """
        view = self._view
        if view.alive is view.base.alive and not len(view.tail_alive):
            return view.base
        return merged(view.base, view.alive, view.tail, view.tail_alive)
