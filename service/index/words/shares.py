"""Shares: what each clause of a query adds to the score of a document, and which of its alternatives does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.index.words.kernels import reference
from service.index.words.layout import Ints
from service.index.words.part import Docs, Postings
from service.index.words.plan import Plan


class Shares(NamedTuple):
    """Of `(n,)` documents and the clauses of a query.

    `scores` `(n, n_clauses)` float64: what each clause adds to the score of each document; a row adds up to the score.
    `alternatives` `(n, n_clauses)` int64: the place in its clause of the alternative that gave it, -1 where none did.
    """

    scores: NDArray[np.float64]
    alternatives: Ints


def of_alternatives(postings: Postings, plan: Plan, docs: Docs) -> NDArray[np.float64]:
    """What each alternative of a plan would give some documents of one part, `(n_docs, n_alternatives)` float64.

    Cost: a binary search for each document in the postings of each alternative.
    """
    found = np.zeros((len(docs), len(plan.factors)))
    for alternative, factor in enumerate(plan.factors.tolist()):
        first, last = int(postings.starts[alternative]), int(postings.ends[alternative])
        if first == last:
            continue
        run = postings.docs[first:last]
        places = np.minimum(np.searchsorted(run, docs), len(run) - 1)
        has = np.flatnonzero(run[places] == docs)
        if len(has):
            found[has, alternative] = reference.weights(postings, first + places[has], factor, plan.norms)
    return found
