"""Vectors of any other model to dense features: unit length, without what all have in common, of unit variance."""

from __future__ import annotations

from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidContent, InvalidInput
from service.hashing.content import Contents, Embedding, of_kind

WIDE = 32
"""Least width of vectors that lose the direction of their mean; narrower ones have few directions to spare."""


class EmbeddingFeaturizer:
    """Vectors as they came, made comparable: codes then approximate the cosine between them.

    Most models crowd their vectors into a narrow cone; around its axis, which is the direction of the mean, directions
    tell contents apart. That direction is taken out of every vector rather than the mean subtracted: queries are
    seldom drawn as documents are, and a query that lies far from the documents' mean would else have the difference in
    every bit. One common factor then gives features a mean square of one.

    Args:
        unit: scale every vector to unit length first, so that only its direction counts.
        center: take out what vectors have in common.
        project: that is the direction of their mean, if they are wide; else the mean itself.

    Source: Mu, Viswanath (2018), "All-but-the-top: simple and effective postprocessing for word representations".
    """

    name = "embedding"

    def __init__(self, unit: bool = True, center: bool = True, project: bool = True) -> None:
        self.unit = unit
        self.center = center
        self.project = project
        self.mean: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self.scale: NDArray[np.float32] = np.ones(1, dtype=np.float32)

    @property
    def n_features(self) -> int:
        """Width of the vectors, learned from the first one."""
        return len(self.mean)

    def fit(self, contents: Contents) -> Self:
        """Learn the width, the mean and the common factor.

        Raises:
            InvalidInput: no content.
            InvalidContent: vectors of more than one width.
        """
        if not len(contents):
            raise InvalidInput("an embedding featurizer needs at least one embedding to be fitted on, got none")
        vectors = self._scaled(contents, len(of_kind(contents[:1], Embedding)[0].vector))
        self.mean = vectors.mean(axis=0) if self.center else np.zeros(vectors.shape[1], dtype=np.float32)
        self.scale = _or_one(np.sqrt(np.mean(np.square(self._distinct(vectors)), keepdims=True)).ravel())
        return self

    def transform(self, contents: Contents) -> NDArray[np.float32]:
        """Features of vectors: `(n, n_features)` float32.

        Raises:
            InvalidContent: a vector of another width than those it was fitted on.
        """
        return self._distinct(self._scaled(contents, self.n_features)) / self.scale

    def _distinct(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors `(n, n_features)` without what the collection has in common."""
        if not self.project or self.n_features < WIDE:
            return vectors - self.mean
        direction = self.mean / _or_one(np.linalg.norm(self.mean[None], axis=1))  # (n_features,)
        # Not a product of matrices: that would sum in another order for one vector than for many.
        along = (vectors * direction).sum(axis=1, keepdims=True)  # (n, 1)
        distinct: NDArray[np.float32] = vectors - along * direction
        return distinct

    def _scaled(self, contents: Contents, width: int) -> NDArray[np.float32]:
        embeddings = of_kind(contents, Embedding)
        vectors = np.empty((len(embeddings), width), dtype=np.float32)
        for position, embedding in enumerate(embeddings):
            if len(embedding.vector) != width:
                raise InvalidContent(f"an embedding must have {width} entries, got {len(embedding.vector)}", position)
            vectors[position] = embedding.vector
        if self.unit:
            # Largest entry first: a length beyond float32 would else turn the row into zeros.
            vectors /= _or_one(np.abs(vectors).max(axis=1, keepdims=True))
            vectors /= _or_one(np.linalg.norm(vectors, axis=1, keepdims=True))
        return vectors

    def state(self) -> tuple[dict[str, object], dict[str, NDArray[np.generic]]]:
        """Hyper-parameters, the mean and the common factor."""
        parameters: dict[str, object] = {"unit": self.unit, "center": self.center, "project": self.project}
        return parameters, {"mean": self.mean, "scale": self.scale}

    @classmethod
    def restore(cls, parameters: dict[str, object], arrays: dict[str, NDArray[np.generic]]) -> Self:
        """The featurizer whose `state` that was; one that was stored before `project` came subtracts the mean."""
        featurizer = cls(**{"project": False, **cast("dict[str, bool]", parameters)})
        featurizer.mean = arrays["mean"].astype(np.float32)
        featurizer.scale = arrays["scale"].astype(np.float32)
        return featurizer


def _or_one(lengths: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same with ones for zeros: a vector of zeros stays what it is."""
    return np.where(lengths > 0, lengths, np.float32(1))
