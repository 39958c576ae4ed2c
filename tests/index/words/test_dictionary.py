"""Completions and corrections are those that looking at every term one by one finds."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.index.words import WordIndex

LETTERS = "abßя学😀"
WORDS = st.text(LETTERS, max_size=7)


def index_of(frequencies: dict[str, int]) -> WordIndex:
    """Documents of one term each; of terms that two documents have, one has died and come again as a newer one."""
    index = WordIndex()
    terms = [term for term, n in frequencies.items() for _ in range(n)]
    index.put(np.arange(len(terms)), [[term] for term in terms])
    again = np.arange(0, len(terms), 9)
    index.delete(again)
    for key in again.tolist():
        index.put(np.array([key + 10_000]), [[terms[key]]])
    return index


@cache
def distance(one: str, other: str) -> int:
    """Optimal string alignment, by its recursive definition."""
    if not one or not other:
        return len(one) + len(other)
    best = min(
        distance(one[:-1], other) + 1,
        distance(one, other[:-1]) + 1,
        distance(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    )
    if len(one) > 1 and len(other) > 1 and one[-1] == other[-2] and one[-2] == other[-1]:
        best = min(best, distance(one[:-2], other[:-2]) + 1)
    return best


@given(st.dictionaries(WORDS, st.integers(1, 4), max_size=30), WORDS, st.integers(0, 2), st.integers(1, 10))
def test_corrections_are_the_nearest_terms_then_the_most_frequent(
    frequencies: dict[str, int], term: str, max_edits: int, limit: int
) -> None:
    near = sorted((distance(term, other), -n, other) for other, n in frequencies.items())
    expected = [(other, edits) for edits, _, other in near if edits <= max_edits][:limit]
    assert index_of(frequencies).corrections(term, max_edits, limit) == expected


@given(st.dictionaries(WORDS, st.integers(1, 4), max_size=60), st.text(LETTERS, max_size=2), st.integers(1, 10))
def test_completions_are_the_terms_of_most_documents(frequencies: dict[str, int], prefix: str, limit: int) -> None:
    ordered = sorted((-n, term) for term, n in frequencies.items() if term.startswith(prefix))
    assert index_of(frequencies).completions(prefix, limit) == [term for _, term in ordered][:limit]


def test_of_thousands_of_completions_the_most_frequent_are_found_across_segments() -> None:
    rng = np.random.default_rng(0)
    index, counts = WordIndex(), np.zeros(5_000, np.int64)
    for first in (0, 50_000, 60_000):
        terms = rng.zipf(1.3, 9_000 if not first else 900) % 5_000
        np.add.at(counts, terms, 1)
        index.put(np.arange(first, first + len(terms)), [[f"w{term}"] for term in terms.tolist()])
    assert index.n_segments > 1
    ordered = sorted((-int(n), f"w{term}") for term, n in enumerate(counts) if n)
    assert index.completions("w", 10) == [term for _, term in ordered][:10]
    assert index.n_terms == np.count_nonzero(counts)


@pytest.mark.parametrize(
    ("typed", "meant"), [("temproary", "temporary"), ("inverze", "inverse"), ("matrx", "matrix"), ("naïvve", "naïve")]
)
def test_a_typing_error_is_forgiven(typed: str, meant: str) -> None:
    index = index_of({"temporary": 2, "inverse": 3, "matrix": 1, "naïve": 1, "python": 5})
    assert index.corrections(typed, 1, 3) == [(meant, 1)]


def test_a_word_without_end_has_no_corrections() -> None:
    assert index_of({"a": 1}).corrections("a" * 100_000, 2, 5) == []
