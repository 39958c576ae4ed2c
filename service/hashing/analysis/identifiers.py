"""Identifiers: where the parts of `camelCase`, `snake_case` and `dotted.names` begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PLURAL = re.compile(r"[A-Z]{2,}s")
_NUMBERED = re.compile(r"[A-Za-z]{3,}(?=[0-9]+$)")
Span = tuple[int, int]


def split_spans(text: str, separators: str) -> list[Span]:
    """Start and end of what lies between the separators, without empty pieces."""
    return [match.span() for match in re.finditer(f"[^{separators}]+", text)]


def camel_spans(word: str) -> list[Span]:
    """Start and end of the parts of a word of letters and digits: one, if it is no identifier.

    A part begins at a capital after a small letter or digit, at the last capital before a small letter, and at a number
    that ends a word of three letters or more: `HTTPServer`, `utf8`. A plural such as `URLs` is one part.
    """
    if word.islower() or word.isupper() or _PLURAL.fullmatch(word):
        cuts = [match.end() for match in _NUMBERED.finditer(word)][:1] if word[-1:].isdigit() else []
    else:
        cuts = list(_cuts(word))
    ends = [*cuts, len(word)]
    return list(zip([0, *cuts], ends, strict=True))


def _cuts(word: str) -> Iterator[int]:
    for i in range(1, len(word)):
        before, here, after = word[i - 1], word[i], word[i + 1 : i + 2]
        if (here.isupper() and (not before.isupper() or after.islower())) or (
            here.isdigit() and i >= 3 and before.isalpha() and word[i:].isdigit()
        ):
            yield i
