"""Recommendations: from examples of what is wanted and what is not, where to look for codes, and which words.

    p = mean of s(d) over the wanted - 1/2 mean of s(d) over the unwanted       s(d): the bits (+-1) of a document,
                                                                                of a text its logits, scaled alike
    weight of a word = idf * (mean of 1 + ln tf over the wanted - 1/2 mean over the unwanted)

Source: Rocchio (1971), "Relevance feedback in information retrieval"; here its weights are 1 and 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np

from service.hashing.content import Content, text_of
from service.index.document_replica import DocumentReplica
from service.index.words import Clause
from service.search.fuse import Direction
from service.search.word_query import text_clauses

UNWANTED = 0.5
"""What the unwanted examples count beside the wanted."""
TERMS = 32
"""Words that are looked for, those of the greatest weight."""


def direction_of_examples(wanted: Sequence[Direction], unwanted: Sequence[Direction]) -> Direction:
    """Where to look: `(n_bits,)` of the directions of each example, `(n_bits,)` each."""
    direction = np.mean([_scaled(one) for one in wanted], axis=0, dtype=np.float32)
    if unwanted:
        direction = direction - np.float32(UNWANTED) * np.mean([_scaled(one) for one in unwanted], axis=0)
    return np.asarray(direction, dtype=np.float32)


def clauses_of_examples(
    wanted: Sequence[Content], unwanted: Sequence[Content], replica: DocumentReplica
) -> tuple[Clause, ...]:
    """The words of the greatest weight, for the index. Blocks; cost: linear in the contents."""
    weights: dict[Clause, float] = {}
    for contents, share in ((wanted, 1.0), (unwanted, -UNWANTED)):
        for content in contents:
            for clause in text_clauses(text_of(content), replica):
                plain = Clause(clause.alternatives)
                weights[plain] = weights.get(plain, 0.0) + share * clause.weight / len(contents)
    first_terms = [clause.alternatives[0][0] for clause in weights]
    n = len(replica.words) + 1
    frequencies = replica.words.document_frequencies(first_terms)
    ranked = sorted(
        (
            (weight * log(n / (1 + frequency)), clause, weight)
            for (clause, weight), frequency in zip(weights.items(), frequencies, strict=True)
            if weight > 0 and frequency
        ),
        key=lambda one: (-one[0], one[1].alternatives),
    )
    return tuple(Clause(clause.alternatives, weight=weight) for _, clause, weight in ranked[:TERMS])


def _scaled(direction: Direction) -> Direction:
    size = float(np.abs(direction).mean())
    return direction / np.float32(size) if size else direction
