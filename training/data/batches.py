"""Dataset: features of documents with the targets to learn from, cut into seeded minibatches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from service.hashing.featurizers import Features
from service.hashing.network import network_input
from training.data.corruption import Corruption
from training.models import Batch
from training.vectors import unit_features

View = Callable[[Features], NDArray[np.float32]]
"""Gives each row of features a place, `(n, n_dims)` float32 of unit length."""


@dataclass(frozen=True)
class Dataset:
    """Features of documents and what a decoder must give for them.

    Attributes:
        features: `(n, F)` float32, CSR or dense.
        sources: `(m, F)` float32, what targets are averaged from.
        averaging: `(n, m)` CSR float32, row i averages the sources into the target of document i; None: source i.
        output: what targets are: counts, bits or reals.
        n_drawn: how many documents, in the mean, each step of learning draws into a target; 0 takes all.
        view: gives places, whose cosines are added to those of the features; None leaves similarities out.
    """

    features: Features
    sources: Features
    averaging: csr_matrix | None
    output: str = "counts"
    n_drawn: int = 0
    view: View | None = None

    def __len__(self) -> int:
        return int(self.features.shape[0])

    def targets(self, rows: NDArray[np.int64], rng: np.random.Generator | None = None) -> NDArray[np.float32]:
        """Targets of some documents, `(len(rows), n_outputs)` float32; rows of counts sum to one (or zero).

        Args:
            rows: of the documents.
            rng: draws which documents are averaged, `n_drawn` in the mean; None averages all.
        """
        if self.averaging is None:
            mean = self.sources[rows]
        else:
            weights = self.averaging[rows]
            if rng is not None and self.n_drawn:
                kept = rng.random(weights.nnz, dtype=np.float32) < self.n_drawn * len(rows) / max(weights.nnz, 1)
                # Scaled, so that sums keep their mean where they are not scaled to one below.
                weights.data *= kept / max(float(kept.mean()), 1e-6)
                weights.eliminate_zeros()
            mean = weights @ self.sources
        dense: NDArray[np.float32] = mean if isinstance(mean, np.ndarray) else mean.toarray()
        if self.output == "counts":
            sums = dense.sum(axis=1, keepdims=True)
            dense /= np.where(sums > 0, sums, 1)
        return dense

    def row_length(self) -> float:
        """Root mean square of the Euclidean length of the features' rows; 1 if all are zero."""
        entries = self.features if isinstance(self.features, np.ndarray) else self.features.data
        return float(np.sqrt(np.square(entries).sum(dtype=np.float64) / len(self))) or 1.0

    def mean_target(self) -> NDArray[np.float32]:
        """Mean over all targets, `(F,)` float32; of counts before their scaling, itself scaled to sum to one."""
        shares = np.ones(len(self), dtype=np.float32)
        if self.averaging is not None:
            shares = np.asarray(self.averaging.sum(axis=0), dtype=np.float32).ravel()
        sums = np.asarray(self.sources.T @ shares, dtype=np.float32).ravel()
        total = float(sums.sum()) if self.output == "counts" else len(self)
        return sums / max(total, 1e-12)

    def _similarities(self, features: Features, device: torch.device) -> torch.Tensor | None:
        """Of each pair of rows, cosine of features (sparse ones have unit length) plus cosine of places."""
        if self.view is None:
            return None
        places = self.view(features)
        rows = unit_features(features)
        products = rows @ rows.T  # (B, B)
        dense = products if isinstance(products, np.ndarray) else products.toarray()
        return torch.from_numpy(dense + places @ places.T).to(device)

    def batches(
        self,
        batch_size: int,
        corruption: float,
        progress: tuple[float, float],
        rng: np.random.Generator,
        device: torch.device,
        corruption_kind: str = "masking",
    ) -> Iterator[Batch]:
        """One pass in random order; a last batch of one document is left out (its bits cannot be balanced).

        Args:
            batch_size: documents per batch.
            corruption: how much of each input is corrupted, see `Corruption`.
            progress: share of the training done before and after this pass.
            rng: draws the order and the corruption.
            device: where batches go.
            corruption_kind: masking, gaussian or salt_pepper.
        """
        corrupting = Corruption.of(self.features, corruption_kind, corruption)
        order = rng.permutation(len(self))
        starts = [s for s in range(0, len(order), batch_size) if len(order) - s > 1]
        for i, start in enumerate(starts):
            rows = order[start : start + batch_size]
            features = self.features[rows]
            clean = network_input(features, device)
            done = progress[0] + (progress[1] - progress[0]) * i / len(starts)
            target = torch.from_numpy(self.targets(rows, rng)).to(device)
            noisy = network_input(corrupting.apply(features, rng), device) if corruption > 0 else clean
            cases = torch.from_numpy(rows).to(device)
            yield Batch(noisy, clean, target, done, cases, self._similarities(features, device))
