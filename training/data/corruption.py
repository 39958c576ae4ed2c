"""Corrupted copies of features, for denoising: masking, Gaussian noise, or salt and pepper, of sparse or dense rows.

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
    """A kind and an amount of corruption.

    - masking: each feature is set to zero with probability `amount`; a sparse row is scaled back to its former length;
    - gaussian: Gaussian noise is added, to dense features of deviation `amount` times their root mean square, to the
      weight of each word present of deviation `amount` times that weight;
    - salt_pepper: with probability `amount`, each dense feature is set to the smallest or to the largest value that
      occurs, and each word is dropped or replaced by a random one.

    Attributes:
        kind: masking, gaussian or salt_pepper.
        amount: share of the features that are corrupted, or relative deviation of the noise; 0 to 1.
        deviation: standard deviation of Gaussian noise on dense features.
        limits: smallest and largest value of dense features.
    """

    kind: str
    amount: float
    deviation: float = 0.0
    limits: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def of(cls, features: Features, kind: str, amount: float) -> Corruption:
        """The corruption of this kind and amount for these features, whose deviation and limits are measured here."""
        if isinstance(features, csr_matrix) or amount == 0 or not features.size:
            return cls(kind, amount)
        deviation = amount * float(np.sqrt(np.mean(np.square(features), dtype=np.float64)))
        return cls(kind, amount, deviation, (float(features.min()), float(features.max())))

    def apply(self, features: Features, rng: np.random.Generator) -> Features:
        """A corrupted copy of features, `(n, F)` float32; the same object if `amount` is 0."""
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
    """A copy `(n, F)` with each entry set to zero with probability `share`, and rows scaled to their former length."""
    kept = features.copy()
    kept.data = features.data * (rng.random(len(features.data), dtype=np.float32) >= share)
    before = np.sqrt(np.add.reduceat(np.append(features.data, 0) ** 2, features.indptr[:-1]))  # (n,)
    after = np.sqrt(np.add.reduceat(np.append(kept.data, 0) ** 2, features.indptr[:-1]))
    scale = np.where(after > 0, before / np.where(after > 0, after, 1), 1)
    kept.data *= np.repeat(scale, np.diff(features.indptr)).astype(np.float32)
    return kept
