"""Phrases: terms that must follow each other, checked in the texts of documents that hold them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from service.hashing.analysis import Analyzer, Term
from service.hashing.content import Content, shown_text

Phrase = tuple[str, ...]


def consecutive_terms(places: Sequence[Term]) -> list[str]:
    """The terms of a text as they follow each other: identifiers by their parts, scripts without spaces by pairs.

    Args:
        places: the terms, ordered by start within each stretch of text.

    Cost: linear, but for terms that lie within each other.
    """
    kept = _without(places, lambda a, b: _is_within(b, a) and b.end - b.start > 1)
    return [term.text for term in _without(kept, _is_within)]


def holds(analyzer: Analyzer, content: Content, phrases: Iterable[Phrase], excluded: Iterable[Phrase]) -> bool:
    """Whether the title or the text of a document holds every one of some phrases, and none of others."""
    readable = shown_text(content)
    if readable is None:
        return False
    fields = [consecutive_terms(analyzer.places(field)) for field in (readable.title, readable.text) if field]
    return all(any(_has(field, phrase) for field in fields) for phrase in phrases) and not any(
        _has(field, phrase) for phrase in excluded for field in fields
    )


def _has(terms: Sequence[str], phrase: Phrase) -> bool:
    n = len(phrase)
    return any(terms[i] == phrase[0] and tuple(terms[i : i + n]) == phrase for i in range(len(terms) - n + 1))


def _without(places: Sequence[Term], is_covered: Callable[[Term, Term], bool]) -> list[Term]:
    """The terms of which no other that overlaps says that it stands for them."""
    kept = []
    for i, term in enumerate(places):
        near = [*_overlapping(places, i, -1), *_overlapping(places, i, 1)]
        if not any(is_covered(term, other) for other in near):
            kept.append(term)
    return kept


def _overlapping(places: Sequence[Term], i: int, step: int) -> Iterable[Term]:
    term, j = places[i], i + step
    while 0 <= j < len(places) and places[j].start < term.end and term.start < places[j].end:
        yield places[j]
        j += step


def _is_within(inner: Term, outer: Term) -> bool:
    return (
        outer.start <= inner.start and inner.end <= outer.end and (inner.start, inner.end) != (outer.start, outer.end)
    )
