"""What can be hashed: a text, an image, or an embedding that some other model made.

This module alone knows how each kind of content travels: `from_wire` and `to_wire`, `to_row` and `from_row`. A new kind
is a class here, a featurizer that takes it, and a field of the requests that carry it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from service.errors import InvalidContent


@dataclass(frozen=True, slots=True)
class Text:
    """A text that can be hashed: not blank, without NUL, valid Unicode; it may have a title."""

    text: str
    title: str | None = None

    def __post_init__(self) -> None:
        _check_hashable(self.text)
        if self.title is not None:
            _check_storable(self.title, "title")

    @property
    def whole(self) -> str:
        """Title and text, as one text: what is hashed."""
        return self.text if self.title is None else f"{self.title}\n{self.text}"


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that can be hashed: the bytes of a PNG or JPEG file, decoded when its features are asked for."""

    data: bytes

    def __post_init__(self) -> None:
        if not self.data.startswith(_IMAGE_SIGNATURES):
            raise InvalidContent(f"an image must be the bytes of a PNG or JPEG file, these begin {self.data[:8]!r}")


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A vector that can be hashed: one or more finite numbers, kept as `(width,)` float32 that none may change."""

    vector: NDArray[np.float32]

    def __init__(self, vector: ArrayLike) -> None:
        object.__setattr__(self, "vector", _frozen_vector(vector))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Embedding) and np.array_equal(self.vector, other.vector)

    def __hash__(self) -> int:
        return hash(self.vector.tobytes())


MAX_TITLE_CHARS = 1_000
"""Longest title of a text."""

_BLANK = "must hold at least one character that is not white space or a format character"
# The format characters are written out, because looking each character of a long text up takes a hundred times as long.
_SEEN = re.compile(
    r"[^\s\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    r"\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0001\U000e0020-\U000e007f]"
)
# The first byte of a row's content says its kind.
_IMAGE, _EMBEDDING = b"I", b"E"
_IMAGE_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")

Content = Text | Image | Embedding
Contents = Sequence[Content]

Kind = TypeVar("Kind", Text, Image, Embedding)


def of_kind(contents: Contents, kind: type[Kind]) -> Sequence[Kind]:
    """The same contents, all of one kind.

    Raises:
        InvalidContent: one is of another kind; a featurizer takes one kind only.
    """
    for position, content in enumerate(contents):
        if not isinstance(content, kind):
            found = type(content).__name__
            raise InvalidContent(f"must be of the kind {kind.__name__} here, got {found}", position)
    return cast("Sequence[Kind]", contents)


def _frozen_vector(given: ArrayLike) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and is refused as such
            vector = np.array(given, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidContent(f"an embedding must be a list of numbers: {error}") from None
    if vector.ndim != 1 or not len(vector):
        raise InvalidContent(f"an embedding must be a list of one or more numbers, got shape {vector.shape}")
    if not np.isfinite(vector).all():
        raise InvalidContent(f"an embedding must be finite, entry {int(np.argmin(np.isfinite(vector)))} is not")
    vector.setflags(write=False)
    return vector


def from_wire(*, text: str, title: str | None = None) -> Content:
    """The content of a request, not checked yet: `check_content` does it for one, `check_contents` for many."""
    return _unchecked(text, title or None)


def to_wire(content: Content) -> dict[str, str]:
    """The fields of an answer that show a content, without its title.

    Raises:
        TypeError: it is of a kind that no answer shows.
    """
    if isinstance(content, Text):
        return {"text": content.text}
    raise TypeError(f"no answer shows content of the kind {type(content).__name__}")


def to_row(content: Content) -> tuple[str | None, bytes | None, str | None]:
    """The columns `text`, `content` and `title` of a document's row: one of the first two is None."""
    match content:
        case Text(text, title):
            return text, None, title
        case Image(data):
            return None, _IMAGE + data, None
        case Embedding(vector=vector):
            return None, _EMBEDDING + vector.astype("<f4").tobytes(), None


def from_row(text: str | None, data: bytes | None, title: str | None = None) -> Content:
    """The content of a document's row, from its columns; what was stored is not checked again.

    Raises:
        ValueError: it is of a kind that this release does not know.
    """
    if data is None:
        return _unchecked(text or "", title)
    if data.startswith(_IMAGE):
        return Image(data[1:])
    if data.startswith(_EMBEDDING):
        return Embedding(np.frombuffer(data, "<f4", offset=1))
    raise ValueError(f"the content of a document has an unknown kind, {data[:1]!r}")


def size_of(content: Content) -> int:
    """How much a content counts towards limits that are given in characters: 1 if it is no text."""
    return len(content.text) + len(content.title or "") if isinstance(content, Text) else 1


def check_content(content: Content, max_chars: int | None = None, name: str = "text") -> None:
    """Refuse content that should not be taken in, such as a text that cannot be stored, shows nothing or is too long.

    Raises:
        InvalidContent: a text that is empty or blank (white space and format characters only), longer than `max_chars`
            characters, with a NUL, or with a lone surrogate (which no UTF-8 can hold).
    """
    if not isinstance(content, Text):
        return  # checked where it was made
    text = content.text
    if _is_blank(text):
        raise InvalidContent(f"{name} {_BLANK}")
    if max_chars is not None and len(text) > max_chars:
        raise InvalidContent(f"{name} must be at most {max_chars} characters long, got {len(text)}")
    _check_hashable(text, name)
    if content.title is not None:
        if len(content.title) > MAX_TITLE_CHARS:
            raise InvalidContent(f"title must be at most {MAX_TITLE_CHARS} characters long, got {len(content.title)}")
        _check_storable(content.title, "title")


def check_contents(contents: Iterable[Content], max_chars: int | None = None, name: str = "texts") -> None:
    """Refuse many contents if `check_content` refuses one.

    Args:
        contents: in the order in which the caller named them.
        max_chars: the greatest length of each text.
        name: what the caller called them.

    Raises:
        InvalidContent: the first of them that is refused, with its position.
    """
    for position, content in enumerate(contents):
        try:
            check_content(content, max_chars)
        except InvalidContent as error:
            raise InvalidContent(error.reason, position, name) from None


def _unchecked(text: str, title: str | None = None) -> Text:
    content = object.__new__(Text)
    object.__setattr__(content, "text", text)
    object.__setattr__(content, "title", title)
    return content


def _is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: it is white space, or joins and marks what is not there (category Cf)."""
    return _SEEN.search(text) is None


def _check_hashable(text: str, name: str = "text") -> None:
    # Of what was taken in by an earlier release this is all that may be asked: it must get its code.
    if not text or text.isspace():
        raise InvalidContent(f"{name} {_BLANK}")
    _check_storable(text, name)


def _check_storable(text: str, name: str) -> None:
    if "\x00" in text:
        raise InvalidContent(f"{name} must not contain the NUL character (U+0000)")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidContent(f"{name} must be valid Unicode, got a lone surrogate at character {error.start}") from None
