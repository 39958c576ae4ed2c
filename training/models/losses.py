"""The losses that variants share, and Losses: what a model returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SIMILARITY_TEMPERATURE = 0.1
UNIT_TEMPERATURE = 0.2
"""Of the similarities, and of the agreement of units, that likeness compares."""


@dataclass(frozen=True, slots=True)
class Losses:
    """The named parts of a loss, each a scalar already weighted; their sum is what training minimizes."""

    parts: Mapping[str, Tensor]

    @property
    def total(self) -> Tensor:
        """The sum of the parts."""
        return torch.stack(list(self.parts.values())).sum()


def negative_log_likelihood(outputs: Tensor, target: Tensor, output: str) -> Tensor:
    """Negative log-likelihood in nats of `(B, F)` targets under outputs, mean over the batch.

    counts: cross-entropy of one softmax over the words, per word; bits: of one sigmoid for each feature, their sum;
    reals: half the squared error, that of Gaussians of unit variance less their constant, summed over features.

    Source: Salakhutdinov, Hinton (2009), equation 2; Chaidaroon, Fang (2017), "Variational deep semantic hashing"
    (counts); Goodfellow, Bengio, Courville (2016), "Deep learning", section 6.2.2.
    """
    if output == "counts":
        return F.cross_entropy(outputs, target)
    if output == "bits":
        return F.binary_cross_entropy_with_logits(outputs, target, reduction="sum") / len(target)
    return 0.5 * (outputs - target).square().sum() / len(target)


def output_bias(mean_target: Tensor, output: str) -> Tensor:
    """Outputs `(F,)` at which a decoder that knows nothing gives the mean target."""
    if output == "counts":
        return torch.log(mean_target + 1e-6)
    return torch.logit(mean_target, eps=1e-3) if output == "bits" else mean_target


def unlikeness(units: Tensor, similarities: Tensor) -> Tensor:
    """Cross-entropy in nats between who is near whom and who is by code units, mean over the documents of a batch.

    Of each document, the others of the batch have probabilities that grow with their similarity, `(B, B)`; those by
    the agreement of units, `(B, n_bits)` in 0..1, must match.

    Source: Hinton, Roweis (2002), "Stochastic neighbor embedding", equations 1 to 4.
    """
    signed = 2 * units.float() - 1
    found = signed @ signed.T / (UNIT_TEMPERATURE * units.shape[1])
    wanted = similarities / SIMILARITY_TEMPERATURE
    own = torch.eye(len(units), dtype=torch.bool, device=units.device)
    far = torch.finfo(found.dtype).min
    return F.cross_entropy(found.masked_fill(own, far), torch.softmax(wanted.masked_fill(own, far), dim=1))


def imbalance(units: Tensor) -> Tensor:
    """How far bits are from balanced and pairwise uncorrelated, 0 to 1: mean squared cosine between pairs of bits.

    Bits are columns of -1..1 over the batch, and one more column that is always one: the cosine with it is the bit's
    mean. Cosines do not see the length of a column, so that the units gain nothing by hanging at one half.

    Source: Wang, Kumar, Chang (2012), "Semi-supervised hashing for large-scale search", equations 6 to 8, made
    scale-free.
    """
    B, K = units.shape
    columns = torch.cat([2 * units - 1, units.new_ones(B, 1)], dim=1)
    columns = F.normalize(columns, dim=0)
    cosines = columns.T @ columns
    return (cosines.square().sum() - cosines.diagonal().square().sum()) / (K * (K + 1))
