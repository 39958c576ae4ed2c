"""Corrupted copies of features, for denoising: masking, Gaussian noise, salt and pepper, on bags of words or dense.

Source: Vincent et al. (2010), "Stacked denoising autoencoders: learning useful representations in a deep network with a
local denoising criterion", section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from service.hashing.featurizers import Features


@dataclass(frozen=True, slots=True)
class Corruption:
    """How inputs are corrupted.

    - masking: each feature is set to zero with probability `amount`; a bag of words is scaled back to its old length;
    - gaussian: noise with `amount` times the features' root mean square is added; to the weights of the words present,
      noise with `amount` times each weight;
    - salt_pepper: each feature is, with probability `amount`, set to the least or to the greatest value that occurs;
      each word is dropped or replaced by a random one.

    Attributes:
        kind: masking, gaussian or salt_pepper.
        amount: share of the features, or relative deviation of the noise.
        deviation: standard deviation of Gaussian noise on dense features.
        limits: least and greatest value of dense features.
    """

    kind: str
    amount: float
    deviation: float = 0.0
    limits: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def of(cls, features: Features, kind: str, amount: float) -> Corruption:
        """The corruption of that kind, measured on the features that it will be used on."""
        if isinstance(features, csr_matrix) or amount == 0 or not features.size:
            return cls(kind, amount)
        deviation = amount * float(np.sqrt(np.mean(np.square(features), dtype=np.float64)))
        return cls(kind, amount, deviation, (float(features.min()), float(features.max())))

    def apply(self, features: Features, rng: np.random.Generator) -> Features:
        """A corrupted copy; the very same features where nothing is to be corrupted."""
        if self.amount == 0:
            return features
        return self._words(features, rng) if isinstance(features, csr_matrix) else self._dense(features, rng)

    def _dense(self, features: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        if self.kind == "gaussian":
            noisy: NDArray[np.float32] = features + self.deviation * rng.standard_normal(features.shape, np.float32)
            return noisy.astype(np.float32, copy=False)
        hit = rng.random(features.shape, dtype=np.float32) < self.amount
        if self.kind == "masking":
            return np.where(hit, np.float32(0), features)
        low, high = np.float32(self.limits[0]), np.float32(self.limits[1])
        return np.where(hit, np.where(rng.random(features.shape, dtype=np.float32) < 0.5, low, high), features)

    def _words(self, features: csr_matrix, rng: np.random.Generator) -> csr_matrix:
        if self.kind == "masking":
            return drop_words(features, self.amount, rng)
        noisy = features.copy()
        if self.kind == "gaussian":
            noisy.data = features.data * (1 + self.amount * rng.standard_normal(len(features.data), np.float32))
            return noisy
        hit = rng.random(len(features.data), dtype=np.float32)
        salted = np.flatnonzero(hit < self.amount / 2)
        noisy.indices = features.indices.copy()
        noisy.indices[salted] = rng.integers(0, features.shape[1], len(salted))
        noisy.data = np.where((hit >= self.amount / 2) & (hit < self.amount), np.float32(0), features.data)
        return noisy


def drop_words(features: csr_matrix, share: float, rng: np.random.Generator) -> csr_matrix:
    """The same rows with each entry set to zero with probability `share`; what is left is scaled to the old length."""
    kept = features.copy()
    kept.data = features.data * (rng.random(len(features.data), dtype=np.float32) >= share)
    before = np.sqrt(np.add.reduceat(np.append(features.data, 0) ** 2, features.indptr[:-1]))
    after = np.sqrt(np.add.reduceat(np.append(kept.data, 0) ** 2, features.indptr[:-1]))
    scale = np.where(after > 0, before / np.where(after > 0, after, 1), 1)
    kept.data *= np.repeat(scale, np.diff(features.indptr)).astype(np.float32)
    return kept
