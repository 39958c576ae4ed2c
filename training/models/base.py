"""Autoencoder: the base of all variants; Batch: what it sees at one step; Decoder: its second half.

A variant's file holds only what differs, its penalty or its loss; its preset of options is in
`service/training_options.py`. The options below work with every variant that uses this loss, so they are implemented
here, and no pair of them needs a class:

- kind of the features (counts, bits, reals), which decides the loss: `Plan.output`;
- sigmoid or linear code units: `Plan.code`; a linear or a mirrored decoder: `Plan.mirrored`;
- corruption of the input (denoising): `Plan.corruption`, applied when the batch is made;
- neighbors as targets (neighbor-aware): `Plan.neighbors`, applied when the batch is made;
- noise before the sigmoid that grows over the training (semantic hashing): from `Plan.noise_start` to `Plan.noise`;
  drawn at each step, or once for each training document: `Plan.noise_kind`;
- bits sampled under that noise, with a straight-through gradient: `Plan.sampled_bits`;
- balanced and uncorrelated bits: `Plan.balance`;
- similar codes for documents that a first network finds similar: `Plan.likeness`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from service.hashing.network import ACTIVATIONS, EncoderNetwork, SparseBatch
from training.models.case_noise import case_noise
from training.models.losses import (
    NEAREST_SIMILARITY_TEMPERATURE,
    NEAREST_UNIT_TEMPERATURE,
    SUPERVISION,
    VECTOR_TEMPERATURES,
    Losses,
    disagreement,
    imbalance,
    negative_log_likelihood,
    output_bias,
    told_similarities,
    unlikeness,
)
from training.models.plan import Plan
from training.models.rotation import rotation
from training.vectors import unit_rows

GROWTH = 0.8
"""Share of the training over which the noise grows; after it the units adapt to the largest noise."""

START_DEVIATION = 2.0
"""Standard deviation of the first logits of bits taken over from another network: above the noise, not saturated."""

Rows = SparseBatch | Tensor
"""`B` rows of features: a SparseBatch of sparse ones, a `(B, F)` tensor of dense ones."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a model sees at one step: `B` documents of `F` features.

    Attributes:
        input: `(B, F)` features for the encoder, corrupted if the plan says so.
        target: `(B, F)` rows to reconstruct: they sum to one (counts), are shares of ones (bits), or any reals.
        progress: share of the training that is done, 0 to 1.
        cases: `(B,)` int64, row numbers of the training documents; None if these are no training documents.
        similarities: `(B, B)` similarity of each pair of documents by a first network; None without likeness.
        cosines: `(B, B)` cosine of the features of each pair; None without likeness.
        known: `(B, B)` what people said of each pair, see `training.data.supervision`; None: nothing.
        sums: `(B, width)` what the first layer makes of the input, if who trains has computed it; else None.
    """

    input: Rows
    target: Tensor
    progress: float
    cases: Tensor | None = None
    similarities: Tensor | None = None
    cosines: Tensor | None = None
    known: Tensor | None = None
    sums: Tensor | None = None


class Decoder(nn.Module):
    """A feed-forward network from code units to outputs before softmax or sigmoid; linear without hidden layers."""

    def __init__(self, n_bits: int, hidden: Sequence[int], n_features: int, activation: str) -> None:
        super().__init__()
        self.activation = activation
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([n_bits, *hidden, n_features]))

    def initialize(self, generator: torch.Generator, bias: Tensor) -> None:
        """Draw every weight (Glorot-uniform); the bias of the outputs starts as `bias` `(F,)`."""
        with torch.no_grad():
            for layer in self.layers:
                assert isinstance(layer, nn.Linear)
                nn.init.xavier_uniform_(layer.weight, generator=generator)
                layer.bias.zero_()
                last = layer.bias
            last.copy_(bias)

    def forward(self, units: Tensor) -> Tensor:
        """Outputs `(B, F)` of inputs `(B, n_bits)`."""
        outputs: Tensor = self.layers[0](units)
        for layer in self.layers[1:]:
            outputs = layer(ACTIVATIONS[self.activation](outputs))
        return outputs


class Autoencoder(nn.Module):
    """The base of all variants: deep encoder, code layer, decoder, and the loss for the kind of features.

    The decoder is linear unless the plan mirrors the encoder: a deeper decoder reconstructs from codes that are close
    together, so the codes get worse.

    Args:
        n_features: number `F` of features.
        plan: sizes and options.

    Attributes:
        has_plain_first_layer: the loss depends on the first layer only by `layers`, so that its gradient is that of
            `Batch.sums`, and only the vectors of the words in a batch have one.
    """

    has_plain_first_layer = True

    def __init__(self, n_features: int, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.encoder = EncoderNetwork(n_features, plan.hidden, plan.n_bits, plan.activation)
        n_outputs = min(n_features, plan.output_words)
        self.decoder = Decoder(plan.n_bits, plan.hidden[::-1] if plan.mirrored else (), n_outputs, plan.activation)
        self.noise_key = 0

    def initialize(self, generator: torch.Generator, mean_target: Tensor, row_length: float = 1.0) -> None:
        """Draw every weight.

        Args:
            generator: draws the weights.
            mean_target: `(F,)` mean of the targets, which the untrained decoder gives as its output.
            row_length: Euclidean length of a typical row of features, by which the first layer is scaled: hidden units
                then start with a variance of about 1, above the noise.
        """
        self.encoder.initialize(generator)
        with torch.no_grad():
            self.encoder.first.mul_(self.encoder.first.shape[1] ** 0.5 / row_length)
        self.decoder.initialize(generator, output_bias(mean_target, self.plan.output))
        if self.plan.noise_kind == "fixed":
            self.noise_key = int(torch.randint(1 << 62, (), generator=generator))

    def start_from(self, other: Autoencoder) -> None:
        """Copy all encoder layers from another model, except the last layer, which gives the bits."""
        if not self.plan.hidden:
            return
        with torch.no_grad():
            self.encoder.first.copy_(other.encoder.first)
            self.encoder.first_bias.copy_(other.encoder.first_bias)
            for mine, theirs in zip(self.encoder.rest[:-1], other.encoder.rest[:-1], strict=True):
                mine.load_state_dict(theirs.state_dict())

    def start_bits(self, logits: NDArray[np.float32], other: Autoencoder, seed: int) -> None:
        """Set the last encoder layer to a rotation of another model's bits, if that model has at least as many bits.

        Args:
            logits: `(n, other's n_bits)` logits of training documents from the other model.
            other: the model that the other layers were copied from.
            seed: seed of the rotation.
        """
        if not self.plan.hidden or other.plan.n_bits < self.plan.n_bits:
            return
        turn = torch.from_numpy(rotation(unit_rows(logits), self.plan.n_bits, seed))  # (other n_bits, n_bits)
        mine, theirs = self.encoder.rest[-1], other.encoder.rest[-1]
        assert isinstance(mine, nn.Linear)
        assert isinstance(theirs, nn.Linear)
        rotated = torch.from_numpy(logits) @ turn  # (n, n_bits)
        mean = rotated.mean(dim=0)  # (n_bits,)
        scale = START_DEVIATION / float((rotated - mean).std().clamp_min(1e-6))
        with torch.no_grad():
            weight, bias = theirs.weight.cpu(), theirs.bias.cpu()
            mine.weight.copy_(scale * turn.T @ weight)
            mine.bias.copy_(scale * (turn.T @ bias - mean))

    def start_words(self, vectors: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        """Set the first encoder layer to word vectors `(F, width)` and a bias `(width,)`."""
        with torch.no_grad():
            self.encoder.first.copy_(torch.from_numpy(vectors))
            self.encoder.first_bias.copy_(torch.from_numpy(bias))

    def prepare(self, batches: Callable[[], Iterator[Batch]], generator: torch.Generator) -> None:
        """Learn something before the first epoch, from any number of passes of `batches()`; the base learns nothing."""

    def layers(self, batch: Batch) -> list[Tensor]:
        """What every layer of the encoder gives for a batch before its activation; the last are the logits."""
        return self.encoder.layers(batch.input) if batch.sums is None else self.encoder.layers_after(batch.sums)

    def noise_scale(self, progress: float) -> float:
        """Standard deviation of the noise before the sigmoid at this share of the training: it grows, then stays."""
        return self.plan.noise_start + (self.plan.noise - self.plan.noise_start) * min(1.0, progress / GROWTH)

    def units(self, logits: Tensor, batch: Batch, generator: torch.Generator) -> Tensor:
        """Code units `(B, n_bits)` in training: sigmoid of noisy logits (as bits if `sampled_bits`), or noisy logits.

        Source: Salakhutdinov, Hinton (2009), "Semantic hashing", section 4 (noise, fixed for each training case);
        Bengio, Leonard, Courville (2013), "Estimating or propagating gradients through stochastic neurons"
        (straight-through).
        """
        scale = self.noise_scale(batch.progress)
        if scale > 0 and self.plan.noise_kind == "fixed" and batch.cases is not None:
            logits = logits + scale * case_noise(batch.cases, logits.shape[1], self.noise_key)
        elif scale > 0:
            logits = logits + scale * torch.empty_like(logits).normal_(generator=generator)
        if self.plan.code == "linear":
            return logits
        units = torch.sigmoid(logits)
        if self.plan.sampled_bits:
            units = units + ((units > 0.5).to(units.dtype) - units).detach()
        return units

    def decode(self, units: Tensor) -> Tensor:
        """Decoder outputs `(B, F)` of code units `(B, n_bits)`, before softmax or sigmoid."""
        outputs: Tensor = self.decoder(units if self.plan.code == "linear" else 2 * units - 1)
        return outputs

    def reconstruction(self, units: Tensor, target: Tensor) -> Tensor:
        """Negative log-likelihood of targets `(B, F)` given code units, in nats, mean over the batch: `()`."""
        return negative_log_likelihood(self.decode(units), target, self.plan.output)

    def penalty(self, batch: Batch, logits: Tensor, units: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Parts that a variant adds to the loss, by name; the base adds none."""
        return {}

    def balance(self, logits: Tensor) -> dict[str, Tensor]:
        """The loss part for balanced and uncorrelated bits, given logits `(B, n_bits)`; none if its weight is 0."""
        return {"balance": self.plan.balance * imbalance(torch.sigmoid(logits))} if self.plan.balance > 0 else {}

    def likeness(self, units: Tensor, similarities: Tensor, cosines: Tensor) -> dict[str, Tensor]:
        """The loss parts for codes that are alike where documents are, by topic and by their features alone.

        With `nearest_likeness` the first `1 - nearest_share` of the bits learn what a first network finds alike, the
        others what the features do.
        """
        plan, parts = self.plan, {}
        n_topic = plan.n_bits - round(plan.nearest_share * plan.n_bits) if plan.nearest_likeness > 0 else plan.n_bits
        if plan.likeness > 0 and n_topic:
            parts["likeness"] = plan.likeness * unlikeness(units[:, :n_topic], similarities)
        if n_topic < plan.n_bits:
            of_words = NEAREST_SIMILARITY_TEMPERATURE, NEAREST_UNIT_TEMPERATURE
            temperatures = VECTOR_TEMPERATURES if plan.output == "reals" else of_words
            unlike = unlikeness(units[:, n_topic:], cosines, *temperatures)
            parts["nearest_likeness"] = plan.nearest_likeness * unlike
        return parts

    def supervision(self, units: Tensor, similarities: Tensor, known: Tensor) -> dict[str, Tensor]:
        """The loss parts for codes that are alike where people said that documents are, by what is known of pairs."""
        weight = max(SUPERVISION, self.plan.likeness, self.plan.nearest_likeness)
        told = told_similarities(similarities, known)
        parts = {"supervision": weight * unlikeness(units, told, rows=(known != 0).any(dim=1))}
        return parts | {"pairs": weight * disagreement(units, known)}

    def loss(self, batch: Batch, generator: torch.Generator) -> Losses:
        """Loss of one batch, in named parts; on CUDA encoder and decoder compute in bfloat16, the rest in float32."""
        with torch.autocast("cuda", torch.bfloat16, enabled=batch.target.is_cuda):
            logits = self.layers(batch)[-1].float()  # (B, n_bits)
            units = self.units(logits, batch, generator)
            parts = {"reconstruction": self.reconstruction(units, batch.target)}
        parts |= self.balance(logits)
        if batch.similarities is not None and batch.cosines is not None:
            parts |= self.likeness(units, batch.similarities, batch.cosines)
            if batch.known is not None:
                parts |= self.supervision(units, batch.similarities, batch.known)
        return Losses(parts | self.penalty(batch, logits, units, generator))

    def accumulate(self, batch: Batch, generator: torch.Generator) -> Losses:
        """Compute the gradient of the loss of one batch into the parameters' `grad`; returns the loss."""
        losses = self.loss(batch, generator)
        losses.total.backward()  # type: ignore[no-untyped-call]
        return losses

    @property
    def has_binary_units(self) -> bool:
        """True if training drives the code units towards 0 and 1, so that a threshold at 0.5 loses nothing."""
        return self.plan.code == "sigmoid" and (self.plan.noise > 0 or self.plan.sampled_bits)

    @torch.no_grad()
    def hard_loss(self, features: Rows, target: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction loss from the bits of a hash function, `()`, and the units without noise, `(B, n_bits)`.

        The loss is computed from hard bits if the units are binary, else from the units themselves.
        """
        return self.hard_loss_of(self.encoder(features), target)

    @torch.no_grad()
    def hard_loss_of(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The same from the logits `(B, n_bits)` of the features."""
        units = torch.sigmoid(logits)
        if self.plan.code == "linear":
            return self.reconstruction(logits, target), units
        return self.reconstruction((logits > 0).to(logits.dtype) if self.has_binary_units else units, target), units

    def thresholds(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Thresholds of the bits, `(n_bits,)` float32, given logits `(n, n_bits)` of training documents.

        0 (a unit of 0.5) if the units are binary; else the median, which makes every bit balanced.
        """
        if self.has_binary_units:
            return np.zeros(logits.shape[1], dtype=np.float32)
        return np.median(logits, axis=0).astype(np.float32)
