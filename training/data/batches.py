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
"""A function from features `(n, F)` to vectors `(n, n_dims)` float32 of unit length, one for each document."""


@dataclass(frozen=True)
class Dataset:
    """Features of documents, and the targets that the decoder must reconstruct from them.

    Attributes:
        features: `(n, F)` float32, CSR or dense.
        sources: `(m, F)` float32, rows that targets are averages of.
        averaging: `(n, m)` CSR float32, row i has the weights of the sources in target i; None: source i is target i.
        output: kind of the targets: counts, bits or reals.
        n_drawn: expected number of sources drawn for a target at each step of training; 0 uses all.
        view: vectors of documents; batches then have similarities, which likeness needs. None: no similarities.
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
        """Targets of some documents, `(len(rows), n_outputs)` float32; targets of counts sum to one (or are all zero).

        Args:
            rows: rows of the documents.
            rng: draws the sources that are averaged, `n_drawn` on average; None averages all.
        """
        if self.averaging is None:
            mean = self.sources[rows]
        else:
            weights = self.averaging[rows]  # (B, m)
            if rng is not None and self.n_drawn:
                kept = rng.random(weights.nnz, dtype=np.float32) < self.n_drawn * len(rows) / max(weights.nnz, 1)
                # Scaled up, so that the expected sum is unchanged for bits and reals, which are not normalized below.
                weights.data *= kept / max(float(kept.mean()), 1e-6)
                weights.eliminate_zeros()
            mean = weights @ self.sources  # (B, n_outputs)
        dense: NDArray[np.float32] = mean if isinstance(mean, np.ndarray) else mean.toarray()
        if self.output == "counts":
            sums = dense.sum(axis=1, keepdims=True)  # (B, 1)
            dense /= np.where(sums > 0, sums, 1)
        return dense

    def row_length(self) -> float:
        """Root mean square of the Euclidean lengths of the features' rows; 1 if all are zero."""
        entries = self.features if isinstance(self.features, np.ndarray) else self.features.data
        return float(np.sqrt(np.square(entries).sum(dtype=np.float64) / len(self))) or 1.0

    def mean_target(self) -> NDArray[np.float32]:
        """Mean of all targets, `(n_outputs,)` float32; counts are normalized after averaging, not before."""
        shares = np.ones(len(self), dtype=np.float32)
        if self.averaging is not None:
            shares = np.asarray(self.averaging.sum(axis=0), dtype=np.float32).ravel()
        sums = np.asarray(self.sources.T @ shares, dtype=np.float32).ravel()
        total = float(sums.sum()) if self.output == "counts" else len(self)
        return sums / max(total, 1e-12)

    def _similarities(self, features: Features, device: torch.device) -> torch.Tensor | None:
        """For each pair of rows, the cosine of features plus the cosine of vectors: `(B, B)`; None without a view."""
        if self.view is None:
            return None
        vectors = self.view(features)  # (B, n_dims)
        rows = unit_features(features)
        products = rows @ rows.T  # (B, B)
        dense = products if isinstance(products, np.ndarray) else products.toarray()
        return torch.from_numpy(dense + vectors @ vectors.T).to(device)

    def batches(
        self,
        batch_size: int,
        corruption: float,
        progress: tuple[float, float],
        rng: np.random.Generator,
        device: torch.device,
        corruption_kind: str = "masking",
    ) -> Iterator[Batch]:
        """Minibatches of one pass in random order, without a last batch of one document (its bits cannot be balanced).

        Args:
            batch_size: documents in a batch.
            corruption: share of each input that is corrupted, see `Corruption`.
            progress: share of the training that is done before and after this pass.
            rng: draws the order, the sources of targets, and the corruption.
            device: device of the batches.
            corruption_kind: masking, gaussian or salt_pepper.
        """
        corrupting = Corruption.of(self.features, corruption_kind, corruption)
        order = rng.permutation(len(self))
        starts = [s for s in range(0, len(order), batch_size) if len(order) - s > 1]
        for i, start in enumerate(starts):
            rows = order[start : start + batch_size]
            features = self.features[rows]
            done = progress[0] + (progress[1] - progress[0]) * i / len(starts)
            target = torch.from_numpy(self.targets(rows, rng)).to(device)  # (B, n_outputs)
            inputs = network_input(corrupting.apply(features, rng), device)
            cases = torch.from_numpy(rows).to(device)  # (B,)
            yield Batch(inputs, target, done, cases, self._similarities(features, device))
