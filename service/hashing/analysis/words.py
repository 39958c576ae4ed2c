"""The terms of a chunk of words: contractions, identifiers whole and in parts, stop words, stems."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from service.hashing.analysis.characters import MARKS, ZWNJ
from service.hashing.analysis.chunks import LONGEST_CHUNK
from service.hashing.analysis.identifiers import camel_spans, split_spans
from service.hashing.analysis.normalization import LONGEST_TERM, folded, normalized
from service.hashing.analysis.stems import stemmer
from service.hashing.analysis.stop_words import STOP_WORDS
from service.hashing.analysis.unspaced import Place

NO_LANGUAGE = "none"
_CACHED_WORDS, _CACHED_NAMES = 1 << 16, 1 << 12
_APOSTROPHES = "'’ʼ＇"
_ENDINGS = {"s", "m", "d", "ll", "re", "ve"}
"""What follows an apostrophe and is dropped: dog's, we'll."""
_ELISIONS = {
    "ca": {"d", "l", "m", "n", "s", "t"},
    "fr": {"c", "d", "j", "jusqu", "l", "lorsqu", "m", "n", "puisqu", "qu", "quoiqu", "s", "t"},
    "ga": {"b", "d", "m"},
    "it": {"all", "c", "coll", "d", "dall", "dell", "gl", "l", "m", "n", "nell", "quell", "quest", "s", "sull", "t",
           "un", "v"},
}  # fmt: skip
"""What stands before an apostrophe and is dropped: l'homme."""
_SIGNED = re.compile(r"([^\W\d_]+)(\+\+|#)")
_PIECE = re.compile(rf"[^\W_](?:[^\W_]|[{MARKS}])*")
_has_digit = re.compile(r"\d").search


class Words:
    """Terms of words in one language; without one ("none") no stems and no stop words."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.stop_words = frozenset(_whole(word.replace("'", "")) for word in STOP_WORDS.get(language, ()))
        self._stem: Callable[[str], str] = str if language == NO_LANGUAGE else stemmer(language)
        self.terms_of = lru_cache(_CACHED_WORDS)(self._terms_of)
        self.content_terms_of = lru_cache(_CACHED_WORDS)(self._content_terms_of)
        self.written_in = lru_cache(_CACHED_NAMES)(self._written_in)

    def _terms_of(self, chunk: str) -> tuple[str, ...]:
        return tuple(term for term, _, _ in self.places_of(chunk))

    def _content_terms_of(self, chunk: str) -> tuple[str, ...]:
        return tuple(term for term, _, _ in self.places_of(chunk) if term not in self.stop_words)

    def _written_in(self, chunk: str) -> dict[str, str]:
        """The terms of a chunk, and how it writes each of them first, in lower case."""
        written: dict[str, str] = {}
        for term, start, end in self.places_of(chunk):
            written.setdefault(term, chunk[start:end].lower())
        return written

    def places_of(self, chunk: str) -> Iterator[Place]:
        """Terms of a chunk of words with their places in it: the whole of an identifier comes before its parts."""
        chunk = chunk[:LONGEST_CHUNK]
        if chunk[-1] in "+#":
            signed = _SIGNED.fullmatch(chunk)
            if signed and (signed[2] == "++" or len(signed[1]) == 1):
                yield _whole(chunk), 0, len(chunk)
                if len(signed[1]) <= 2:
                    return
            chunk = chunk.rstrip("+#")
        if "." not in chunk:
            yield from self._segment(chunk, 0)
            return
        spans = split_spans(chunk, ".")
        if len(spans) > 1 and all(end - start == 1 and chunk[start].isalpha() for start, end in spans):
            joined = _whole(chunk.replace(".", ""))  # U.S.A.; the U.S. are no stop word
            yield _whole(chunk) if joined in self.stop_words else joined, 0, len(chunk)
            return
        yield _whole(chunk), 0, len(chunk)
        for start, end in spans:
            yield from self._segment(chunk[start:end], start)

    def places_of_symbol(self, symbol: str) -> Iterator[Place]:
        """The word that a sign stands for, as ㎏ for kg; else the sign itself, as of an emoji."""
        spelled = list(self._word(symbol, 0))
        yield from spelled or [(symbol, 0, len(symbol))]

    def _segment(self, segment: str, offset: int) -> Iterator[Place]:
        """Terms of what lies between two dots."""
        if not any(c in segment for c in _APOSTROPHES):
            yield from self._joined(segment, offset)
            return
        spans = split_spans(segment, _APOSTROPHES)
        words = [normalized(segment[start:end]) for start, end in spans]
        whole = _whole("".join(words))
        if whole in self.stop_words or (words[-1:] == ["t"] and whole.endswith("nt")):  # don't
            yield whole, offset, offset + len(segment)
            return
        if len(spans) > 1 and (words[-1] in _ENDINGS or self.language == "tr"):
            spans = spans[:-1]
        if len(spans) > 1 and words[0] in _ELISIONS.get(self.language, ()):
            spans = spans[1:]
        elif len(spans) > 1:
            yield whole, offset, offset + len(segment)
        for start, end in spans:
            yield from self._joined(segment[start:end], offset + start)

    def _joined(self, text: str, offset: int) -> Iterator[Place]:
        """Terms of words joined by underscores."""
        if "_" not in text:
            yield from self._camel(text, offset)
            return
        spans = split_spans(text, "_")
        if len(spans) > 1:
            start, end = spans[0][0], spans[-1][1]
            yield _whole(text[start:end]), offset + start, offset + end
        for start, end in spans:
            yield from self._camel(text[start:end], offset + start)

    def _camel(self, text: str, offset: int) -> Iterator[Place]:
        """Terms of a word, which may have capitals within."""
        spans = camel_spans(text)
        if len(spans) > 1:
            whole = _whole(text)
            yield whole, offset, offset + len(text)
            yield from (place for place in self._word(text, offset) if place[0] != whole)
        elif ZWNJ in text:
            yield from self._word(text, offset)
            spans = split_spans(text, ZWNJ)
        for start, end in spans:
            yield from self._word(text[start:end], offset + start)

    def _word(self, text: str, offset: int) -> Iterator[Place]:
        """The stem of a word; where its accents change the stem, that of the bare word too."""
        word = normalized(text)
        pieces = (word,) if word.isalnum() else _PIECE.findall(word)
        for piece in pieces:
            for term in dict.fromkeys(self._stems(piece[:LONGEST_TERM])):
                yield term, offset, offset + len(text)

    def _stems(self, word: str) -> Iterator[str]:
        bare = folded(word)
        if bare in self.stop_words or _has_digit(word):
            yield bare
            return
        for form in (word, bare):
            stem = folded(self._stem(form))
            # A word of content whose stem is a stop word, such as "willing", keeps its form.
            yield bare if not stem or stem in self.stop_words else stem


def _whole(text: str) -> str:
    """The whole of an identifier, without a stem."""
    return "".join(folded(normalized(text)).split())[:LONGEST_TERM]


@lru_cache
def words_in(language: str) -> Words:
    """The terms of words in a language: one for a process, for it caches."""
    return Words(language)
