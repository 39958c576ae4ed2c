"""Classes of characters, as ranges for regular expressions: marks, format characters, scripts, emoji."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

_SCRIPTS_WITHOUT_SPACES = (
    (0x0E00, 0x0E7F),  # Thai
    (0x0E80, 0x0EFF),  # Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1100, 0x11FF),  # Hangul
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # marks of repetition, Han
    (0x3031, 0x3035),
    (0x3040, 0x30FF),  # kana
    (0x3130, 0x318F),  # Hangul
    (0x31F0, 0x31FF),  # kana
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xA960, 0xA97F),  # Hangul
    (0xA9E0, 0xA9FF),  # Burmese
    (0xAA60, 0xAA7F),
    (0xAC00, 0xD7FF),  # Hangul
    (0xF900, 0xFAFF),  # Han
    (0xFF66, 0xFF9F),  # half-width kana and Hangul
    (0xFFA0, 0xFFDC),
    (0x1B000, 0x1B16F),  # kana
)
_BASIC_PLANE = ((0x30, 0xFFFF),)
_RARE_LETTERS = "\U00010000-\U0001afff\U0001b170-\U0001cfff\U0001d400-\U0001efff"
"""Beyond the basic plane by block: a class of hundreds of ranges is slow where it does not match."""

FORMATS = "\u00ad\u061c\u070f\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
"""Characters that do not show, and variation selectors: they vanish within a word."""
FORMATS += "\U000e0001-\U000e007f\U000e0100-\U000e01ef"
ZWNJ = "\u200c"
TSHEG = "\u0f0b\u0f0c"
"""What ends a syllable in Tibetan."""


def _ranges(codes: Iterable[int]) -> str:
    """The characters as ranges within a class of a regular expression."""
    found: list[list[int]] = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in found)


def _within(blocks: Iterable[tuple[int, int]], is_wanted: Callable[[str], bool]) -> str:
    return _ranges(code for first, last in blocks for code in range(first, last + 1) if is_wanted(chr(code)))


_RARE_HAN = r"\U00020000-\U0003ffff"
UNSPACED = _within(_SCRIPTS_WITHOUT_SPACES, lambda c: unicodedata.category(c)[0] in "LMN") + _RARE_HAN
"""Scripts without spaces, and Hangul, whose words are found better by their syllables."""
UNSPACED_MARKS = "\u1160-\u11ff\uff9e\uff9f" + _within(
    _SCRIPTS_WITHOUT_SPACES, lambda c: unicodedata.category(c)[0] == "M"
)
"""What belongs to the character before it: vowel signs, tones, voiced sound marks, later letters of a syllable."""
_is_unspaced = re.compile(f"[{UNSPACED}]").match
WORD_STARTS = "_" + _RARE_LETTERS + _within(_BASIC_PLANE, lambda c: c.isalnum() and not _is_unspaced(c))
"""Letters, digits and the underscore, of scripts with spaces."""
MARKS = _within(_BASIC_PLANE, lambda c: unicodedata.category(c)[0] == "M")
WORD = WORD_STARTS + FORMATS + MARKS
"""What goes on with a word: marks and format characters too."""
SYMBOLS = "\u2600-\u27bf\u2b00-\u2bff\u3200-\u33ff\U0001f000-\U0001faff"
"""Emoji and signs that stand for a word."""
SKIN_TONES = "\U0001f3fb-\U0001f3ff"
