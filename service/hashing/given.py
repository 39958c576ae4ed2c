"""Contents as requests bring them: read by the kind of the collection, or refused with their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidContent, InvalidInput
from service.hashing import vector_batches
from service.hashing.content import Content, Contents, Embedding, Image, Kind, Text, from_wire
from service.hashing.embedding_models import EmbeddingModels

MAX_PIXELS_TOGETHER = 100_000_000
"""Most pixels of the pictures in one request: several seconds of checking."""


@dataclass(frozen=True, slots=True)
class GivenContent:
    """A content as a request brings it.

    Attributes:
        text, title: of a text; a vector may have them beside it.
        vector: an array, a list of numbers, or base64 of little-endian float32 or float16.
        model: name of the model that made it; None: as its width tells.
        vectors: in place of one vector: those of several models, by their names.
        image: a PNG or JPEG file, or base64 of it.
    """

    text: str | None = None
    title: str | None = None
    vector: object = None
    image: str | bytes | None = None
    model: str | None = None
    vectors: Mapping[str, object] | None = None

    def is_text(self) -> bool:
        """Whether it can only be a text."""
        others = (self.vector, self.image, self.model, self.vectors)
        return self.text is not None and all(one is None for one in others)

    def read_vectors(self, models: EmbeddingModels) -> dict[int, NDArray[np.float32]]:
        """Its vectors, one or more, by the number of their model.

        Raises:
            InvalidContent: it names no vector, or one twice, or a model that is not there, or one is no vector of it.
        """
        if self.vectors is None:
            return dict([models.read(self.vector, self.model)])
        if self.vector is not None or self.model is not None:
            raise InvalidContent("vector and model must not stand beside vectors, which names the models")
        if not self.vectors:
            raise InvalidContent("vectors must hold at least one vector, by the name of its model")
        found = {}
        for name, given in self.vectors.items():
            try:
                model, vector = models.read(given, name)
            except InvalidContent as error:
                raise InvalidContent(f"vectors.{name}: {error.reason}") from None
            found[model] = vector
        return found


_FIELDS: dict[Kind, tuple[str, ...]] = {
    "text": ("text", "title"),
    "embedding": ("vector", "vectors", "model", "text", "title"),
    "image": ("image",),
}
"""What contents of a kind may have; they must have the first."""
_OTHER_FIELDS: dict[Kind, tuple[str, ...]] = {
    kind: tuple(name for name in GivenContent.__dataclass_fields__ if name not in allowed)
    for kind, allowed in _FIELDS.items()
}


def contents_of(
    given: Iterable[GivenContent], kind: Kind, models: EmbeddingModels | None, name: str = "documents"
) -> list[Content]:
    """Contents of a kind. Texts are not checked yet; vectors and pictures are.

    Args:
        given: as they came.
        kind: of the collection.
        models: of its vectors, if it has any.
        name: what the caller called them.

    Raises:
        InvalidContent: one is not of that kind, or is no vector or picture that can be hashed; with its place.
        InvalidInput: pictures have too many pixels in all.

    Cost: that of decoding base64 and of checking pictures. Blocks.
    """
    if models is not None:
        return _embeddings_of(list(given), models, name)
    contents: list[Content] = []
    n_pixels = 0
    for position, one in enumerate(given):
        try:
            content = _content_of(one, kind)
            n_pixels += _pixels_of(content)
        except InvalidContent as error:
            raise InvalidContent(error.reason, position, name) from None
        if n_pixels > MAX_PIXELS_TOGETHER:
            raise InvalidInput(
                f"{name} must have at most {MAX_PIXELS_TOGETHER} pixels in all in one request: send parts"
            )
        contents.append(content)
    return contents


def _embeddings_of(given: Sequence[GivenContent], models: EmbeddingModels, name: str) -> list[Content]:
    numbers: set[int] = set()
    for position, one in enumerate(given):
        try:
            _check_fields(one, "embedding")
            if one.vectors is None:
                numbers.add(models.of(one.vector, one.model).number)
        except InvalidContent as error:
            raise InvalidContent(error.reason, position, name) from None
    if len(numbers) != 1 or any(one.vectors is not None for one in given):
        return _embeddings_one_by_one(given, models, name)
    model = models[numbers.pop()]
    try:
        vectors = vector_batches.read_vectors([one.vector for one in given], model.dims, models.keep)
    except InvalidContent as error:
        raise InvalidContent(error.reason, error.position, name) from None
    beside = ((one.text, one.title or None) for one in given)
    return list(Embedding.all_of_rounded(model.number, vectors, beside, models.keep))


def _embeddings_one_by_one(given: Sequence[GivenContent], models: EmbeddingModels, name: str) -> list[Content]:
    contents: list[Content] = []
    for position, one in enumerate(given):
        try:
            vectors = one.read_vectors(models)
        except InvalidContent as error:
            raise InvalidContent(error.reason, position, name) from None
        contents.append(Embedding.of_vectors(vectors, one.text, one.title or None, models.keep))
    return contents


def _pixels_of(content: Content) -> int:
    """How many pixels a picture has, after it was checked; 0 of other contents."""
    if not isinstance(content, Image):
        return 0
    from service.hashing.pictures import check_picture

    return check_picture(content.data)


def _content_of(given: GivenContent, kind: Kind) -> Content:
    """A text or a picture."""
    _check_fields(given, kind)
    if isinstance(given.image, bytes):
        return Image(given.image)
    if given.image is not None:
        from service.hashing.pictures import picture_from_base64  # Pillow, which only pictures wait for

        return Image(picture_from_base64(given.image))
    return from_wire(text=given.text or "", title=given.title)


def _check_fields(given: GivenContent, kind: Kind) -> None:
    needed = _FIELDS[kind][0]
    for name in _OTHER_FIELDS[kind]:
        if getattr(given, name) is not None and (name != "title" or given.title):
            raise InvalidContent(f"{name} is not for a collection of kind {kind}, whose documents have {needed}")
    if getattr(given, needed) is None and given.vectors is None:
        raise InvalidContent(f"{needed} is missing: the collection is of kind {kind}")


def check_kind(contents: Contents, kind: Kind, models: EmbeddingModels | None) -> None:
    """Refuse contents that are not of a kind, or vectors of another width than their model's.

    Raises:
        InvalidContent: the first such, with its place.
    """
    wanted = {"text": Text, "embedding": Embedding, "image": Image}[kind]
    widths = {} if models is None else {model.number: model.dims for model in models}
    for position, content in enumerate(contents):
        if not isinstance(content, wanted):
            raise InvalidContent(f"{_FIELDS[kind][0]} is missing: the collection is of kind {kind}", position)
        if isinstance(content, Embedding):
            for model, vector in content.vectors.items():
                if len(vector) != widths.get(model):
                    raise InvalidContent(f"vector must have {widths.get(model)} entries, got {len(vector)}", position)
