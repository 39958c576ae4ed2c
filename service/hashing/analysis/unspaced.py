"""Terms of scripts without spaces: each character and each two in a row; of Tibetan, syllables instead."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from service.hashing.analysis.characters import FORMATS, TSHEG
from service.hashing.analysis.normalization import LONGEST_TERM, folded, normalized

_CLUSTER = re.compile(rf"[^{FORMATS}][{FORMATS}\u1160-\u11ff\u3099\u309a\uff9e\uff9f]*")
_SYLLABLE = re.compile(rf"[^{TSHEG}]+")
_is_tibetan = re.compile("[\u0f00-\u0fff]").match

Place = tuple[str, int, int]
"""Term, start and end."""
_SLICE_CHARS = 256


def places_of_run(run: str) -> Iterator[Place]:
    """Units of a run and pairs of neighbors, in order of their start.

    Cost: linear.
    """
    units = list(_syllables(run) if _is_tibetan(run) else characters(run))
    for i, (text, start, end) in enumerate(units):
        yield text, start, end
        if i + 1 < len(units):
            yield text + units[i + 1][0], start, units[i + 1][2]


def places_of_hangul(run: str) -> Iterator[Place]:
    """The word, cut to its first characters, and each pair of its syllables."""
    units = list(characters(run))
    yield "".join(text for text, _, _ in units[:LONGEST_TERM]), 0, len(run)
    if len(units) > 2:
        for (first, start, _), (second, _, end) in pairwise(units):
            yield first + second, start, end


def characters(run: str) -> Iterator[Place]:
    """Folded characters of a run; in slices, for normalisation sorts marks by insertion."""
    for offset in range(0, len(run), _SLICE_CHARS):
        part = run[offset : offset + _SLICE_CHARS]
        plain = folded(normalized(part))
        if len(plain) == len(part) and unicodedata.is_normalized("NFKC", part):
            yield from ((c, offset + i, offset + i + 1) for i, c in enumerate(plain))
            continue
        for match in _CLUSTER.finditer(part):
            start, end = offset + match.start(), offset + match.end()
            yield from ((c, start, end) for c in folded(normalized(match[0])) if not c.isspace())


def _syllables(run: str) -> Iterator[Place]:
    for match in _SYLLABLE.finditer(run):
        if syllable := folded(normalized(match[0][:LONGEST_TERM])):
            yield syllable, match.start(), match.end()
