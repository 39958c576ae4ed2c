"""What clauses add to a score adds up to it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.index.words import Clause, WordIndex
from tests.index.words.oracle import Oracle

TERMS = ["a", "b", "c", "d", "e"]
some_terms = st.lists(st.sampled_from(TERMS), max_size=6)
alternatives = st.lists(st.tuples(st.sampled_from([*TERMS, "z"]), st.sampled_from([0.0, 0.5, 1.0])), max_size=3)
clauses = st.builds(
    Clause,
    alternatives.map(tuple),
    is_required=st.booleans(),
    is_excluded=st.integers(0, 5).map(lambda n: not n),
    weight=st.sampled_from([1.0, 1.7]),
)


@given(
    st.lists(st.tuples(some_terms, some_terms), min_size=1, max_size=8),
    st.lists(clauses, max_size=4),
    st.lists(st.integers(0, 7), max_size=3),
    st.sampled_from([1, 4, 8]),
)
def test_shares_add_up_to_scores_and_are_those_of_each_clause(
    documents: list[tuple[list[str], list[str]]], query: list[Clause], gone: list[int], step: int
) -> None:
    index, oracle = WordIndex(), Oracle()
    for start in range(0, len(documents), step):
        part = documents[start : start + step]
        keys = np.arange(start, start + len(part))
        index.put(keys, [body for body, _ in part], [title for _, title in part])
        if step == 4:  # not from the newest documents but from a segment
            index = WordIndex.of_base(index.base())
        for key, (body, title) in zip(keys.tolist(), part, strict=True):
            oracle.put(key, body, title)
    index.delete(gone)
    for key in gone:
        oracle.delete(key)
    keys = np.arange(10)
    found, scores = index.shares(query, keys), index.scores(query, keys)
    assert found.scores.sum(axis=1) == pytest.approx(scores, rel=1e-6)
    for key in np.flatnonzero(scores).tolist():
        for i, clause in enumerate(query):
            alone = None
            if not clause.is_excluded:
                alone = oracle.score([clause], key, {term: oracle.frequency(term) for term, _ in clause.alternatives})
            assert found.scores[key, i] == pytest.approx(alone or 0.0)
            place = int(found.alternatives[key, i])
            assert (place >= 0) == bool(alone)
            if alone:
                term, _ = clause.alternatives[place]
                assert term in documents[key][0] + documents[key][1]


def test_of_very_many_words_those_that_were_left_out_have_no_share() -> None:
    index = WordIndex()
    index.put(np.arange(200), [[f"w{j}" for j in range(i, 200)] for i in range(200)])
    query = [Clause(((f"w{j}", 1.0),)) for j in range(200)]
    found = index.shares(query, np.array([150, 199]))
    assert found.scores.sum(axis=1) == pytest.approx(index.scores(query, np.array([150, 199])), rel=1e-6)
    assert np.count_nonzero(index.shares(query, np.array([0])).scores) == 64
