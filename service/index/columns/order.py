"""Order: documents by the value that they have in a field.

Numbers come before texts before booleans, whatever the direction, and documents without a value last. Of a list counts
the value that comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.index.columns.column import Dictionary
from service.index.columns.filters import Scalar
from service.index.columns.texts import Texts, encoded
from service.index.columns.values import BOOLEAN, FLOAT, INTEGER, TEXT, Kind

Gathered = tuple[Kind, NDArray[np.int64], NDArray[Any], Dictionary | None]
"""Type of the values, the places of the documents that they are of, the values and their dictionary."""

CLASSES = ((INTEGER, FLOAT), (TEXT,), (BOOLEAN,))
"""The types in the order in which they come."""


def ordered(n: int, gathered: Sequence[Gathered], descending: bool, limit: int | None) -> NDArray[np.int64]:
    """The places of `n` documents by their values, those as great as they come; all, or the first `limit`.

    Cost: that of a sort; of integers and texts of few different values, and with a limit, linear.
    """
    is_placed = np.zeros(n, bool)
    parts: list[NDArray[np.int64]] = []
    left = n if limit is None else limit
    for types in CLASSES:
        chosen = [one for one in gathered if one[0][0] in types]
        if not chosen:
            continue
        ranks = _text_ranks(chosen) if types == (TEXT,) else _number_ranks(chosen)
        if descending:
            ranks = -ranks if ranks.dtype.kind == "f" else ~ranks
        places, ranks = _first_of_each(np.concatenate([one[1] for one in chosen]), ranks)
        is_new = ~is_placed[places]
        places, ranks = places[is_new], ranks[is_new]
        is_placed[places] = True
        parts.append(places[_least(ranks, left)])
        left -= len(parts[-1])
    parts.append(np.flatnonzero(~is_placed)[:left])
    return np.concatenate(parts)


def _least(ranks: NDArray[Any], limit: int) -> NDArray[np.int64]:
    """The places of the `limit` least ranks, ascending, of equal ones the first first."""
    if 0 < limit < len(ranks):
        few = np.flatnonzero(ranks <= np.partition(ranks, limit - 1)[limit - 1])
        return few[np.argsort(ranks[few], kind="stable")[:limit]]
    return np.argsort(ranks, kind="stable")[:limit]


def first_value(values: Sequence[tuple[int, Scalar]], descending: bool) -> Scalar | None:
    """Of the values of a document, with their types, the one that it is ordered by."""
    for types in CLASSES:
        found = [value for type, value in values if type in types]
        if found:
            return max(found) if descending else min(found)
    return None


def _first_of_each(places: NDArray[np.int64], ranks: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Each place once, ascending, with its least rank."""
    if (places[1:] > places[:-1]).all():
        return places, ranks
    order = np.argsort(places, kind="stable")
    places, ranks = places[order], ranks[order]
    starts = np.flatnonzero(np.concatenate([[True], places[1:] != places[:-1]]))
    return places[starts], np.minimum.reduceat(ranks, starts)


def _number_ranks(chosen: Sequence[Gathered]) -> NDArray[Any]:
    """Numbers, or booleans, that are greater where the values are."""
    if all(one[0][0] == BOOLEAN for one in chosen):
        return np.concatenate([one[2] for one in chosen]).astype(np.int8)
    if len({one[0][0] for one in chosen}) == 1:
        return np.concatenate([one[2] for one in chosen])
    # no float is an integer of 64 bits, and those between two of them are exact: the whole part decides, then the rest
    whole = [_whole(one[2]) for one in chosen]
    rest = [np.zeros(len(one[2])) if one[0][0] == INTEGER else one[2] - np.floor(one[2]) for one in chosen]
    rest = [_rest(one[2], part) for one, part in zip(chosen, rest, strict=True)]
    wholes, rests = np.concatenate(whole), np.concatenate(rest)
    order = np.lexsort((rests, wholes))
    steps = (np.diff(wholes[order]) != 0) | (np.diff(rests[order]) != 0)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.concatenate([[0], np.cumsum(steps)])
    return ranks


def _whole(values: NDArray[Any]) -> NDArray[np.int64]:
    """The integers, or the greatest integers that floats are not less than; the last of 64 bits for those beyond."""
    if values.dtype.kind != "f":
        return values.astype(np.int64)
    limits = np.iinfo(np.int64)
    inside = (values >= -(2.0**63)) & (values < 2.0**63)
    whole = np.where(inside, np.floor(values), 0).astype(np.int64)
    return np.where(inside, whole, np.where(values > 0, limits.max, limits.min))


def _rest(values: NDArray[Any], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """What decides between floats, and an integer, of the same whole part: for those beyond 64 bits themselves."""
    if values.dtype.kind != "f":
        return rest
    return np.where((values >= -(2.0**63)) & (values < 2.0**63), rest, values)


def _text_ranks(chosen: Sequence[Gathered]) -> NDArray[Any]:
    """Numbers that are greater where the texts are; of several dictionaries."""
    if len(chosen) == 1 and isinstance(chosen[0][3], Texts):
        return chosen[0][2]
    sorted_ones = [one[3] for one in chosen if isinstance(one[3], Texts)]
    main = max(sorted_ones, key=len) if sorted_ones else Texts.of_sorted([], np.empty(0, np.int64))
    used = [np.empty(0, np.int64) if one[3] is main else np.unique(one[2]) for one in chosen]
    texts = {one[3][code] for one, codes in zip(chosen, used, strict=True) if one[3] for code in codes.tolist()}
    others = sorted(texts)
    places, known = main.places([encoded(text) for text in others])
    between = np.where(known, (places + 1) << 32, (places << 32) + 1 + np.arange(len(others)))
    rank_of = dict(zip(others, between.tolist(), strict=True))
    parts = []
    for (_, _, values, dictionary), codes in zip(chosen, used, strict=True):
        if dictionary is main:
            parts.append((values.astype(np.int64) + 1) << 32)
        elif dictionary is not None and len(codes):
            ranks = np.array([rank_of[dictionary[code]] for code in codes.tolist()], np.int64)
            parts.append(ranks[np.searchsorted(codes, values)])
    return np.concatenate(parts)
