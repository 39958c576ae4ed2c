"""The tokenizer of hash functions that name no analyzer, kept as it was: words, and bigrams of unspaced scripts.

Stored hash functions of version 0.1.0 have it; nothing new does.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain

# Thai, Hangul, kana, Han: runs of these scripts are cut into character bigrams.
_UNSPACED = (
    "\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f"
    "\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)


def _marks() -> str:
    """All combining marks: Python's \\w leaves them out, and would cut Hindi or Arabic words apart."""
    marks = [c for c in range(0x300, min(sys.maxunicode, 0xFFFF)) if unicodedata.category(chr(c))[0] == "M"]
    return "".join(map(chr, marks))


def _sorted_marks() -> str:
    """All characters of which normalisation leaves nothing but characters that it sorts within their run."""
    return "".join(filter(_is_sorted_in_its_run, map(chr, range(0x300, 0x20000))))


def _is_sorted_in_its_run(c: str) -> bool:
    if not unicodedata.decomposition(c):
        return unicodedata.combining(c) != 0
    return all(map(unicodedata.combining, unicodedata.normalize("NFKD", c)))


_PART_CHARS = 8_000
_CUT_WITHIN_CHARS = 2_000
_LONGEST_RUN = 100
_SORTED_MARKS = _sorted_marks()
_LONG_RUN = re.compile(rf"([{_SORTED_MARKS}]{{{_LONGEST_RUN}}})[{_SORTED_MARKS}]+")
_has_none_of_the_sorted = frozenset(_SORTED_MARKS).isdisjoint
_CUT = re.compile(r"[\s、。，]")
_WORD = re.compile(rf"[^\W_{_UNSPACED}](?:[^\W_{_UNSPACED}]|[{_marks()}])+|[{_UNSPACED}]+")
_ASCII_WORD = re.compile(r"[a-z0-9]{2,}")
_is_unspaced = re.compile(rf"[{_UNSPACED}]").match


def first_tokens(text: str) -> list[str]:
    """Tokens of a text, in order: lower-case words of two or more letters or digits, bigrams of unspaced scripts.

    Text is normalised first (NFKC: full-width letters, ligatures). A lone character of an unspaced script is a token.
    A long text is taken in parts, cut before white space or punctuation, so that no call holds the interpreter's lock
    for long; one that has neither for thousands of characters is cut where it stands, through a word if need be.

    Cost: linear. Normalisation sorts each run of combining marks by insertion, which takes 9 s for 100,000 marks: of a
    run longer than `_LONGEST_RUN` the rest is dropped.
    """
    if len(text) <= _PART_CHARS:
        return _tokens_of_part(text)
    return list(chain.from_iterable(map(_tokens_of_part, _parts(text))))


def _tokens_of_part(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    if not _has_none_of_the_sorted(text[::_LONGEST_RUN]):  # a longer run would show there
        text = _LONG_RUN.sub(r"\1", text)
    found = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    return list(chain.from_iterable(_bigrams(t) if _is_unspaced(t) else (t,) for t in found))


def _parts(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        latest = start + _PART_CHARS + _CUT_WITHIN_CHARS
        cut = _CUT.search(text, start + _PART_CHARS, latest)
        stop = cut.start() if cut else latest
        yield text[start:stop]
        start = stop


def _bigrams(run: str) -> Iterable[str]:
    return (run[i : i + 2] for i in range(max(1, len(run) - 1)))
