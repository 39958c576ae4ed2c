"""The models that made the vectors of a collection: which one a vector that comes in is of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.errors import InvalidContent, OtherModel
from service.hashing import vectors
from service.hashing.vectors import Keep, Vectors

FIRST = 0
"""Number of the model that a collection was created with; what is no vector is of it, too."""
MAX_MODELS = 62
"""Most models of a collection: each is a bit of a 64-bit integer that is never negative."""


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """One model: its number in the collection, in the order of arrival, the caller's name, and its vectors' width."""

    number: int
    name: str
    dims: int


@dataclass(frozen=True, slots=True)
class EmbeddingModels:
    """The models of a collection, oldest first, and how their vectors are kept."""

    models: tuple[EmbeddingModel, ...]
    keep: Keep

    def __iter__(self) -> Iterator[EmbeddingModel]:
        return iter(self.models)

    def __getitem__(self, number: int) -> EmbeddingModel:
        return next(model for model in self.models if model.number == number)

    def find(self, name: str) -> EmbeddingModel | None:
        """The model of that name, if there is one."""
        return next((model for model in self.models if model.name == name), None)

    def named(self, name: str) -> EmbeddingModel:
        """The model of that name.

        Raises:
            InvalidContent: the collection has none.
        """
        model = self.find(name)
        if model is None:
            known = ", ".join(model.name for model in self.models)
            raise InvalidContent(f"model must be one of the collection's, {known}, got {name!r}")
        return model

    def check_active(self, model: EmbeddingModel, active: int) -> None:
        """Refuse a query of a model if another one's vectors are encoded.

        Raises:
            OtherModel: the number of that one is `active`.
        """
        if model.number != active:
            raise OtherModel(model.name, self[active].name)

    def of(self, given: object, name: str | None) -> EmbeddingModel:
        """The model of a vector: that of the name, or without one the oldest that the vector's width fits.

        The oldest, whatever is active: what a client that names no model means must not change with a promotion.

        Raises:
            InvalidContent: there is no model of that name, or of that width.
        """
        if name is not None:
            return self.named(name)
        for model in self.models:
            if vectors.may_be_of_width(given, model.dims):
                return model
        if len(self.models) == 1:
            return self.models[0]  # reading the vector says what is wrong with it
        widths = ", ".join(f"{model.dims} of model {model.name}" for model in self.models)
        raise InvalidContent(f"vector must have as many entries as a model of this collection: {widths}")

    def read(self, given: object, name: str | None) -> tuple[int, Vectors]:
        """The number of a vector's model, and the vector, `(dims,)`.

        Raises:
            InvalidContent: no such model, or no vector of it.
        """
        model = self.of(given, name)
        return model.number, vectors.read_vector(given, model.dims)
