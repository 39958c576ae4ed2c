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
from training.data.supervision import Supervision
from training.loops.products import dense_product
from training.models import Batch
from training.vectors import unit_features

SUPERVISED_SHARE, SUPERVISED_TIMES = 0.25, 4
"""A batch has this share more documents, of which something is known; fewer if that is more than so many times each."""

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
        vectors: `(n, n_dims)` float32 of unit length, one for each document; batches then have similarities, which
            likeness needs. None: no similarities.
        has_cosines: batches have the cosines of their features without vectors too, which are then their similarities.
        partners: `(n, p)` int32, rows of the documents nearest to each; half of each batch are then partners of the
            other half, since a random batch holds almost no documents that are near one another. None: random batches.
        supervision: which documents people said are alike; batches then say it, and have more of these documents.
    """

    features: Features
    sources: Features
    averaging: csr_matrix | None
    output: str = "counts"
    n_drawn: int = 0
    vectors: NDArray[np.float32] | None = None
    has_cosines: bool = False
    partners: NDArray[np.int32] | None = None
    supervision: Supervision | None = None

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
            sources = self.sources
            mean = weights @ sources if isinstance(sources, np.ndarray) else dense_product(weights, sources)
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

    def _likeness(
        self, rows: NDArray[np.int64], features: Features, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """For each pair of rows `(B, B)`: cosine of features plus that of vectors, and the former; None: neither."""
        if self.vectors is None and not self.has_cosines:
            return None
        units = unit_features(features)
        cosines = units @ units.T if isinstance(units, np.ndarray) else dense_product(units, csr_matrix(units.T))
        if self.vectors is None:
            alike = torch.from_numpy(cosines).to(device)
            return alike, alike
        vectors = self.vectors[rows]
        return torch.from_numpy(cosines + vectors @ vectors.T).to(device), torch.from_numpy(cosines).to(device)

    def _paired(self, batch_size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """As many rows as there are documents: in each batch half are drawn, the others are a partner of each."""
        assert self.partners is not None
        half = max(1, batch_size // 2)
        drawn = rng.permutation(len(self))[: -(-len(self) // 2)]
        chosen = self.partners[drawn, rng.integers(self.partners.shape[1], size=len(drawn))].astype(np.int64)
        starts = range(0, len(drawn), half)
        return np.concatenate([part[s : s + half] for s in starts for part in (drawn, chosen)])

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
        order = rng.permutation(len(self)) if self.partners is None else self._paired(batch_size, rng)
        starts = [s for s in range(0, len(order), batch_size) if len(order) - s > 1]
        for i, start in enumerate(starts):
            rows = order[start : start + batch_size]
            if self.supervision is not None:
                share = min(SUPERVISED_SHARE, SUPERVISED_TIMES * self.supervision.n_known / len(self))
                rows = np.concatenate([rows, self.supervision.drawn(max(2, round(share * len(rows))), rng)])
            features = self.features[rows]
            done = progress[0] + (progress[1] - progress[0]) * i / len(starts)
            target = torch.from_numpy(self.targets(rows, rng)).to(device)  # (B, n_outputs)
            inputs = network_input(corrupting.apply(features, rng), device)
            cases = torch.from_numpy(rows).to(device)  # (B,)
            similarities, cosines = self._likeness(rows, features, device) or (None, None)
            known = None if self.supervision is None else torch.from_numpy(self.supervision.known(rows)).to(device)
            yield Batch(inputs, target, done, cases, similarities, cosines, known=known)
