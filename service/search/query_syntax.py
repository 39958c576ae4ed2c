"""The syntax of a query as people type it: words, "phrases", +required, -excluded, a beginning of a word*.

Nothing that is typed is an error: a quotation mark without its partner is ignored, and a sign that stands alone or
twice, as in `--force`, is part of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PART = re.compile(r'(?P<sign>[+-]?)"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+)')
_QUOTES = str.maketrans({"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"'})
_BEGINNING = re.compile(r"\w\*$")


@dataclass(frozen=True, slots=True)
class QueryPart:
    """A word or a phrase of a query, without its signs."""

    text: str
    is_phrase: bool = False
    is_required: bool = False
    is_excluded: bool = False
    is_prefix: bool = False


def parse(query: str) -> list[QueryPart]:
    """The parts of a query, in order. Cost: linear."""
    parts = []
    for found in _PART.finditer(query.translate(_QUOTES)):
        word = found["word"]
        if word is None:
            sign, text, is_phrase = found["sign"], found["phrase"].strip(), True
        else:
            has_sign = len(word) > 1 and word[0] in "+-" and word[1] not in "+-"
            sign, text, is_phrase = (word[0], word[1:], False) if has_sign else ("", word, False)
        is_prefix = not is_phrase and _BEGINNING.search(text) is not None
        if text:
            parts.append(
                QueryPart(text.rstrip("*") if is_prefix else text, is_phrase, sign == "+", sign == "-", is_prefix)
            )
    return parts
