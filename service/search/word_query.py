"""From the parts of a query to clauses for the inverted index: terms, synonyms, completions, corrected words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import log

from service.errors import InvalidInput
from service.hashing.analysis import Analyzer, Term
from service.index.document_replica import DocumentReplica
from service.index.words import Clause
from service.search.phrases import Phrase, consecutive_terms
from service.search.query_syntax import QueryPart, parse

_COMPLETIONS, _CORRECTIONS = 50, 5
_COMPLETIONS_NEEDED = 1_000
"""Words that a beginning which is required or excluded stands for, those of most documents."""
_MOST_PARTS, _MOST_NEEDED = 1_000, 64
"""Words of a query that are looked up; and terms of a phrase, or of a part that is required or excluded."""
_MOST_CORRECTED = 8
"""Unknown words of a query that are corrected."""
_COMPLETED, _RELATED, _SYNONYM, _SYNONYM_WORD = 0.9, 0.5, 1.0, 0.5
_CORRECTED = {1: 0.8, 2: 0.6}
_ONE_EDIT_CHARS, _TWO_EDITS_CHARS = 4, 8
_SHOWN = 100
_PLAIN = Analyzer()


@dataclass(frozen=True)
class WordQuery:
    """What the inverted index is asked, and what is left to check in the texts of what it finds.

    Attributes:
        clauses: for the index.
        text: what is left for a code: the query without signs and excluded parts, with corrected words.
        phrases: terms that must follow each other.
        excluded_phrases: terms that must not.
        corrected: what was typed, and the term that is looked for in its place.
        is_known: whether a document has one of its words.
    """

    clauses: tuple[Clause, ...]
    text: str
    phrases: tuple[Phrase, ...] = ()
    excluded_phrases: tuple[Phrase, ...] = ()
    corrected: dict[str, str] = field(default_factory=dict)
    is_known: bool = False

    @property
    def terms(self) -> set[str]:
        """The terms that a match may have, those of all alternatives."""
        return {term for clause in self.clauses if not clause.is_excluded for term, _ in clause.alternatives}

    @property
    def needs_texts(self) -> bool:
        """Whether the texts of matches must be read to know that they are."""
        return bool(self.phrases or self.excluded_phrases)

    @property
    def filters(self) -> tuple[Clause, ...]:
        """The clauses that a match must meet, whatever its score."""
        return tuple(clause for clause in self.clauses if clause.is_required or clause.is_excluded)


def plain_query(query: str) -> str:
    """The query without signs and excluded parts, where its words are not in memory.

    Raises:
        InvalidInput: everything in it is excluded.
    """
    return " ".join(part.text for part in _wanted(query, parse(query) or [QueryPart(query)]))


def word_query(query: str, replica: DocumentReplica, *, is_prefix: bool, with_typos: bool) -> WordQuery:
    """The clauses of a query. Blocks while it looks terms up.

    Args:
        query: as it was typed.
        replica: analyzes it and knows which words there are.
        is_prefix: the last word may be a beginning.
        with_typos: a word that no document has stands for the nearest that some have.

    Raises:
        InvalidInput: everything in it is excluded.

    Cost: linear in the query, and a pass over the dictionary for each of a few unknown words.
    """
    parts = parse(query) or [QueryPart(query)]
    wanted = _wanted(query, parts)
    if is_prefix and not wanted[-1].is_phrase:
        place = max(i for i, part in enumerate(parts) if not part.is_excluded)
        parts[place] = replace(parts[place], is_prefix=True)
    return _Builder(replica, with_typos).build(parts)


def text_clauses(text: str, replica: DocumentReplica) -> tuple[Clause, ...]:
    """The clauses of a text that is no query as a person types it: its words, the more often the more weight.

    No sign means anything, and no word is corrected, completed or followed by longer ones. Of nothing but stop words
    they are looked for. Blocks.

    Cost: linear in the text.
    """
    terms = replica.analyzer.all_terms(text)
    wanted = [term for term in terms if not replica.analyzer.is_stop(term)] or terms
    clauses = [Clause(_alternatives(term, replica), weight=_weight(n)) for term, n in Counter(wanted).items()]
    return (*clauses, *_merged(_of_phrases_with_synonyms(terms, replica)))


def _wanted(query: str, parts: Sequence[QueryPart]) -> list[QueryPart]:
    wanted = [part for part in parts if not part.is_excluded]
    if not wanted:
        raise InvalidInput(f"q must hold a word that is not excluded by '-', got {query[:_SHOWN]!r}")
    return wanted


class _Builder:
    """Collects the clauses of one query."""

    def __init__(self, replica: DocumentReplica, with_typos: bool) -> None:
        self.replica = replica
        self.analyzer = replica.analyzer
        self.index = replica.words
        self.with_typos = with_typos
        self.corrected: dict[str, str] = {}
        self.n_corrected = 0

    def build(self, parts: Sequence[QueryPart]) -> WordQuery:
        rest = parts[_MOST_PARTS:]
        parts = parts[:_MOST_PARTS]
        places = [self.analyzer.places(part.text) for part in parts]
        of_wanted = [term for part, terms in zip(parts, places, strict=True) if not part.is_excluded for term in terms]
        only_stop_words = all(term.is_stop for term in of_wanted)
        asked = [*dict.fromkeys(term.text for term in of_wanted)]
        has_documents = {t for t, n in zip(asked, self.index.document_frequencies(asked), strict=True) if n}
        clauses: list[Clause] = []
        phrases: list[Phrase] = []
        excluded_phrases: list[Phrase] = []
        words: list[str] = []
        for part, terms in zip(parts, places, strict=True):
            is_plain = not (part.is_required or part.is_excluded or part.is_phrase)
            needed = () if is_plain else tuple(consecutive_terms(terms[:_MOST_NEEDED]))
            if part.is_excluded:
                if len(needed) == 1 and part.is_prefix:
                    excluded = self._prefix(part.text, terms, _COMPLETIONS_NEEDED)
                    clauses.append(replace(excluded, is_excluded=True))
                elif len(needed) == 1:
                    clauses.append(Clause(((needed[0], 1.0),), is_excluded=True))
                elif needed:
                    excluded_phrases.append(needed)
                continue
            words.append(part.text)
            if part.is_phrase and len(needed) > 1:
                phrases.append(needed)
            if part.is_required and part.is_prefix and needed:
                last = [term for term in terms if term.text == needed[-1]]
                clauses += [Clause(_alternatives(term, self.replica), is_required=True) for term in needed[:-1]]
                clauses.append(replace(self._prefix(part.text, last, _COMPLETIONS_NEEDED), is_required=True))
                continue
            if part.is_required or part.is_phrase:
                required = dict.fromkeys(needed)
                clauses += [Clause(_alternatives(term, self.replica), is_required=True) for term in required]
                terms = [term for term in terms if term.text not in required]
            found = [term for term in terms if only_stop_words or not term.is_stop or part.is_prefix]
            if part.is_prefix:
                clauses.append(self._prefix(part.text, found))
                continue
            texts = dict.fromkeys(term.text for term in found)
            if found and not part.is_required and has_documents.isdisjoint(texts):
                corrected = self._correct(part.text, list(texts))
                if corrected is not None:
                    clauses.append(corrected)
                    words[-1] = self.corrected[part.text]
                    continue
            clauses += [Clause((*_alternatives(text, self.replica), *self._related(text))) for text in texts]
        clauses += _of_phrases_with_synonyms([term.text for term in of_wanted], self.replica)
        merged = _merged(clauses)
        others = [t for c in merged if not c.is_excluded for t, _ in c.alternatives] if not has_documents else []
        known = bool(has_documents) or any(self.index.document_frequencies(others))
        words += [part.text for part in rest if not part.is_excluded]
        return WordQuery(merged, " ".join(words), tuple(phrases), tuple(excluded_phrases), self.corrected, known)

    def _related(self, term: str) -> list[tuple[str, float]]:
        return [(other, _RELATED) for other in self.replica.related(term)]

    def _prefix(self, text: str, terms: Sequence[Term], limit: int = _COMPLETIONS) -> Clause:
        beginnings = _PLAIN.all_terms(text)
        alternatives = {term.text: 1.0 for term in terms}
        if beginnings:
            for term in self.index.completions(beginnings[-1], limit):
                alternatives.setdefault(term, _COMPLETED)
        return Clause(tuple(alternatives.items()) or ((text, 1.0),))

    def _correct(self, typed: str, terms: Sequence[str]) -> Clause | None:
        """A clause of the terms that one or two edits make of a word that no document has; None if there are none."""
        if not self.with_typos or len(terms) != 1 or not terms[0].isalpha() or self.n_corrected == _MOST_CORRECTED:
            return None
        n_chars = len(typed)
        if n_chars < _ONE_EDIT_CHARS:
            return None
        self.n_corrected += 1
        found = self.index.corrections(terms[0], 1 if n_chars < _TWO_EDITS_CHARS else 2, _CORRECTIONS)
        if not found:
            return None
        nearest = found[0][1]
        self.corrected[typed] = found[0][0]
        return Clause(tuple((term, _CORRECTED[n]) for term, n in found if n == nearest and n in _CORRECTED))


def _alternatives(term: str, replica: DocumentReplica) -> tuple[tuple[str, float], ...]:
    synonyms = replica.synonyms.get((term,), ())
    return ((term, 1.0), *((other[0], _SYNONYM) for other in synonyms if len(other) == 1 and other[0] != term))


def _of_phrases_with_synonyms(terms: Sequence[str], replica: DocumentReplica) -> list[Clause]:
    """Clauses for synonyms of several words, either in the query or of what it says."""
    clauses: list[Clause] = []
    for length in replica.synonym_lengths:
        for start in range(len(terms) - length + 1):
            said = tuple(terms[start : start + length])
            for other in replica.synonyms.get(said, ()):
                if other != said and (length > 1 or len(other) > 1):
                    weight = _SYNONYM if len(other) == 1 else _SYNONYM_WORD
                    clauses += [Clause(((term, weight),)) for term in other if not replica.analyzer.is_stop(term)]
    return clauses


def _merged(clauses: Iterable[Clause]) -> tuple[Clause, ...]:
    """Clauses without repetition; one that comes n times weighs as a word that does."""
    return tuple(
        replace(clause, weight=clause.weight * _weight(n)) if n > 1 else clause
        for clause, n in Counter(clauses).items()
    )


def _weight(n: int) -> float:
    """What a word that comes `n` times in a query counts there."""
    return 1 + log(n)
