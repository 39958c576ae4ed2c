"""The nearest documents of a query by code, as far as they exist: a source knows codes, SQL knows documents."""

from __future__ import annotations

from collections.abc import Callable, Container

import numpy as np
from sqlalchemy import Connection

from service.index.hamming.answers import Neighbors
from service.index.key_mask import KeyMask
from service.search.sources import QueryCodes, SearchSource
from service.store.documents import Keys


def nearest_existing(
    connection: Connection,
    source: SearchSource,
    query: QueryCodes,
    k: int,
    radius: int | None,
    present: Callable[[Connection, Keys], Container[int]],
    leave_out: int | None = None,
    allowed: KeyMask | None = None,
) -> Neighbors:
    """The `k` nearest documents that exist; where some are gone, more are looked for. Blocks.

    Args:
        connection: to ask with.
        source: where the nearest codes are found.
        query: one code.
        k: most documents.
        radius: only those within that many bits, if given.
        present: the documents that exist among some keys.
        leave_out: the key of a document that is no neighbor: the one asked with.
        allowed: the documents that may be found; None for all.
    """
    more = n_asked = k if leave_out is None else k + 1
    while True:
        (got,) = source.nearest(connection, query, n_asked, radius, allowed)
        exists = _exist(got, present(connection, got.keys))
        n_present = int(exists.sum())
        if n_present >= more or len(got.keys) < n_asked:
            break
        n_asked += 2 * (len(got.keys) - n_present) + 8
    if leave_out is not None:
        exists &= got.keys != leave_out
    places = np.flatnonzero(exists)[:k]
    return Neighbors(got.keys[places], got.distances[places], got.stats)


def _exist(neighbors: Neighbors, present: Container[int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.fromiter((key in present for key in neighbors.keys.tolist()), np.bool_, len(neighbors.keys))
