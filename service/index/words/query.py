"""What a search of the inverted index is asked, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.int64]


@dataclass(frozen=True)
class Clause:
    """One concept of a query: a document scores the maximum over the alternatives of their weight times its BM25.

    Attributes:
        alternatives: terms with their weights, at least 0: a word and its synonyms, completions or corrections.
        is_required: an answer holds only documents that have one of the alternatives.
        is_excluded: an answer holds no document that has one of the alternatives; the weights do not matter.
        weight: what the clause counts among the others, at least 0.
    """

    alternatives: tuple[tuple[str, float], ...]
    is_required: bool = False
    is_excluded: bool = False
    weight: float = 1.0


class WordMatches(NamedTuple):
    """An answer, descending by score and, where scores are equal, ascending by key.

    `keys` `(n,)` int64, `scores` `(n,)` float32; `n_matching` documents match in all, and `n_dropped` clauses that are
    neither required nor excluded were left out because the query has too many.
    """

    keys: Keys
    scores: NDArray[np.float32]
    n_matching: int
    n_dropped: int = 0
