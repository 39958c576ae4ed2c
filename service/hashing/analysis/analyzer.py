"""The analyzer: from a text to its terms, for the features of a hash function and for the index of words alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import _lru_cache_wrapper
from itertools import chain
from typing import TypeAlias

from service.errors import InvalidInput
from service.hashing.analysis.chunks import (
    FIRST_OTHER,
    ascii_chunks,
    chunks,
    is_short,
    is_symbol,
    is_unspaced,
    is_word,
    parts,
)
from service.hashing.analysis.stems import LANGUAGES
from service.hashing.analysis.unspaced import Place, places_of_run
from service.hashing.analysis.words import NO_LANGUAGE, words_in

VERSION = 1
"""Grows with each change of the terms of any text: stored hash functions and indexes name theirs."""
_LONGEST_CACHED = 64
TermsOf: TypeAlias = "_lru_cache_wrapper[tuple[str, ...]]"


@dataclass(frozen=True, slots=True)
class Term:
    """One term at one place of a text.

    Attributes:
        text: the term, as `Analyzer.all_terms` gives it.
        start: where it begins in the text as it was given, in characters.
        end: where it ends.
        is_stop: whether it is a stop word.
    """

    text: str
    start: int
    end: int
    is_stop: bool


class Analyzer:
    """Terms of texts in a language. Immutable and thread-safe; equal if its language and version are.

    A word is its stem without accents; an identifier is whole and in parts, at overlapping places; a script without
    spaces gives single characters and pairs of them. A term has no white space and at most 64 characters, two joined
    syllables of Tibetan aside; a word of content never has the form of a stop word.

    Args:
        language: one of `LANGUAGES`, or "none": no stems, no stop words.

    Raises:
        InvalidInput: no such language.
    """

    version = VERSION

    def __init__(self, language: str = NO_LANGUAGE) -> None:
        if language != NO_LANGUAGE and language not in LANGUAGES:
            raise InvalidInput(f"language must be {NO_LANGUAGE} or one of {', '.join(LANGUAGES)}, got {language!r}")
        self.language = language
        self._words = words_in(language)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Analyzer) and other.language == self.language

    def __hash__(self) -> int:
        return hash(self.language)

    def __repr__(self) -> str:
        return f"Analyzer({self.language!r})"

    def __reduce__(self) -> tuple[type[Analyzer], tuple[str]]:
        return Analyzer, (self.language,)

    def terms(self, text: str) -> list[str]:
        """Terms in order, without stop words: for features. Cost: linear."""
        return self._each_part(text, self._words.content_terms_of)

    def all_terms(self, text: str) -> list[str]:
        """Terms in order, stop words among them: for an inverted index. Cost: linear."""
        return self._each_part(text, self._words.terms_of)

    def is_stop(self, term: str) -> bool:
        """Whether a term, as `all_terms` gives it, is a stop word."""
        return term in self._words.stop_words

    def places(self, text: str) -> list[Term]:
        """The terms of `all_terms` with their places, in order of their start: for highlights and phrases."""
        stop_words = self._words.stop_words
        return [
            Term(term, base + start, base + end, term in stop_words)
            for offset, part in parts(text)
            for chunk in chunks.finditer(part)
            for base in (offset + chunk.start(),)
            for term, start, end in self._places_of(chunk[0])
        ]

    def written(self, text: str, terms: Iterable[str]) -> dict[str, str]:
        """How some terms are written where they first stand in a text, in lower case; those that do not are left out.

        Cost: linear in the text up to where the last of them is found.
        """
        wanted, found = set(terms), dict[str, str]()
        for _, part in parts(text):
            for chunk in (ascii_chunks if part.isascii() else chunks).findall(part):
                if not wanted:
                    return found
                here = wanted.intersection(self._of_chunk(chunk, self._words.terms_of))
                found |= {term: self.written_in(chunk, term) for term in here}
                wanted -= here
        return found

    def counted(self, text: str) -> dict[str, tuple[int, str]]:
        """How often each term of `terms` comes in a text, and the part of the text where it first stands.

        `written_in` tells how it is written there. Cost: linear, a quarter of that of `places`.
        """
        chunk_counts: Counter[str] = Counter()
        for _, part in parts(text):
            chunk_counts.update((ascii_chunks if part.isascii() else chunks).findall(part))
        counts: dict[str, tuple[int, str]] = {}
        for chunk, n in chunk_counts.items():
            for term in self._of_chunk(chunk, self._words.content_terms_of):
                before = counts.get(term)
                counts[term] = (n, chunk) if before is None else (before[0] + n, before[1])
        return counts

    def written_in(self, chunk: str, term: str) -> str:
        """How a term is written in a part of a text that has it, in lower case."""
        if is_word(chunk) and len(chunk) <= _LONGEST_CACHED:
            return self._words.written_in(chunk)[term]
        return next(chunk[start:end].lower() for found, start, end in self._places_of(chunk) if found == term)

    def _each_part(self, text: str, terms_of: TermsOf) -> list[str]:
        if is_short(text):
            return self._of_part(text, terms_of)
        return list(chain.from_iterable(self._of_part(part, terms_of) for _, part in parts(text)))

    def _of_part(self, text: str, terms_of: TermsOf) -> list[str]:
        if text.isascii():
            found = ascii_chunks.findall(text)
            if max(map(len, found), default=0) <= _LONGEST_CACHED:
                return list(chain.from_iterable(map(terms_of, found)))
        else:
            found = chunks.findall(text)
        terms: list[str] = []
        for chunk in found:
            terms += self._of_chunk(chunk, terms_of)
        return terms

    def _of_chunk(self, chunk: str, terms_of: TermsOf) -> Sequence[str]:
        if chunk[0] < FIRST_OTHER or is_word(chunk):
            return terms_of(chunk) if len(chunk) <= _LONGEST_CACHED else terms_of.__wrapped__(chunk)
        return [term for term, _, _ in self._places_of(chunk)]

    def _places_of(self, chunk: str) -> Iterator[Place]:
        if is_unspaced(chunk):
            return places_of_run(chunk)
        if is_symbol(chunk):
            return self._words.places_of_symbol(chunk)
        return self._words.places_of(chunk)
