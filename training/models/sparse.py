"""Sparse autoencoder: few code units are active for any one input.

    kl:  minimize  -log p(x | g(h)) + w * sum_j KL(r || q_j),   q_j the mean of unit j over the batch, r its target
    l1:  minimize  -log p(x | g(h)) + w * sum_j |h_j|

Source: Ng (2011), "Sparse autoencoder", CS294A lecture notes, section 3 (kl); Goodfellow, Bengio, Courville (2016),
"Deep learning", section 14.2.1 (l1, a Laplace prior on the code).
"""

from __future__ import annotations

from math import log

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.models.base import Autoencoder, Batch


class Sparse(Autoencoder):
    """An autoencoder whose units are kept at a target rate (kl), or pulled towards zero (l1)."""

    def initialize(self, generator: torch.Generator, mean_target: Tensor, row_length: float = 1.0) -> None:
        """Draw every weight; units start at their target rate, which small steps would take long to reach."""
        super().initialize(generator, mean_target, row_length)
        if self.plan.sparsity == "kl":
            last = self.encoder.rest[-1].bias if self.plan.hidden else self.encoder.first_bias
            assert isinstance(last, Tensor)
            with torch.no_grad():
                last.fill_(log(self.plan.target_rate / (1 - self.plan.target_rate)))

    def penalty(self, batch: Batch, logits: Tensor, units: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Divergence of the units' mean activity from the target rate (kl), or sum of their absolute values (l1)."""
        if self.plan.sparsity == "l1":
            return {"sparsity": self.plan.penalty * units.abs().sum() / len(units)}
        # The losses of bits and reals are sums over features: with more features the penalty needs more weight.
        weight = self.plan.penalty * (1.0 if self.plan.output == "counts" else self.encoder.n_features / 16)
        return {"sparsity": weight * divergence(self.plan.target_rate, torch.sigmoid(logits).mean(dim=0))}

    def thresholds(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Thresholds `(n_bits,)` at which each bit is 1 at the target rate; with l1, those of the base."""
        if self.plan.sparsity == "l1":
            return super().thresholds(logits)
        return np.quantile(logits, 1 - self.plan.target_rate, axis=0).astype(np.float32)


def divergence(target: float, rates: Tensor) -> Tensor:
    """KL divergence in nats of Bernoulli units with rates `(K,)` from the target rate, summed over units: `()`."""
    rates = rates.clamp(1e-6, 1 - 1e-6)
    ones = target * torch.log(target / rates)
    return (ones + (1 - target) * torch.log((1 - target) / (1 - rates))).sum()
