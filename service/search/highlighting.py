"""Highlighting: the best passages of matches for one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

from service.hashing.content import shown_text, text_of
from service.index.document_replica import DocumentReplica
from service.search.asked import Asked
from service.search.highlight import highlight
from service.search.results import Match
from service.search.word_query import text_clauses

_WRITTEN_CHARS = 2_000
"""Characters of a match in which the written form of a corrected word is looked for."""


@dataclass(frozen=True, slots=True)
class Highlighter:
    """Marks the terms of a query.

    Attributes:
        replica: analyzes texts.
        weights: of the terms: the rarer the more.
    """

    replica: DocumentReplica
    weights: Mapping[str, float]

    @classmethod
    def of(cls, asked: Asked, replica: DocumentReplica) -> Highlighter:
        """For the words of a query, of a content, or of examples. Blocks; cost: linear in what asks."""
        clauses = asked.clauses
        if not clauses and (text := text_of(asked.content)):
            clauses = text_clauses(text, replica)
        terms = sorted({term for one in clauses if not one.is_excluded for term, _ in one.alternatives})
        n = len(replica.words) + 1
        frequencies = replica.words.document_frequencies(terms)
        return cls(replica, {term: 1 + log(n / (1 + found)) for term, found in zip(terms, frequencies, strict=True)})

    def highlighted(self, matches: list[Match]) -> list[Match]:
        """Matches with their best passages. Blocks; cost: linear in their texts."""
        return [self._highlighted(match) for match in matches]

    def _highlighted(self, match: Match) -> Match:
        content = shown_text(match.document.content)
        if content is None:
            return match
        found = highlight(self.replica.analyzer, self.weights, content.text, content.title)
        return match._replace(highlight=found)


def written(corrected: Mapping[str, str], replica: DocumentReplica, matches: Sequence[Match]) -> dict[str, str]:
    """What was typed, and how the first matches write the word that was found in its place: terms are stems."""
    forms: dict[str, str] = {}
    wanted = set(corrected.values())
    for match in matches[:3] if wanted else ():
        content = shown_text(match.document.content)
        fields = [match.document.title] + ([] if content is None else [content.text])
        for text in filter(None, fields):
            part = text[:_WRITTEN_CHARS]
            for term in replica.analyzer.places(part):
                if term.text in wanted:
                    forms.setdefault(term.text, part[term.start : term.end].lower())
    return {typed: forms.get(term, term) for typed, term in corrected.items()}
