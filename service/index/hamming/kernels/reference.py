"""The loops of the index in plain numpy: what `service.index.hamming.kernels.compiled` must equal, and its stand-in.

Where numba is missing, or `NEARBIT_KERNEL=numpy`, these answer: every code is looked at, the answers are the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.hashing.codes import Codes
from service.index.bits import Bitmap, add
from service.index.hamming import layout
from service.index.hamming.layout import ANSWER_WORDS, CANDIDATES, FOUND, PATH, PATH_SCAN, PROBES, RADIUS, Words
from service.index.hamming.view import View
from service.index.key_mask import KeyMask


def fill_tables(words: Words) -> None:
    """Sort the codes into each table's buckets; within a bucket ids ascend. These loops never probe, but others may."""
    planes = layout.planes_of(words)
    for table in layout.tables_of(words):
        addresses = table.addresses(planes)
        order = np.argsort(addresses, kind="stable")
        counts = np.bincount(addresses, minlength=1 << table.width)
        table.offsets[0], table.offsets[1:] = 0, np.cumsum(counts)
        table.ids[:] = order
        table.planes[:] = planes[:, order]


def mark_within(view: View, code: Codes, radius: int, first_key: int, bits: Bitmap) -> None:
    """Set, in a bitmap whose first bit stands for `first_key`, the key of each live code within a radius of one.

    `code` is `(n_bytes,)`; every key of the view must lie within the bitmap.
    """
    planes = np.concatenate([layout.planes_of(view.words), view.delta[:-1, : view.n_delta]], axis=1)
    query = np.empty((len(planes), 1), np.uint64)
    layout.to_planes(code[None], query)
    near = np.bitwise_count(planes ^ query).sum(axis=0, dtype=np.int64) <= radius
    ids = np.flatnonzero(near & view.live(np.arange(planes.shape[1])))
    add(bits, view.keys_of(ids) - first_key)


def answer(
    view: View, queries: Codes, k: int, limit: int, mode: int, out: NDArray[np.int64], allowed: KeyMask | None = None
) -> None:
    """Write the `k` nearest allowed within `limit` bits of each of `(q, n_bytes)` queries into the rows of `out`.

    A row holds what `layout` names (found, path, probes, candidates, radius), then room for keys, then as much for
    distances, ascending by (distance, key). `found` may exceed the room: then ask again with more. `mode` is ignored.
    """
    planes = np.concatenate([layout.planes_of(view.words), view.delta[:-1, : view.n_delta]], axis=1)
    keys = np.concatenate([layout.keys_of(view.words), view.delta_keys])
    if view.n_dead or allowed is not None:
        shown = view.live(np.arange(len(keys)))
        if allowed is not None:
            shown &= allowed.covers(keys)
        planes, keys = planes[:, shown], keys[shown]
    query_planes = np.empty((len(planes), len(queries)), np.uint64)
    layout.to_planes(queries, query_planes)
    room = (out.shape[1] - ANSWER_WORDS) // 2
    for row, query in zip(out, query_planes.T, strict=True):
        distances = np.bitwise_count(planes ^ query[:, None]).sum(axis=0, dtype=np.int64)
        bound = min(limit, int(np.partition(distances, k - 1)[k - 1])) if k < len(distances) else limit
        hits = np.flatnonzero(distances <= bound)
        hits = hits[np.lexsort((keys[hits], distances[hits]))[:k]]
        row[[FOUND, PATH, PROBES, CANDIDATES, RADIUS]] = len(hits), PATH_SCAN, 0, len(distances), limit
        row[ANSWER_WORDS : ANSWER_WORDS + len(hits[:room])] = keys[hits[:room]]
        row[ANSWER_WORDS + room : ANSWER_WORDS + room + len(hits[:room])] = distances[hits[:room]]
