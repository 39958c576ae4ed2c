"""From content to a feature matrix: one contract, one registry.

A featurizer's constructor stores hyper-parameters and does nothing else; `fit` learns from contents; `transform` maps
contents to a matrix with one row each and changes nothing. What it learned leaves as named arrays, never as pickle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.errors import CorruptArtifact
from service.hashing.content import Contents
from service.hashing.featurizers.embedding import EmbeddingFeaturizer
from service.hashing.featurizers.image import ImageFeaturizer
from service.hashing.featurizers.text import HashedTextFeaturizer, TextFeaturizer

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Arrays = dict[str, NDArray[np.generic]]
Features: TypeAlias = "csr_matrix | NDArray[np.float32]"
"""`(n, n_features)` float32: sparse for text, dense for pictures and embeddings."""


class Featurizer(Protocol):
    """What every featurizer offers."""

    name: str

    @property
    def n_features(self) -> int:
        """Columns of the matrix that `transform` returns."""

    def fit(self, contents: Contents) -> Self:
        """Learn from contents; returns itself."""

    def transform(self, contents: Contents) -> Features:
        """Features of contents: `(n, n_features)` float32; those of texts are sparse rows of unit length, or empty."""

    def state(self) -> tuple[dict[str, object], Arrays]:
        """Hyper-parameters (for JSON) and learned arrays, enough for `restore`."""

    @classmethod
    def restore(cls, parameters: dict[str, object], arrays: Arrays) -> Self:
        """The featurizer whose `state` that was."""


_ALL: tuple[type[Featurizer], ...] = (TextFeaturizer, HashedTextFeaturizer, ImageFeaturizer, EmbeddingFeaturizer)
FEATURIZERS: dict[str, type[Featurizer]] = {c.name: c for c in _ALL}


def restore_featurizer(name: str, parameters: dict[str, object], arrays: Arrays) -> Featurizer:
    """Rebuild a stored featurizer by its registered name.

    Raises:
        CorruptArtifact: no featurizer of that name, or it lacks an array.
    """
    if name not in FEATURIZERS:
        raise CorruptArtifact("hash function", f"featurizer must be one of {sorted(FEATURIZERS)}, got {name!r}")
    try:
        return FEATURIZERS[name].restore(parameters, arrays)
    except KeyError as error:
        raise CorruptArtifact("hash function", f"featurizer {name!r} lacks {error}") from error
