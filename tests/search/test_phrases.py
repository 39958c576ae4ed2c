"""Phrases hold where their terms follow each other."""

from __future__ import annotations

import pytest

from service.hashing.analysis import Analyzer
from service.hashing.content import Text
from service.search.phrases import consecutive_terms, holds


def phrase(analyzer: Analyzer, text: str) -> tuple[str, ...]:
    return tuple(consecutive_terms(analyzer.places(text)))


@pytest.mark.parametrize(
    ("asked", "text", "is_there"),
    [
        ("black cat", "A BLACK cat.", True),
        ("black cat", "black, cats", True),
        ("black cat", "cat black", False),
        ("black cat", "black big cat", False),
        ("cat cat", "cat", False),
        ("cat cat", "a cat cat", True),
        ("to be or not to be", "To be, or not to be: that is", True),
        ("numpy.linalg", "from numpy.linalg import inv", True),
        ("numpy.linalg.inv", "call numpy.linalg.inv now", True),
        ("linalg inv", "call numpy.linalg.inv now", True),
        ("call numpy", "call numpy.linalg.inv now", True),
        ("\u673a\u5668\u5b66", "\u5173\u4e8e\u673a\u5668\u5b66\u4e60", True),
        ("\u673a\u5b66", "\u5173\u4e8e\u673a\u5668\u5b66\u4e60", False),
        ("don't stop", "Don\u2019t stop me", True),
    ],
)
def test_a_phrase_is_there_where_its_terms_follow_each_other(asked: str, text: str, is_there: bool) -> None:
    analyzer = Analyzer("en")
    wanted = phrase(analyzer, asked)
    assert holds(analyzer, Text(text), [wanted], []) == is_there
    assert holds(analyzer, Text(text), [], [wanted]) != is_there
    assert holds(analyzer, Text("other words", text), [wanted], []) == is_there, "in the title"


def test_a_phrase_does_not_reach_from_the_title_into_the_text() -> None:
    analyzer = Analyzer("en")
    assert not holds(analyzer, Text("cat sleeps", "black"), [phrase(analyzer, "black cat")], [])


def test_every_phrase_must_hold_and_no_excluded_one() -> None:
    analyzer = Analyzer("en")
    one, two = phrase(analyzer, "black cat"), phrase(analyzer, "red dog")
    both = Text("black cat and red dog")
    assert holds(analyzer, both, [one, two], [])
    assert not holds(analyzer, Text("black cat"), [one, two], [])
    assert not holds(analyzer, both, [one], [two])
