"""What can be hashed. Today: text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.errors import InvalidContent


@dataclass(frozen=True, slots=True)
class Text:
    """A text that can be hashed: not blank, without NUL, valid Unicode."""

    text: str

    def __post_init__(self) -> None:
        check_text(self.text)


Content = Text
Contents = Sequence[Content]


def check_text(text: str, max_chars: int | None = None) -> None:
    """Refuse a text that cannot be stored and hashed.

    Raises:
        InvalidContent: empty or blank, longer than `max_chars` characters, with a NUL, or with a lone surrogate
            (which no UTF-8 can hold).
    """
    if not text or text.isspace():
        raise InvalidContent("text must hold at least one character that is not white space")
    if max_chars is not None and len(text) > max_chars:
        raise InvalidContent(f"text must be at most {max_chars} characters long, got {len(text)}")
    if "\x00" in text:
        raise InvalidContent("text must not contain the NUL character (U+0000)")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidContent(f"text must be valid Unicode, got a lone surrogate at character {error.start}") from None
