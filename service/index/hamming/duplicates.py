"""Groups of near duplicates, by single or by complete linkage, of distinct codes that are numbered by their least key.

What lies near each code comes as an iterable of blocks, so that the pairs of one block are in memory at a time.

Single linkage: a group holds all that a chain of near pairs joins, however far apart its ends are. Complete linkage: no
two members of a group are farther apart than the radius. Which groups those are depends on the order; here it is first
fit: codes by their least key, each into the oldest group all of whose members lie near it, else into a new one. That is
greedy coloring, in the order of keys, of the graph that joins what is *not* near; the fewest groups would be NP-hard to
find. Equal codes always come together, as documents one by one would: what fits one copy fits the next.
Source: Sørensen (1948) for the criterion; Welsh, Powell (1967), "An upper bound for the chromatic number of a graph and
its application to timetabling problems", for the greedy coloring.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.index.hamming.layout import Words
from service.index.hamming.view import Ids, Keys

Linkage = Literal["single", "complete"]
LINKAGES: tuple[Linkage, ...] = ("single", "complete")

Near = Iterable[tuple[int, Sequence[Ids]]]
"""Blocks of the codes' neighbors: the number of the block's first code, then for each code of the block the numbers of
all codes within the radius, its own among them."""


class DuplicateGroup(NamedTuple):
    """Near duplicates: `keys` `(n,)` int64, ascending.

    `is_capped` says that they are a part of a group that was larger than allowed, whose other keys stand in other
    groups that are capped too, or in none.
    """

    keys: Keys
    is_capped: bool


def distinct(planes: Words, keys: Keys) -> tuple[Ids, Ids]:
    """For `(n_planes, n)` codes of ascending `(n,)` keys: the place of each distinct code's first, and whose each is.

    Distinct codes are numbered in the order of their least keys.
    """
    order = np.lexsort(planes)  # stable: of equal codes the least key comes first
    is_first = np.append(True, (planes[:, order[1:]] != planes[:, order[:-1]]).any(axis=0))[: len(order)]
    firsts = order[is_first]
    rank = np.empty(len(firsts), np.int64)
    rank[np.argsort(firsts)] = np.arange(len(firsts))
    owner = np.empty(len(order), np.int64)
    owner[order] = rank[np.cumsum(is_first) - 1]
    return np.sort(firsts), owner


def single_linkage(n: int, near: Near) -> Ids:
    """The least member of the group of each of `n` codes."""
    roots: Ids = np.arange(n)
    for first, neighbors in near:
        ends = np.repeat(np.arange(first, first + len(neighbors)), [len(some) for some in neighbors])
        roots = joined(roots, ends, np.concatenate(neighbors))
    return roots


def joined(roots: Ids, one: Ids, other: Ids) -> Ids:
    """Roots after joining the groups of `one[i]` and `other[i]` for all i; a root is the least member of its group."""
    while True:
        low, high = np.minimum(roots[one], roots[other]), np.maximum(roots[one], roots[other])
        apart = low != high
        if not apart.any():
            return roots
        np.minimum.at(roots, high[apart], low[apart])
        while not np.array_equal(above := roots[roots], roots):
            roots = above


def complete_linkage(n: int, near: Near) -> Ids:
    """The least member of the group of each of `n` codes. Cost: linear in the pairs."""
    roots = list(range(n))
    sizes = [1] * n
    for first, neighbors in near:
        for code, some in enumerate(neighbors, first):
            if len(some) == 1:
                continue
            earlier = some[some < code].tolist()
            met = Counter([roots[other] for other in earlier])
            fitting = [root for root, n_near in met.items() if n_near == sizes[root]]
            if fitting:
                root = min(fitting)
                roots[code] = root
                sizes[root] += 1
    return np.array(roots, np.int64)


def groups(roots: Ids, keys: Keys, is_cut: NDArray[np.bool_], max_size: int) -> list[DuplicateGroup]:
    """Ascending keys of equal root together, where there are at least two; ordered by their first keys.

    A group above `max_size` is cut into runs of keys, as equal in length as can be. `is_cut` `(n,)` marks those that
    were cut before.
    """
    order = np.argsort(roots, kind="stable")
    begins = np.flatnonzero(np.append(True, np.diff(roots[order]) != 0)[: len(roots)])
    sizes = np.diff(np.append(begins, len(roots)))
    found = []
    for begin, size in zip(begins[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        places = order[begin : begin + size]
        n_parts = -(-size // max_size)
        capped = n_parts > 1 or bool(is_cut[places[0]])
        found += [DuplicateGroup(keys[part], capped) for part in np.array_split(places, n_parts)]
    return sorted(found, key=lambda group: int(group.keys[0]))
