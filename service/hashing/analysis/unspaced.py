"""Terms of scripts without spaces: each character and each two in a row; of Tibetan, syllables instead.

A character is a letter with its marks (a consonant with its vowel and tone), a syllable of Hangul, a Han character.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from service.hashing.analysis.characters import FORMATS, TSHEG, UNSPACED_MARKS
from service.hashing.analysis.normalization import LONGEST_TERM, folded, normalized

_CHARACTER = re.compile(rf"[^{FORMATS}][{FORMATS}{UNSPACED_MARKS}]*")
_LONGEST_CHARACTER = 8
_SYLLABLE = re.compile(rf"[^{TSHEG}]{{1,{LONGEST_TERM}}}")
_is_tibetan = re.compile("[\u0f00-\u0fff]").match
_SLICE_CHARS = 256

Place = tuple[str, int, int]
"""Term, start and end."""


def places_of_run(run: str) -> Iterator[Place]:
    """Units of a run and pairs of neighbors, in order of their start.

    Cost: linear.
    """
    units = list(_syllables(run) if _is_tibetan(run) else _characters(run))
    for i, (text, start, end) in enumerate(units):
        yield text, start, end
        if i + 1 < len(units):
            yield text + units[i + 1][0], start, units[i + 1][2]


def _characters(run: str) -> Iterator[Place]:
    """Characters with their marks; in slices, for normalisation sorts marks by insertion."""
    for offset in range(0, len(run), _SLICE_CHARS):
        part = run[offset : offset + _SLICE_CHARS]
        plain = folded(normalized(part))
        is_plain = len(plain) == len(part) and unicodedata.is_normalized("NFKC", part)
        for match in _CHARACTER.finditer(plain if is_plain else part):
            text = match[0] if is_plain else "".join(folded(normalized(match[0])).split())
            if text:
                yield text[:_LONGEST_CHARACTER], offset + match.start(), offset + match.end()


def _syllables(run: str) -> Iterator[Place]:
    for match in _SYLLABLE.finditer(run):
        if syllable := folded(normalized(match[0])):
            yield syllable, match.start(), match.end()
