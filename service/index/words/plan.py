"""Plan: a query as the loops need it, with the weight of each term by the statistics of one view."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidInput
from service.index.words.layout import Ints
from service.index.words.part import Totals
from service.index.words.query import Clause

OPTIONAL, REQUIRED, EXCLUDED = range(3)
MOST_OPTIONAL = 64
"""Clauses of a query, neither required nor excluded, that are looked up: those of the greatest weight times idf."""
_SINGLE = 0.3


class Settings(NamedTuple):
    """k1 and b of BM25, and how many occurrences in the body one in the title counts as."""

    k1: float
    b: float
    title_weight: float


class Plan(NamedTuple):
    """The clauses of a query.

    Attributes:
        factors: `(n_alternatives,)` float64, weights with the idf and k1 + 1 in them, clause by clause.
        clause_starts: `(n_clauses + 1,)` int64, the first alternative of each clause.
        kinds: `(n_clauses,)` int64, OPTIONAL, REQUIRED or EXCLUDED.
        n_required: how many clauses are required.
        norms: `(6,)` float64: the norm of a body is the first plus the second times its length, that of a title the
            third plus the fourth times its length; then the weight of titles and k1.
        kept: `(n_alternatives,)` the places of the alternatives among all of the query.
        n_dropped: optional clauses that were one too many.
    """

    factors: NDArray[np.float64]
    clause_starts: Ints
    kinds: Ints
    n_required: int
    norms: NDArray[np.float64]
    kept: Ints
    n_dropped: int


def terms_of(clauses: Sequence[Clause]) -> list[str]:
    """The terms of all alternatives, clause by clause.

    Raises:
        InvalidInput: a weight is negative or no number.
    """
    for clause in clauses:
        for weight in (clause.weight, *(weight for _, weight in clause.alternatives)):
            if not (isfinite(weight) and weight >= 0):
                raise InvalidInput(f"weights of a clause must be finite and at least 0, got {weight}")
    return [term for clause in clauses for term, _ in clause.alternatives]


def idf(n_docs: int, frequency: int) -> float:
    """The weight of a term that so many of the documents have: always greater than 0, as Lucene has it."""
    return log(1 + (n_docs - frequency + 0.5) / (frequency + 0.5))


def _value(n_docs: int, frequency: int) -> float:
    """What a term does for a query that has too many: one that a single document has finds no other."""
    return idf(n_docs, frequency) * (_SINGLE if frequency == 1 else 1.0)


def make(clauses: Sequence[Clause], frequencies: Sequence[int], totals: Totals, settings: Settings) -> Plan | None:
    """The plan of a query; None if no document can match.

    Args:
        clauses: of the query.
        frequencies: of the terms of all alternatives, clause by clause: how many live documents have them.
        totals: of the live documents.
        settings: of the index.
    """
    places, values, at = [], [], 0
    for clause in clauses:
        here = [place for place in range(at, at + len(clause.alternatives)) if frequencies[place]]
        at += len(clause.alternatives)
        if clause.is_required and not clause.is_excluded and not here:
            return None
        places.append(here)
        values.append(clause.weight * max((_value(totals.n_docs, frequencies[place]) for place in here), default=0.0))
    is_optional = [not clause.is_required and not clause.is_excluded for clause in clauses]
    optional = [i for i, here in enumerate(places) if here and is_optional[i]]
    kept = set(sorted(optional, key=lambda i: (-values[i], i))[:MOST_OPTIONAL])
    factors, starts, kinds, chosen = [], [0], [], []
    weights = [weight for clause in clauses for _, weight in clause.alternatives]
    for i, (clause, here) in enumerate(zip(clauses, places, strict=True)):
        if not here or (is_optional[i] and i not in kept):
            continue
        chosen += here
        gains = ((weights[place], idf(totals.n_docs, frequencies[place])) for place in here)
        factors += [clause.weight * (weight * gain * (settings.k1 + 1)) for weight, gain in gains]
        starts.append(len(factors))
        kinds.append(EXCLUDED if clause.is_excluded else REQUIRED if clause.is_required else OPTIONAL)
    if all(kind == EXCLUDED for kind in kinds):
        return None
    return Plan(
        np.array(factors),
        np.array(starts, np.int64),
        np.array(kinds, np.int64),
        kinds.count(REQUIRED),
        _norms(totals, settings),
        np.array(chosen, np.int64),
        len(optional) - len(kept),
    )


def _norms(totals: Totals, settings: Settings) -> NDArray[np.float64]:
    """The average length of a field is that of the documents that have it."""
    k1, b, title_weight = settings
    body_slope = b * totals.n_bodies / totals.body_terms if totals.body_terms else 0.0
    title_slope = b * totals.n_titles / totals.title_terms if totals.title_terms else 0.0
    return np.array([1 - b, body_slope, 1 - b, title_slope, title_weight, k1])
