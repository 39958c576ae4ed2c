"""The words of a text as a query."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.hashing.analysis import Analyzer
from service.index.columns import ColumnIndex
from service.index.document_replica import DocumentReplica
from service.index.words import Clause, WordIndex
from service.search.word_query import text_clauses, word_query
from service.store.words import WordSettings

WORDS = ["bread", "breads", "sea", "car", "the", "of", "lighthouse", "fast", "food"]


def replica(*synonyms: tuple[str, ...]) -> DocumentReplica:
    return DocumentReplica(
        1, WordSettings(language="en", synonyms=synonyms), 1, Analyzer("en"), WordIndex(), ColumnIndex(), 0
    )


@given(st.lists(st.sampled_from(WORDS), min_size=1))
def test_each_word_that_is_no_stop_word_counts_by_how_often_it_comes(words: list[str]) -> None:
    analyzer = Analyzer("en")
    text = " ".join(words)
    counted = Counter(analyzer.terms(text) or analyzer.all_terms(text))
    clauses = text_clauses(text, replica())
    assert {clause.alternatives: clause.weight for clause in clauses} == {
        ((term, 1.0),): 1 + math.log(n) for term, n in counted.items()
    }


@given(st.lists(st.sampled_from(WORDS), min_size=1))
def test_plain_words_ask_the_same_as_a_query_of_a_person(words: list[str]) -> None:
    groups = replica(("car", "automobile"), ("fast food", "burger"))
    typed = word_query(" ".join(words), groups, is_prefix=False, with_typos=False)
    assert set(text_clauses(" ".join(words), groups)) == set(typed.clauses)


@pytest.mark.parametrize("text", ["", "?!", "-", '""'])
def test_a_text_without_words_has_no_clauses(text: str) -> None:
    assert text_clauses(text, replica()) == ()


def test_signs_of_a_query_mean_nothing_in_a_text() -> None:
    assert text_clauses('+bread -sea "car"', replica()) == text_clauses("bread sea car", replica())
    assert not any(clause.is_required or clause.is_excluded for clause in text_clauses("+bread -sea", replica()))


def test_synonyms_of_one_word_are_alternatives_and_those_of_several_are_clauses() -> None:
    clauses = text_clauses("car fast food", replica(("car", "bus"), ("fast food", "pizza")))
    assert Clause((("car", 1.0), ("bus", 1.0))) in clauses
    assert Clause((("pizza", 1.0),)) in clauses
