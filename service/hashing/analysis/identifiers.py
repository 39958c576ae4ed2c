"""Identifiers: where the parts of `camelCase`, `snake_case` and `dotted.names` begin and end."""

from __future__ import annotations

import re

_PLURAL = re.compile(r"[A-Z]{2,}s")
Span = tuple[int, int]


def split_spans(text: str, separators: str) -> list[Span]:
    """Start and end of what lies between the separators, without empty pieces."""
    return [match.span() for match in re.finditer(f"[^{separators}]+", text)]


def camel_spans(word: str) -> list[Span]:
    """Start and end of the parts of a word of letters and digits: one, if it is no identifier.

    A part begins at a capital after a small letter or digit, and at the last capital before a small letter:
    `HTTPServer`. A plural such as `URLs` is one part.
    """
    if word.islower() or word.isupper() or _PLURAL.fullmatch(word):
        return [(0, len(word))]
    cuts = [i for i in range(1, len(word)) if _begins_part(word[i - 1], word[i], word[i + 1 : i + 2])]
    return list(zip([0, *cuts], [*cuts, len(word)], strict=True))


def _begins_part(before: str, here: str, after: str) -> bool:
    return here.isupper() and (not before.isupper() or after.islower())
