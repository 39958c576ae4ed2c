"""The chunks of a text, in order: words with what joins identifiers and names, runs of other scripts, emoji.

A chunk of words runs on over an underscore, a dot or an apostrophe between letters or digits; `.NET`, `C++`, `C#` keep
their signs. Found in the text as it is, so that a place in a chunk is a place in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from service.hashing.analysis.characters import FORMATS, SKIN_TONES, SYMBOLS, TSHEG, UNSPACED, WORD, WORD_STARTS

LONGEST_CHUNK = 256
"""Of a longer chunk of words the rest is left out."""
_PART_CHARS = 8_000
_CUT_WITHIN_CHARS = 2_000
_CUT = re.compile(r"[\s、。，]")
_SIGNS = r"(?:\+\+|#(?![^\W_]))?"

_AFTER_SPACE = r"(?<![\w.)\]])"

ascii_chunks = re.compile(rf"\w+(?:[.']\w+)*{_SIGNS}|{_AFTER_SPACE}\.[A-Za-z]\w*(?:[.']\w+)*", re.ASCII)
"""Chunks of an ASCII text."""
_WORDS = rf"[{WORD_STARTS}][{WORD}]*(?:[.'’ʼ＇][{WORD_STARTS}][{WORD}]*)*"
chunks = re.compile(
    rf"{_WORDS}{_SIGNS}"
    rf"|[{UNSPACED}][{UNSPACED}{TSHEG}{FORMATS}]*"
    rf"|{_AFTER_SPACE}\.(?=[^\W\d_]){_WORDS}"
    rf"|[\U0001f1e6-\U0001f1ff]{{2}}|(?![{SKIN_TONES}])[{SYMBOLS}]"
)
"""Chunks of any text."""
FIRST_OTHER = "\u0e00"
"""Below it a chunk is one of words."""
is_unspaced = re.compile(rf"[{UNSPACED}]").match
is_word = re.compile(rf"[{WORD_STARTS}.]").match
is_symbol = re.compile(rf"[{SYMBOLS}]").match


def parts(text: str) -> Iterator[tuple[int, str]]:
    """A long text in parts, each with its start, so that no call holds the interpreter's lock for long.

    Cut before white space or punctuation; a text that has neither for thousands of characters is cut where it stands.
    """
    start = 0
    while start < len(text):
        latest = start + _PART_CHARS + _CUT_WITHIN_CHARS
        cut = _CUT.search(text, start + _PART_CHARS, latest)
        stop = cut.start() if cut else latest
        yield start, text[start:stop]
        start = stop


def is_short(text: str) -> bool:
    """Whether a text is taken in one part."""
    return len(text) <= _PART_CHARS
