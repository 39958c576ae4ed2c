"""One spelling of each word: compatibility forms, case, characters that do not show; then accents and letter forms.

`normalized` keeps accents, for stemmers need them; `folded` takes them off. Both are for single words: normalisation
sorts each run of combining marks by insertion, so callers bound the length.

Source: Unicode Standard Annex 15 (NFKC), Unicode Standard section 3.13 (case folding); the Arabic and Persian letters
are those of Lucene's ArabicNormalizer and PersianNormalizer.
"""

from __future__ import annotations

import re
import unicodedata

from service.hashing.analysis.characters import FORMATS

LONGEST_TERM = 64
"""Characters of the longest term: what is longer is cut."""
_DROPPED = re.compile(rf"[{FORMATS}\u0640\u0610-\u061a\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06ed]")
"""Format characters, tatweel, vowel signs of Arabic (hamza and madda above or below are part of a letter)."""
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0653-\u0655"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
"""Accents of Latin, Greek and Cyrillic, points of Hebrew, hamza and madda; marks of other scripts are letters."""
_LETTERS = str.maketrans(
    {
        "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h", "ŧ": "t", "ı": "i",
        "\u0671": "\u0627", "\u0649": "\u064a", "\u06cc": "\u064a", "\u06a9": "\u0643", "\u0629": "\u0647",
        "\u0624": "\u0648", "\u0626": "\u064a",
    }
)  # fmt: skip


def normalized(word: str) -> str:
    """The word in NFKC and folded case, without format characters, tatweel and Arabic vowel signs; accents stay."""
    if word.isascii():
        return word.lower()
    folded_case = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())
    return _DROPPED.sub("", folded_case).replace("i\u0307", "i")


def folded(word: str) -> str:
    """A normalized word without accents, with plain letters for their variants and ASCII digits."""
    if word.isascii():
        return word
    bare = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", word)))
    return "".join(map(_digit, bare.translate(_LETTERS)))


def _digit(c: str) -> str:
    return str(unicodedata.decimal(c, c))
