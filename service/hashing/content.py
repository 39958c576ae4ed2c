"""What can be hashed: a text, an image, or an embedding that some other model made.

This module alone knows how each kind of content travels: `from_wire` and `to_wire`, `to_row` and `from_row`; `given`
reads the contents of requests. A new kind is a class here, a featurizer that takes it, and a field of such requests.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from service.errors import InvalidContent
from service.hashing import vector_batches
from service.hashing import vectors as vector_forms
from service.hashing.embedding_models import FIRST, EmbeddingModels
from service.hashing.vectors import Keep

KINDS = ("text", "embedding", "image")
"""What the documents of a collection may be."""
Kind = Literal["text", "embedding", "image"]


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
    """A vector that can be hashed, and the text that goes with it, if there is one.

    Attributes:
        vector: `(dims,)` float32, finite, rounded to what is kept of it; none may change it.
        text: shown and found by its words; it is not hashed.
        title: as that of a text.
        keep: how the vectors are stored.
        model: number of the model that made the vector (`embedding_models`).
        others: what other models made of the same thing, by their numbers; `of_model` gives one of them to be hashed.
    """

    vector: NDArray[np.float32]
    text: str | None
    title: str | None
    keep: Keep
    model: int
    others: Mapping[int, NDArray[np.float32]]

    def __init__(
        self,
        vector: ArrayLike,
        text: str | None = None,
        title: str | None = None,
        keep: Keep = "float32",
        model: int = FIRST,
        others: Mapping[int, ArrayLike] | None = None,
    ) -> None:
        object.__setattr__(self, "vector", _frozen_vector(vector, keep))
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "title", title)
        object.__setattr__(self, "keep", keep)
        object.__setattr__(self, "model", model)
        object.__setattr__(self, "others", {of: _frozen_vector(one, keep) for of, one in (others or {}).items()})

    @classmethod
    def of_vectors(cls, vectors: Mapping[int, ArrayLike], text: str | None, title: str | None, keep: Keep) -> Self:
        """The vectors of a document by the number of their model, the oldest model's first."""
        first, *others = sorted(vectors)
        return cls(vectors[first], text, title, keep, first, {model: vectors[model] for model in others})

    @classmethod
    def of_rounded(
        cls, vectors: Mapping[int, NDArray[np.float32]], text: str | None, title: str | None, keep: Keep
    ) -> Self:
        """One of vectors by the number of their model, which were checked and rounded and nobody else changes."""
        embedding = object.__new__(cls)
        first = min(vectors)
        for vector in vectors.values():
            vector.setflags(write=False)
        others = {model: vector for model, vector in vectors.items() if model != first}
        for name, value in zip(cls.__slots__, (vectors[first], text, title, keep, first, others), strict=True):
            object.__setattr__(embedding, name, value)
        return embedding

    @classmethod
    def all_of_rounded(
        cls, model: int, vectors: NDArray[np.float32], beside: Iterable[tuple[str | None, str | None]], keep: Keep
    ) -> list[Self]:
        """One of each of the vectors `(n, dims)` of a model, with its text and title; as `of_rounded`, in a third of
        the time."""
        vectors.setflags(write=False)  # its rows are then, too
        put, new = object.__setattr__, object.__new__
        embeddings = []
        for vector, (text, title) in zip(vectors, beside, strict=True):
            embedding = new(cls)
            put(embedding, "vector", vector)
            put(embedding, "text", text)
            put(embedding, "title", title)
            put(embedding, "keep", keep)
            put(embedding, "model", model)
            put(embedding, "others", {})
            embeddings.append(embedding)
        return embeddings

    @property
    def vectors(self) -> dict[int, NDArray[np.float32]]:
        """All vectors, by the number of their model."""
        return {self.model: self.vector, **self.others}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Embedding) or (self.text, self.title) != (other.text, other.title):
            return False
        ours, theirs = self.vectors, other.vectors
        return ours.keys() == theirs.keys() and all(np.array_equal(ours[of], theirs[of]) for of in ours)

    def __hash__(self) -> int:
        return hash((self.vector.tobytes(), self.text, self.title))


MAX_TITLE_CHARS = 1_000
"""Longest title of a text."""

_BLANK = "must hold at least one character that is not white space or a format character"
# The format characters are written out, because looking each character of a long text up takes a hundred times as long.
_SEEN = re.compile(
    r"[^\s\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    r"\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0001\U000e0020-\U000e007f]"
)
# The first byte of a row's content says its kind; vectors have marks of their own.
_IMAGE = b"I"
_IMAGE_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")

Content = Text | Image | Embedding
Contents = Sequence[Content]

OneKind = TypeVar("OneKind", Text, Image, Embedding)


def of_kind(contents: Contents, kind: type[OneKind]) -> Sequence[OneKind]:
    """The same contents, all of one kind.

    Raises:
        InvalidContent: one is of another kind; a featurizer takes one kind only.
    """
    for position, content in enumerate(contents):
        if not isinstance(content, kind):
            found = type(content).__name__
            raise InvalidContent(f"must be of the kind {kind.__name__} here, got {found}", position)
    return cast("Sequence[OneKind]", contents)


def text_of(content: Content | None) -> str:
    """The words of a content: title and text, as one text; empty where it has none."""
    if isinstance(content, Text):
        return content.whole
    if isinstance(content, Embedding):
        return "\n".join(filter(None, (content.title, content.text)))
    return ""


def shown_text(content: Content | None) -> Text | None:
    """What of a content can be read: its text with its title; None where it has neither."""
    if isinstance(content, Embedding) and (content.text is not None or content.title is not None):
        return _unchecked(content.text or "", content.title)
    return content if isinstance(content, Text) else None


def _frozen_vector(given: ArrayLike, keep: Keep) -> NDArray[np.float32]:
    try:
        vector = vector_forms.to_float32(given)
    except (TypeError, ValueError) as error:
        raise InvalidContent(f"an embedding must be a list of numbers: {error}") from None
    if vector.ndim != 1 or not len(vector):
        raise InvalidContent(f"an embedding must be a list of one or more numbers, got shape {vector.shape}")
    if not np.isfinite(vector).all():
        raise InvalidContent(f"an embedding must be finite, entry {int(np.argmin(np.isfinite(vector)))} is not")
    vector = vector_forms.rounded(vector, keep)
    vector.setflags(write=False)
    return vector


def of_model(content: Content, model: int) -> Content | None:
    """What a hash function of an embedding model takes of a content; None where that model made no vector of it."""
    if not isinstance(content, Embedding) or (content.model == model and not content.others):
        return content if models_of(content) >> model & 1 else None
    vector = content.vectors.get(model)
    return None if vector is None else Embedding.of_rounded({model: vector}, content.text, content.title, content.keep)


def models_of(content: Content) -> int:
    """Which models made vectors of a content: bit n is set for number n; that of `FIRST` for what is no vector."""
    if not isinstance(content, Embedding):
        return 1 << FIRST
    return (1 << content.model) + sum(1 << model for model in content.others)


def from_wire(*, text: str, title: str | None = None) -> Content:
    """The text of a request, not checked yet: `check_content` does it for one, `check_contents` for many."""
    return _unchecked(text, title or None)


def to_wire(content: Content) -> dict[str, str]:
    """The fields of an answer that show what can be read of a content, without its title."""
    text = None if isinstance(content, Image) else content.text
    return {} if text is None else {"text": text}


def document_to_wire(content: Content, models: EmbeddingModels | None = None) -> dict[str, object]:
    """All fields of a content, in the form in which documents are put: vectors as base64 of little-endian float32.

    Args:
        content: of a document.
        models: of its collection; needed only where it has vectors of others than the first.
    """
    shown: dict[str, object | None]
    match content:
        case Text(_, title):
            shown = {"title": title}
        case Image(data):
            shown = {"image": base64.b64encode(data).decode("ascii")}
        case Embedding(vector, title=title, model=model):
            shown = {"title": title}
            if content.others:
                assert models is not None
                known = {model.number: model.name for model in models}  # one that was deleted is not
                shown["vectors"] = {
                    known[of]: _vector_to_wire(one) for of, one in content.vectors.items() if of in known
                }
            else:
                shown["vector"] = _vector_to_wire(vector)
                shown["model"] = None if models is None or model == FIRST else models[model].name
    return {name: value for name, value in shown.items() if value is not None} | to_wire(content)


def _vector_to_wire(vector: NDArray[np.float32]) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def to_row(content: Content) -> tuple[str | None, bytes | None, str | None]:
    """The columns `text`, `content` and `title` of a document's row; those that it has nothing for are None."""
    match content:
        case Text(text, title):
            return text, None, title
        case Image(data):
            return None, _IMAGE + data, None
        case Embedding(text=text, title=title, keep=keep):
            return text, vector_forms.to_row(content.vectors, keep), title


def to_rows(contents: Contents) -> Sequence[tuple[str | None, bytes | None, str | None]]:
    """`to_row` of each content; vectors of the first model of one collection together, in a fifth of the time."""
    embeddings = [content for content in contents if isinstance(content, Embedding)]
    forms = {(one.keep, len(one.vector), one.model, len(one.others)) for one in embeddings}
    if len(embeddings) < len(contents) or len(forms) != 1 or (form := forms.pop())[2:] != (FIRST, 0):
        return [to_row(content) for content in contents]
    data = vector_batches.to_rows(np.stack([one.vector for one in embeddings]), form[0])
    return [(one.text, row, one.title) for one, row in zip(embeddings, data, strict=True)]


def from_row(text: str | None, data: bytes | None, title: str | None = None) -> Content:
    """The content of a document's row, from its columns; what was stored is not checked again.

    Raises:
        ValueError: it is of a kind that this release does not know.
    """
    if data is None:
        return _unchecked(text or "", title)
    if data.startswith(_IMAGE):
        return Image(data[1:])
    if data.startswith(vector_forms.MARKS):
        vectors, keep = vector_forms.from_row(data)
        return Embedding.of_rounded(vectors, text, title, keep)
    raise ValueError(f"the content of a document has an unknown kind, {data[:1]!r}")


def size_of(content: Content) -> int:
    """How much a content counts towards limits in characters: entries of a vector and bytes of a picture are such."""
    match content:
        case Text(text, title):
            return len(text) + len(title or "")
        case Image(data):
            return len(data)
        case Embedding(text=text, title=title):
            n_entries = len(content.vector) + sum(map(len, content.others.values()))
            return n_entries + len(text or "") + len(title or "")


def check_content(content: Content, max_chars: int | None = None, name: str = "text") -> None:
    """Refuse content that should not be taken in, such as a text that cannot be stored, shows nothing or is too long.

    Raises:
        InvalidContent: a text that is empty or blank (white space and format characters only), longer than `max_chars`
            characters, with a NUL, or with a lone surrogate (which no UTF-8 can hold).
    """
    if isinstance(content, Image):
        return  # checked where it was made
    if content.text is not None:
        _check_text(content.text, max_chars, name)
    if content.title is not None:
        if len(content.title) > MAX_TITLE_CHARS:
            raise InvalidContent(f"title must be at most {MAX_TITLE_CHARS} characters long, got {len(content.title)}")
        _check_storable(content.title, "title")


def _check_text(text: str, max_chars: int | None, name: str) -> None:
    if _is_blank(text):
        raise InvalidContent(f"{name} {_BLANK}")
    if max_chars is not None and len(text) > max_chars:
        raise InvalidContent(f"{name} must be at most {max_chars} characters long, got {len(text)}")
    _check_hashable(text, name)


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
