"""The nearest documents of a query by code, as far as they exist: a source knows codes, SQL knows documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Connection

from service.index.hamming.answers import Neighbors, Stats
from service.search.sources import QueryCodes, SearchSource
from service.store.documents import Keys

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shortlist(Generic[T]):
    """Neighbors that exist: key, distance and what was fetched of each, nearest first; and the work of the search."""

    entries: list[tuple[int, int, T]]
    stats: Stats


def nearest_existing(
    connection: Connection,
    source: SearchSource,
    queries: QueryCodes,
    k: int,
    radius: int | None,
    fetch: Callable[[Connection, Keys], dict[int, T]],
    leave_out: int | None = None,
) -> list[Shortlist[T]]:
    """The `k` nearest documents that exist of each query; where some are gone, more are looked for. Blocks.

    Args:
        connection: to fetch with.
        source: where the nearest codes are found.
        queries: `(q, n_bytes)` codes.
        k: most documents of each query.
        radius: only those within that many bits, if given.
        fetch: reads what is wanted of documents, by key.
        leave_out: the key of a document that is no neighbor: the one asked with.
    """
    more = k if leave_out is None else k + 1
    nearest = source.nearest(connection, queries, more, radius)
    present = fetch(connection, list({key for neighbors in nearest for key in neighbors.keys.tolist()}))
    shortlists = []
    for row, neighbors in enumerate(nearest):
        n_asked, got, entries = more, neighbors, _present(neighbors, present)
        while len(entries) < more and len(got.keys) == n_asked:
            n_asked += 2 * (len(got.keys) - len(entries)) + 8
            (got,) = source.nearest(connection, queries[row : row + 1], n_asked, radius)
            entries = _present(got, fetch(connection, got.keys))[:more]
        shortlists.append(Shortlist([entry for entry in entries if entry[0] != leave_out][:k], got.stats))
    return shortlists


def _present(neighbors: Neighbors, present: Mapping[int, T]) -> list[tuple[int, int, T]]:
    pairs = zip(neighbors.keys.tolist(), neighbors.distances.tolist(), strict=True)
    return [(key, distance, present[key]) for key, distance in pairs if key in present]
