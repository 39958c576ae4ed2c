"""Groups of near duplicates: the parts that steps of few bits join, found by joining pairs."""

from __future__ import annotations

import numpy as np

from service.index.hamming.view import Ids, Keys


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


def groups(roots: Ids, keys: Keys) -> list[Keys]:
    """Keys of equal root together, where there are at least two; keys and groups ascend."""
    order = np.lexsort((keys, roots))
    roots, keys = roots[order], keys[order]
    begins = np.flatnonzero(np.append(True, roots[1:] != roots[:-1])[: len(roots)])
    sizes = np.diff(np.append(begins, len(roots)))
    several = sizes > 1
    found = [keys[begin : begin + size] for begin, size in zip(begins[several], sizes[several], strict=True)]
    return sorted(found, key=lambda group: int(group[0]))
