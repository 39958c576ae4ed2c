"""Counts: how many documents have each value of a field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.index.bits import Bitmap
from service.index.columns.column import Column
from service.index.columns.filters import Scalar
from service.index.columns.texts import Texts, encoded
from service.index.columns.values import BOOLEAN, TEXT, Kind

_SPREAD = 4
"""Integers are counted by a table where their range is at most so many times as long as they are many."""

Selection = tuple[Kind, Column, Bitmap]
"""A column of the field with its type, and the rows to count."""
Counted = tuple[Scalar, int]


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """How many documents have which values of a field.

    Attributes:
        values: the commonest with the documents that have them; of those as common the least first: numbers before
            texts before booleans.
        n_distinct: how many different values there are.
        n_missing: documents without a value.
        n_other: documents of the values beyond the limit; one that has two of them counts twice.
    """

    values: list[Counted]
    n_distinct: int
    n_missing: int
    n_other: int


def counted(selections: Sequence[Selection], n_missing: int, limit: int) -> ValueCounts:
    """The counts of all values in the selected rows of some columns.

    Cost: linear in the values that are selected; of numbers far apart, that of sorting them.
    """
    top: list[tuple[int, int, Scalar]] = []
    n_distinct = n_all = 0
    for place, types in enumerate(((0, 1), (TEXT,), (BOOLEAN,))):
        chosen = [(kind, column, rows) for kind, column, rows in selections if kind[0] in types]
        if not chosen:
            continue
        found, n, total = _texts(chosen, limit) if types == (TEXT,) else _numbers(chosen, limit)
        top += [(-count, place, value) for value, count in found]
        n_distinct += n
        n_all += total
    values = [(value, -count) for count, _, value in sorted(top)[:limit]]
    return ValueCounts(values, n_distinct, n_missing, n_all - sum(count for _, count in values))


def _numbers(chosen: Sequence[Selection], limit: int) -> tuple[list[Counted], int, int]:
    """The commonest numbers or booleans, how many there are, and the sum of all counts."""
    by_type: dict[int, list[NDArray[Any]]] = {}
    for kind, column, rows in chosen:
        by_type.setdefault(kind[0], []).append(column.in_rows(rows))
    top: list[Counted] = []
    n_distinct = total = 0
    for parts in by_type.values():
        values, counts = _unique(np.concatenate(parts))
        best = _commonest(counts, limit)
        top += zip(values[best].tolist(), counts[best].tolist(), strict=True)
        n_distinct += len(values)
        total += int(counts.sum())
    return top, n_distinct, total


def _unique(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The different values, ascending, and how often each occurs."""
    if not len(values) or values.dtype.kind == "f":
        return np.unique(values, return_counts=True)
    least = int(values.min())
    if int(values.max()) - least > _SPREAD * len(values) + 256:
        return np.unique(values, return_counts=True)
    counts = np.bincount(values.astype(np.int64) - least)
    there = np.flatnonzero(counts)
    return (there + least).astype(values.dtype), counts[there]


def _texts(chosen: Sequence[Selection], limit: int) -> tuple[list[Counted], int, int]:
    """The commonest texts, how many there are, and the sum of all counts; of several dictionaries."""
    dictionaries = [column.texts for _, column, _ in chosen]
    counts = [column.tally(rows, 0 if column.texts is None else len(column.texts)) for _, column, rows in chosen]
    main = max(range(len(chosen)), key=lambda i: len(counts[i]) if isinstance(dictionaries[i], Texts) else 0)
    others: dict[str, int] = {}
    for i, dictionary in enumerate(dictionaries):
        if dictionary is None or (i == main and isinstance(dictionary, Texts)):
            continue
        for code in np.flatnonzero(counts[i]).tolist():
            text = dictionary[code]
            others[text] = others.get(text, 0) + int(counts[i][code])
    dictionary = dictionaries[main]
    if not isinstance(dictionary, Texts):
        found = sorted(others.items(), key=lambda one: (-one[1], one[0]))[:limit]
        return [*found], len(others), sum(others.values())
    of_codes = np.zeros(len(dictionary), np.int64)
    of_codes[: len(counts[main])] = counts[main][: len(dictionary)]
    asked = list(others)
    places, known = dictionary.places([encoded(text) for text in asked])
    is_known = known.tolist()
    np.add.at(of_codes, places[known], [n for n, is_in in zip(others.values(), is_known, strict=True) if is_in])
    unknown = [(text, n) for (text, n), is_in in zip(others.items(), is_known, strict=True) if not is_in]
    best = _commonest(of_codes, limit)
    top = [(dictionary[code], int(of_codes[code])) for code in best.tolist()]
    n_distinct = int(np.count_nonzero(of_codes)) + len(unknown)
    return [*top, *unknown], n_distinct, int(of_codes.sum()) + sum(n for _, n in unknown)


def _commonest(counts: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """The places of the greatest counts that are not 0, the greatest first, of equal ones the first first."""
    there = np.flatnonzero(counts)
    if len(there) > limit:
        few = counts[there]
        least = np.partition(few, len(few) - limit)[len(few) - limit] if limit else few.max() + 1
        greater, equal = there[few > least], there[few == least]
        there = np.sort(np.concatenate([greater, equal[: max(0, limit - len(greater))]]))
    return there[np.argsort(-counts[there], kind="stable")]
