"""What every autoencoder shares: the plan it is built from, the batch it sees, the named parts of its loss.

A variant file holds only what differs: its penalty or its own loss; its preset of options stands beside the options, in
`service/training_options.py`. The options below are orthogonal and live here, so that they compose without a class for
each pair:

- what the data are (word counts, bits, real numbers), and with that the loss: `Plan.output`;
- a code layer of sigmoid or of linear units: `Plan.code`; a linear or a mirrored decoder: `Plan.mirrored`;
- corruption of the input (denoising): `Plan.corruption`, applied when the batch is cut;
- neighbors as targets (neighbor-aware): `Plan.neighbors`, applied when the batch is cut;
- noise before the sigmoid, growing over training (semantic hashing): `Plan.noise_start` to `Plan.noise`; drawn anew at
  each step, or once for each training document: `Plan.noise_kind`;
- bits drawn under that noise, with a straight-through gradient: `Plan.sampled_bits`;
- balanced and uncorrelated bits: `Plan.balance`;
- codes alike where a first network sees documents alike: `Plan.likeness`.
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
from training.models.losses import Losses, imbalance, negative_log_likelihood, output_bias, unlikeness
from training.models.plan import Plan
from training.models.rotation import rotation
from training.vectors import unit_rows

GROWTH = 0.8
"""Share of the training over which the noise grows; the rest lets the units answer to the last of it."""

START_DEVIATION = 2.0
"""Of the logits of a network whose bits start from another's: beyond the noise, short of saturation."""

Rows = SparseBatch | Tensor
"""`B` rows of features: bags of sparse ones, a `(B, F)` tensor of dense ones."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a model sees at one step, `B` documents of `F` features.

    Attributes:
        input: `(B, F)` features as the encoder sees them, corrupted if the plan says so.
        clean: `(B, F)` the same features, never corrupted.
        target: `(B, F)` what the decoder must give: rows that sum to one (counts), shares of ones (bits), or reals.
        progress: share of the training that is done, 0 to 1.
        cases: `(B,)` int64, which training documents these are; None where they are none.
        similarities: `(B, B)` of each pair of the documents, as a first network has it; None where there is none.
    """

    input: Rows
    clean: Rows
    target: Tensor
    progress: float
    cases: Tensor | None = None
    similarities: Tensor | None = None


class Decoder(nn.Module):
    """A feed-forward net from code units to outputs, before their softmax or sigmoid; linear without hidden layers."""

    def __init__(self, n_bits: int, hidden: Sequence[int], n_features: int, activation: str) -> None:
        super().__init__()
        self.activation = activation
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([n_bits, *hidden, n_features]))

    def initialize(self, generator: torch.Generator, bias: Tensor) -> None:
        """Draw every weight anew, Glorot-uniform; the outputs start from `bias` `(F,)`."""
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
    """The base of every variant: deep encoder, code layer, decoder, and the loss that the kind of data asks for.

    The decoder is linear unless the plan mirrors the encoder: a deeper one learns to read crowded codes, and the codes
    get worse.

    Args:
        n_features: width `F` of input and output.
        plan: sizes and options.
    """

    def __init__(self, n_features: int, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.encoder = EncoderNetwork(n_features, plan.hidden, plan.n_bits, plan.activation)
        n_outputs = min(n_features, plan.output_words)
        self.decoder = Decoder(plan.n_bits, plan.hidden[::-1] if plan.mirrored else (), n_outputs, plan.activation)
        self.noise_key = 0

    def initialize(self, generator: torch.Generator, mean_target: Tensor, row_length: float = 1.0) -> None:
        """Draw every weight anew.

        Args:
            generator: draws them.
            mean_target: `(F,)`, where the decoder starts, so that it need not learn it.
            row_length: of a typical row of features; hidden units then start with about unit variance, above the noise.
        """
        self.encoder.initialize(generator)
        with torch.no_grad():
            self.encoder.first.mul_(self.encoder.first.shape[1] ** 0.5 / row_length)
        self.decoder.initialize(generator, output_bias(mean_target, self.plan.output))
        if self.plan.noise_kind == "fixed":
            self.noise_key = int(torch.randint(1 << 62, (), generator=generator))

    def start_from(self, other: Autoencoder) -> None:
        """Take over every layer of another's encoder but the last, which gives the bits."""
        if not self.plan.hidden:
            return
        with torch.no_grad():
            self.encoder.first.copy_(other.encoder.first)
            self.encoder.first_bias.copy_(other.encoder.first_bias)
            for mine, theirs in zip(self.encoder.rest[:-1], other.encoder.rest[:-1], strict=True):
                mine.load_state_dict(theirs.state_dict())

    def start_bits(self, logits: NDArray[np.float32], other: Autoencoder, seed: int) -> None:
        """Let the last layer start from a rotation of another's bits; left alone where the other has fewer.

        Args:
            logits: `(n, other's n_bits)` of training documents.
            other: an autoencoder whose other layers were taken over.
            seed: of the rotation.
        """
        if not self.plan.hidden or other.plan.n_bits < self.plan.n_bits:
            return
        turned = torch.from_numpy(rotation(unit_rows(logits), self.plan.n_bits, seed))
        mine, theirs = self.encoder.rest[-1], other.encoder.rest[-1]
        assert isinstance(mine, nn.Linear)
        assert isinstance(theirs, nn.Linear)
        places = torch.from_numpy(logits) @ turned
        mean = places.mean(dim=0)
        scale = START_DEVIATION / float((places - mean).std().clamp_min(1e-6))
        with torch.no_grad():
            weight, bias = theirs.weight.cpu(), theirs.bias.cpu()
            mine.weight.copy_(scale * turned.T @ weight)
            mine.bias.copy_(scale * (turned.T @ bias - mean))

    def start_words(self, vectors: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        """Let the first layer start from `(F, width)` word vectors and a `(width,)` bias."""
        with torch.no_grad():
            self.encoder.first.copy_(torch.from_numpy(vectors))
            self.encoder.first_bias.copy_(torch.from_numpy(bias))

    def prepare(self, batches: Callable[[], Iterator[Batch]], generator: torch.Generator) -> None:
        """What a variant learns before its first epoch, from any number of passes of `batches()`; nothing here."""

    def noise_scale(self, progress: float) -> float:
        """Standard deviation of the noise before the sigmoid at that share of the training: it grows, then stays."""
        return self.plan.noise_start + (self.plan.noise - self.plan.noise_start) * min(1.0, progress / GROWTH)

    def units(self, logits: Tensor, batch: Batch, generator: torch.Generator) -> Tensor:
        """Code units `(B, n_bits)` while learning: sigmoid of logits plus noise, cut to bits if so planned; or linear.

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
        """Outputs `(B, F)` of code units, before their softmax or sigmoid."""
        outputs: Tensor = self.decoder(units if self.plan.code == "linear" else 2 * units - 1)
        return outputs

    def reconstruction(self, units: Tensor, target: Tensor) -> Tensor:
        """Negative log-likelihood in nats of `(B, F)` targets under the decoder's outputs, mean over the batch."""
        return negative_log_likelihood(self.decode(units), target, self.plan.output)

    def penalty(self, batch: Batch, logits: Tensor, units: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """What a variant adds to the loss, by name; nothing here."""
        return {}

    def loss(self, batch: Batch, generator: torch.Generator) -> Losses:
        """Loss of one batch, in named parts; on CUDA encoder and decoder multiply in bfloat16, all else is float32."""
        with torch.autocast("cuda", torch.bfloat16, enabled=batch.target.is_cuda):
            logits = self.encoder(batch.input).float()
            units = self.units(logits, batch, generator)
            parts = {"reconstruction": self.reconstruction(units, batch.target)}
        if self.plan.balance > 0:
            parts["balance"] = self.plan.balance * imbalance(torch.sigmoid(logits))
        if self.plan.likeness > 0 and batch.similarities is not None:
            parts["likeness"] = self.plan.likeness * unlikeness(units, batch.similarities)
        return Losses(parts | self.penalty(batch, logits, units, generator))

    def accumulate(self, batch: Batch, generator: torch.Generator) -> Losses:
        """Leave the gradient of one batch's loss in the parameters, by backpropagation; returns the loss."""
        losses = self.loss(batch, generator)
        losses.total.backward()  # type: ignore[no-untyped-call]
        return losses

    @property
    def has_binary_units(self) -> bool:
        """True where training drives the code units to zeros and ones: cutting them at one half then loses nothing."""
        return self.plan.code == "sigmoid" and (self.plan.noise > 0 or self.plan.sampled_bits)

    @torch.no_grad()
    def hard_loss(self, features: Rows, target: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction loss as a hash function must bear it, `()`, and the noiseless units, `(B, n_bits)`.

        From hard bits where training drives the units there, else from the units as they are.
        """
        logits = self.encoder(features)
        units = torch.sigmoid(logits)
        if self.plan.code == "linear":
            return self.reconstruction(logits, target), units
        return self.reconstruction((logits > 0).to(logits.dtype) if self.has_binary_units else units, target), units

    def thresholds(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Where each bit of the hash function turns to one, `(n_bits,)`, given logits of training documents.

        Zero, a unit of one half, where the units speak in bits; else the median, which balances every bit.
        """
        if self.has_binary_units:
            return np.zeros(logits.shape[1], dtype=np.float32)
        return np.median(logits, axis=0).astype(np.float32)
