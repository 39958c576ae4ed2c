"""Highlights: the passage of a text that holds most of what was asked, and where its words stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.hashing.analysis import Analyzer, Term

_PASSAGE_CHARS = 240
_READ_CHARS = 50_000
"""Characters of a text that are searched for its best passage."""
_CONTEXT_CHARS = 40


@dataclass(frozen=True, slots=True)
class Highlight:
    """The best passage of a text for a query.

    Attributes:
        passage: a part of the text, cut between words.
        start: where it begins in the text, in characters.
        marks: `(start, end)` of each word of the query within the passage, in order, none overlapping.
        title_marks: the same within the title.
    """

    passage: str
    start: int
    marks: list[tuple[int, int]]
    title_marks: list[tuple[int, int]]


def highlight(analyzer: Analyzer, weights: Mapping[str, float], text: str, title: str | None) -> Highlight:
    """The passage with the weightiest terms, each counted once; the beginning of the text if it holds none.

    Args:
        analyzer: makes terms of the text.
        weights: what each term of the query counts.
        text: of the document.
        title: its title, if it has one.

    Cost: linear in the first 50,000 characters.
    """
    found = [term for term in analyzer.places(text[:_READ_CHARS]) if term.text in weights]
    first, last = _best_window(found, weights)
    anchor = found[first].start if found else 0
    start, stop = _cut(text, anchor, found[last].end if found else 0)
    marks = _marks([t for t in found if start <= t.start and t.end <= stop])
    titles = [] if title is None else _marks([t for t in analyzer.places(title) if t.text in weights])
    return Highlight(text[start:stop], start, [(a - start, b - start) for a, b in marks], titles)


def _best_window(found: Sequence[Term], weights: Mapping[str, float]) -> tuple[int, int]:
    """First and last of the terms that make the best passage, by the weight of its different terms."""
    best, best_window = -1.0, (0, 0)
    inside: Counter[str] = Counter()
    weight, first = 0.0, 0
    for last, term in enumerate(found):
        if not inside[term.text]:
            weight += weights[term.text]
        inside[term.text] += 1
        while term.end - found[first].start > _PASSAGE_CHARS - _CONTEXT_CHARS and first < last:
            gone = found[first].text
            inside[gone] -= 1
            if not inside[gone]:
                weight -= weights[gone]
            first += 1
        if weight > best + 1e-9:
            best, best_window = weight, (first, last)
    return best_window


def _cut(text: str, begin: int, end: int) -> tuple[int, int]:
    """Where a passage begins and ends that holds text[begin:end]: between words, if there are any."""
    start = max(0, begin - _CONTEXT_CHARS)
    if start:
        space = _next_space(text, start, begin)
        start = begin if space is None else space + 1
    stop = min(len(text), max(end, start + _PASSAGE_CHARS))
    if stop < len(text):
        while stop > end and not text[stop].isspace() and stop > start + _PASSAGE_CHARS // 2:
            stop -= 1
    return start, stop


def _next_space(text: str, start: int, stop: int) -> int | None:
    return next((i for i in range(start, stop) if text[i].isspace()), None)


def _marks(terms: Sequence[Term]) -> list[tuple[int, int]]:
    """The places of terms, those that overlap or touch within a word joined."""
    marks: list[tuple[int, int]] = []
    for start, end in sorted((term.start, term.end) for term in terms):
        if marks and start < marks[-1][1]:
            marks[-1] = marks[-1][0], max(end, marks[-1][1])
        else:
            marks.append((start, end))
    return marks
