"""Matching: which documents a query of words matches, without their scores and without an order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.index.bits import are_in
from service.index.words.part import Docs, Postings
from service.index.words.plan import EXCLUDED, REQUIRED, Plan


def matching_docs(postings: Postings, plan: Plan) -> Docs:
    """The numbers of the documents of one part that match, ascending; those that may not be shown left out.

    Cost: linear in the postings, and a byte for each document of the part.
    """
    n_docs = len(postings.keys)
    found: NDArray[np.bool_] | None = None
    optional, excluded = np.zeros(n_docs, bool), np.zeros(n_docs, bool)
    for clause, kind in enumerate(plan.kinds.tolist()):
        has = np.zeros(n_docs, bool) if kind == REQUIRED else excluded if kind == EXCLUDED else optional
        for alternative in range(*plan.clause_starts[clause : clause + 2].tolist()):
            has[postings.docs[postings.starts[alternative] : postings.ends[alternative]]] = True
        if kind == REQUIRED:
            found = has if found is None else found & has
    docs = np.flatnonzero((optional if found is None else found) & ~excluded).astype(np.int32)
    return docs[are_in(postings.shown, docs)] if len(postings.shown) else docs
