"""A highlight is a part of the text, and its marks stand on the words that were asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.hashing.analysis import Analyzer
from service.search.highlight import highlight
from tests.examples import examples

WORDS = (
    "cat",
    "Cats",
    "running",
    "the",
    "numpy.linalg",
    "\u673a\u5668",
    "x" * 90,
    "\U0001f44d",
    "Stra\u00dfe",
    "\ufb01ne",
)
texts = st.lists(st.sampled_from((*WORDS, " ", "\n", ", ", "filler words " * 9)), max_size=40).map(" ".join)


@pytest.mark.parametrize("language", ["en", "none"])
@examples(150)
@given(text=texts, title=st.none() | texts, asked=st.lists(st.sampled_from(WORDS), max_size=3))
def test_marks_lie_within_the_passage_and_on_the_words(
    language: str, text: str, title: str | None, asked: list[str]
) -> None:
    analyzer = Analyzer(language)
    weights = {term: 1.0 for word in asked for term in analyzer.all_terms(word)}
    made = highlight(analyzer, weights, text, title)
    assert text[made.start : made.start + len(made.passage)] == made.passage
    for field, marks in ((made.passage, made.marks), (title or "", made.title_marks)):
        before = 0
        for start, end in marks:
            assert before <= start < end <= len(field)
            assert weights.keys() & set(analyzer.all_terms(field[start:end]))
            before = end
    if weights.keys() & set(analyzer.all_terms(text)):
        assert made.marks, "a text that has a word of the query is shown where it has it"
    if title is not None and weights.keys() & set(analyzer.all_terms(title)):
        assert made.title_marks


def test_the_passage_is_where_most_of_the_weight_is() -> None:
    filler = "nothing to see here " * 40
    text = f"cat {filler} cat and dog {filler} cat"
    made = highlight(Analyzer("en"), {"cat": 1.0, "dog": 2.0}, text, None)
    assert [made.passage[a:b] for a, b in made.marks] == ["cat", "dog"]
    assert len(made.passage) < 400


def test_without_a_word_of_the_query_the_text_is_shown_from_its_beginning() -> None:
    made = highlight(Analyzer("en"), {"cat": 1.0}, "word " * 500, "Title")
    assert (made.start, made.marks, made.title_marks) == (0, [], [])
    assert 100 < len(made.passage) <= 240


def test_only_the_beginning_of_a_very_long_text_is_looked_at() -> None:
    made = highlight(Analyzer("en"), {"cat": 1.0}, "word " * 200_000 + "cat", None)
    assert (made.start, made.marks) == (0, [])
