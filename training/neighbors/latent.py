"""Latent semantic analysis with more weight on rare words: for finding neighbors, and as the first word vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from service.hashing.featurizers import Features
from training.neighbors.exact import latent, latent_axes

_DEVIATION_FLOOR = 1e-3
"""Smallest deviation by which an axis is divided, relative to the largest: below it there is only rounding."""


def rarity(features: Features, power: float) -> NDArray[np.float32]:
    """Factor of each feature, `(F,)` float32: its smoothed idf to the given power; all 1 if the features are dense.

    With a squared idf, words that distinguish topics outweigh common words, which would otherwise fill the first axes.
    """
    n, n_features = features.shape
    if power == 0 or not isinstance(features, csr_matrix):
        return np.ones(n_features, dtype=np.float32)
    document_frequency = np.bincount(features.indices, minlength=n_features)
    weights: NDArray[np.float32] = ((np.log((1 + n) / (1 + document_frequency)) + 1) ** power).astype(np.float32)
    return weights


@dataclass(frozen=True, slots=True)
class LatentSpace:
    """Latent axes of a collection, and mean and deviation of its documents along them.

    Attributes:
        axes: `(F, d)` float32; features times axes are the latent vectors.
        mean: `(d,)` float32, mean latent vector of the collection.
        deviation: `(d,)` float32, standard deviation of the latent vectors along each axis, above 0.
    """

    axes: NDArray[np.float32]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def of(cls, features: Features, n_dims: int, rarity_power: float, seed: int) -> LatentSpace:
        """The latent axes of features `(n, F)` whose columns are weighted by their rarity.

        Source: Deerwester et al. (1990), "Indexing by latent semantic analysis".
        """
        weights = rarity(features, rarity_power)
        weighted = features
        if isinstance(features, csr_matrix) and rarity_power != 0:
            weighted = _unit(csr_matrix(features @ diags(weights), dtype=np.float32))
        axes = weights[:, None] * latent_axes(weighted, n_dims, seed)
        vectors = np.asarray(features @ axes, dtype=np.float32)  # (n, d)
        deviation = vectors.std(axis=0)  # (d,)
        floor = max(_DEVIATION_FLOOR * float(deviation.max(initial=0)), 1e-12)
        return cls(axes, vectors.mean(axis=0), np.maximum(deviation, floor).astype(np.float32))

    def view(self, features: Features, n_dims: int) -> NDArray[np.float32]:
        """Latent vectors of features along the first axes, `(n, n_dims)` float32, rows of unit length."""
        return latent(features, self.axes[:, :n_dims])

    def word_vectors(self, n_dims: int, width: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """First weights of a network, `(F, width)`, and their bias `(width,)`: random directions in the whitened axes.

        The units have mean 0 and variance about 1 over the collection. Words that are used alike have similar vectors,
        also rare words, which training hardly changes.
        """
        axes, mean, deviation = self.axes[:, :n_dims], self.mean[:n_dims], self.deviation[:n_dims]
        drawn = np.random.default_rng(seed).standard_normal((len(mean), width)).astype(np.float32)  # (n_dims, width)
        directions = drawn / (deviation[:, None] * np.float32(np.sqrt(len(mean))))
        return np.ascontiguousarray(axes @ directions), -mean @ directions


def _unit(matrix: csr_matrix) -> csr_matrix:
    """Sparse rows scaled to unit length; empty rows stay empty."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return csr_matrix(diags(1 / np.where(lengths > 0, lengths, 1)) @ matrix, dtype=np.float32)
