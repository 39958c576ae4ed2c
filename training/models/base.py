"""What every autoencoder shares: the plan it is built from, the batch it sees, the named parts of its loss.

A variant file holds only what differs: its preset of options, and its penalty or its own loss. The options below are
orthogonal and live here, so that they compose without a class for each pair:

- corruption of the input (denoising): `Plan.corruption`, applied when the batch is cut;
- neighbors as targets (neighbor-aware): `Plan.neighbors`, applied when the batch is cut;
- noise before the sigmoid, growing over training (semantic hashing): `Plan.noise_start` to `Plan.noise`;
- bits drawn under that noise, with a straight-through gradient: `Plan.sampled_bits`;
- balanced and uncorrelated bits: `Plan.balance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from service.hashing.network import EncoderNetwork, SparseBatch


@dataclass(frozen=True, slots=True)
class Plan:
    """Every number of one training run, concrete; `TrainingConfig.plan` derives it from n_bits and the corpus."""

    n_bits: int
    hidden: tuple[int, ...]
    activation: str
    epochs: int
    batch_size: int
    learning_rate: float
    corruption: float
    neighbors: int
    lsa_dims: int
    lsa_weight: float
    noise_start: float
    noise: float
    sampled_bits: bool
    balance: float


@dataclass(frozen=True, slots=True)
class Batch:
    """What a model sees at one step, `B` documents of `F` features.

    Attributes:
        input: `(B, F)` features as the encoder sees them, corrupted if the plan says so.
        clean: `(B, F)` the same features, never corrupted.
        target: `(B, F)` what the decoder must give: rows that sum to one.
        progress: share of the training that is done, 0 to 1.
    """

    input: SparseBatch
    clean: SparseBatch
    target: Tensor
    progress: float


@dataclass(frozen=True, slots=True)
class Losses:
    """The named parts of a loss, each a scalar already weighted; their sum is what training minimizes."""

    parts: Mapping[str, Tensor]

    @property
    def total(self) -> Tensor:
        """The sum of the parts."""
        return torch.stack(list(self.parts.values())).sum()


class Autoencoder(nn.Module):
    """The base of every variant: deep encoder, sigmoid code layer, linear decoder with a softmax over the words.

    A linear decoder on purpose: a deeper one learns to read crowded codes, and the codes get worse.

    Args:
        n_features: width `F` of input and output.
        plan: sizes and options.
    """

    preset: ClassVar[Mapping[str, object]] = {}
    """What this variant sets in the plan unless the configuration says otherwise."""

    def __init__(self, n_features: int, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.encoder = EncoderNetwork(n_features, plan.hidden, plan.n_bits, plan.activation)
        self.decoder = nn.Linear(plan.n_bits, n_features)

    def initialize(self, generator: torch.Generator, mean_target: Tensor) -> None:
        """Draw every weight anew; the decoder starts from the mean target `(F,)`, so that it need not learn it."""
        self.encoder.initialize(generator)
        with torch.no_grad():
            # Rows of features have unit length: hidden units then start with about unit variance, above the noise.
            self.encoder.first.mul_(self.encoder.first.shape[1] ** 0.5)
            nn.init.xavier_uniform_(self.decoder.weight, generator=generator)
            self.decoder.bias.copy_(torch.log(mean_target + 1e-6))

    def noise_scale(self, progress: float) -> float:
        """Standard deviation of the noise before the sigmoid at that share of the training."""
        return self.plan.noise_start + (self.plan.noise - self.plan.noise_start) * progress

    def units(self, logits: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Code units `(B, n_bits)` in 0..1 while learning: sigmoid of logits plus noise, cut to bits if so planned.

        Source: Salakhutdinov, Hinton (2009), "Semantic hashing", section 4 (noise); Bengio, Leonard, Courville (2013),
        "Estimating or propagating gradients through stochastic neurons" (straight-through).
        """
        scale = self.noise_scale(progress)
        if scale > 0:
            noise = torch.empty_like(logits).normal_(generator=generator)
            logits = logits + scale * noise
        units = torch.sigmoid(logits)
        if self.plan.sampled_bits:
            units = units + ((units > 0.5).to(units.dtype) - units).detach()
        return units

    def reconstruction(self, units: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy in nats of the decoder's words against `(B, F)` targets, mean over the batch.

        Source: Salakhutdinov, Hinton (2009), equation 2; Chaidaroon, Fang (2017), "Variational deep semantic hashing".
        """
        return F.cross_entropy(self.decoder(2 * units - 1), target)

    def penalty(self, batch: Batch, logits: Tensor, units: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """What a variant adds to the loss, by name; nothing here."""
        return {}

    def loss(self, batch: Batch, generator: torch.Generator) -> Losses:
        """Loss of one batch, in named parts."""
        logits = self.encoder(batch.input)
        units = self.units(logits, batch.progress, generator)
        parts = {"reconstruction": self.reconstruction(units, batch.target)}
        if self.plan.balance > 0:
            parts["balance"] = self.plan.balance * imbalance(torch.sigmoid(logits))
        return Losses(parts | self.penalty(batch, logits, units, generator))

    @torch.no_grad()
    def hard_loss(self, features: SparseBatch, target: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction loss from hard bits without noise, and the noiseless units it came from, `(B, n_bits)`."""
        logits = self.encoder(features)
        return self.reconstruction((logits > 0).to(logits.dtype), target), torch.sigmoid(logits)


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
