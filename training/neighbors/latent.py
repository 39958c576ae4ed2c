"""Latent semantic analysis that gives rare words their due: what neighbors share, and where word vectors start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from service.hashing.featurizers import Features
from training.neighbors.exact import latent, latent_axes

_DEVIATION_FLOOR = 1e-3
"""Least deviation an axis is divided by, relative to the greatest: beneath it is rounding."""


def rarity(features: Features, power: float) -> NDArray[np.float32]:
    """What each feature counts beyond its weight, `(F,)` float32: its smoothed idf to a power; ones if dense.

    A squared idf lets the words that tell topics apart outweigh the common ones, which fill the first axes otherwise.
    """
    n, n_features = features.shape
    if power == 0 or not isinstance(features, csr_matrix):
        return np.ones(n_features, dtype=np.float32)
    document_frequency = np.bincount(features.indices, minlength=n_features)
    weights: NDArray[np.float32] = ((np.log((1 + n) / (1 + document_frequency)) + 1) ** power).astype(np.float32)
    return weights


@dataclass(frozen=True, slots=True)
class LatentSpace:
    """Latent axes of a collection, and how far its documents spread along them.

    Attributes:
        axes: `(F, d)` float32; features times axes are places, the cosine of which does not depend on a row's length.
        mean: `(d,)` float32, the mean place of the collection.
        deviation: `(d,)` float32, of its places along each axis, above zero.
    """

    axes: NDArray[np.float32]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def of(cls, features: Features, n_dims: int, rarity_power: float, seed: int) -> LatentSpace:
        """The axes of features whose columns are weighed by their rarity.

        Source: Deerwester et al. (1990), "Indexing by latent semantic analysis".
        """
        weights = rarity(features, rarity_power)
        weighed = features
        if isinstance(features, csr_matrix) and rarity_power != 0:
            weighed = _unit(csr_matrix(features @ diags(weights), dtype=np.float32))
        axes = weights[:, None] * latent_axes(weighed, n_dims, seed)
        places = np.asarray(features @ axes, dtype=np.float32)
        deviation = places.std(axis=0)
        floor = max(_DEVIATION_FLOOR * float(deviation.max(initial=0)), 1e-12)
        return cls(axes, places.mean(axis=0), np.maximum(deviation, floor).astype(np.float32))

    def view(self, features: Features, n_dims: int) -> NDArray[np.float32]:
        """Places of rows of features along the first axes, `(n, n_dims)` float32 of unit length."""
        return latent(features, self.axes[:, :n_dims])

    def word_vectors(self, n_dims: int, width: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Random directions in the first axes, whitened: a first layer `(F, width)` and its bias `(width,)`.

        Its units have zero mean and about unit variance over the collection, and words of like use have like vectors,
        rare ones too, which training hardly moves from where they start.
        """
        axes, mean, deviation = self.axes[:, :n_dims], self.mean[:n_dims], self.deviation[:n_dims]
        drawn = np.random.default_rng(seed).standard_normal((len(mean), width)).astype(np.float32)
        directions = drawn / (deviation[:, None] * np.float32(np.sqrt(len(mean))))
        return np.ascontiguousarray(axes @ directions), -mean @ directions


def _unit(matrix: csr_matrix) -> csr_matrix:
    """Rows scaled to unit length; empty ones stay."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return csr_matrix(diags(1 / np.where(lengths > 0, lengths, 1)) @ matrix, dtype=np.float32)
