"""Restricted Boltzmann machine: one layer of stochastic binary units, learned by contrastive divergence.

    E(v, h) = -v'Wh - a'v - b'h                  bits;   reals: 1/2 |v - a|^2 - v'Wh - b'h
    p(h_j = 1 | v) = sigmoid(b_j + v'W_j)
    p(v_i = 1 | h) = sigmoid(a_i + W_i h)        bits;   reals: v | h ~ N(a + Wh, 1)
    v_i | h ~ Poisson(N exp(a_i + W_i h) / sum_k exp(a_k + W_k h))     counts, N = sum of the document's counts
    gradient of log p(v) = <v h>_data - <v h>_model, the model's part from k Gibbs steps that start at the data

The constrained Poisson makes a document's rates sum to its length, so that words compete and long documents fit. It is
a conditional model, without a joint energy of its own.

Source: Hinton (2002), "Training products of experts by minimizing contrastive divergence"; Salakhutdinov, Hinton
(2009), "Semantic hashing", section 2.1 (constrained Poisson).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from service.errors import InvalidInput
from training.models.base import Autoencoder, Batch, Rows
from training.models.losses import Losses, output_bias, output_means
from training.models.plan import Plan


class BoltzmannMachine(Autoencoder):
    """An undirected autoencoder: the decoder is the transposed encoder, and learning needs no backpropagation."""

    has_plain_first_layer = False

    def __init__(self, n_features: int, plan: Plan) -> None:
        check_local(plan, "rbm")
        super().__init__(n_features, plan)
        del self.decoder
        self.visible_bias = nn.Parameter(torch.zeros(n_features))

    def initialize(self, generator: torch.Generator, mean_target: Tensor, row_length: float = 1.0) -> None:
        """Draw small weights; the biases of the visible units give the mean of the data."""
        with torch.no_grad():
            self.encoder.first.normal_(0, 0.1 / row_length, generator=generator)
            self.encoder.first_bias.zero_()
            self.visible_bias.copy_(output_bias(mean_target, self.plan.output))

    def decode(self, units: Tensor) -> Tensor:
        """Inputs `(B, F)` of the visible units, given hidden units `(B, K)`."""
        return F.linear(units, self.encoder.first, self.visible_bias)

    def visible_means(self, hidden: Tensor, totals: Tensor) -> Tensor:
        """Means `(B, F)` of the visible units, given hidden units `(B, K)` and the sums of counts `(B, 1)`."""
        return output_means(self.decode(hidden), self.plan.output, totals)

    def draw_visible(self, hidden: Tensor, totals: Tensor, generator: torch.Generator) -> Tensor:
        """Visible units `(B, F)`, drawn given hidden units `(B, K)` and the sums of counts `(B, 1)`."""
        means = self.visible_means(hidden, totals)
        if self.plan.output == "counts":
            return torch.poisson(means, generator=generator)
        if self.plan.output == "bits":
            return torch.bernoulli(means, generator=generator)
        return means + torch.empty_like(means).normal_(generator=generator)

    @torch.no_grad()
    def accumulate(self, batch: Batch, generator: torch.Generator) -> Losses:
        """Compute the contrastive divergence gradient into the parameters' `grad`; returns the reconstruction error."""
        data = dense(batch.input, self.encoder.n_features)  # (B, F)
        totals = data.sum(dim=1, keepdim=True)  # (B, 1)
        given = torch.sigmoid(self.encoder(data))  # (B, K)
        rates = given
        for _ in range(self.plan.inner_steps):
            visible = self.draw_visible(torch.bernoulli(rates, generator=generator), totals, generator)
            rates = torch.sigmoid(self.encoder(visible))
        B = len(data)
        self.encoder.first.grad = (visible.T @ rates - data.T @ given) / B
        self.encoder.first_bias.grad = (rates - given).mean(dim=0)
        self.visible_bias.grad = (visible - data).mean(dim=0)
        return Losses({"reconstruction": self.reconstruction(given, batch.target)})


def check_local(plan: Plan, variant: str) -> None:
    """Check that a plan has nothing that a variant of one layer with its own learning rule would ignore.

    Raises:
        InvalidInput: the plan has hidden layers, a linear code, neighbors, noise, balance or sampled bits.
    """
    if plan.hidden or plan.mirrored or plan.code != "sigmoid":
        raise InvalidInput(f"{variant} has one layer of sigmoid units, got hidden {plan.hidden}, code {plan.code!r}")
    idle = {
        "neighbors": plan.neighbors,
        "noise": plan.noise,
        "balance": plan.balance,
        "sampled_bits": plan.sampled_bits,
    }
    if unused := [name for name, value in idle.items() if value]:
        raise InvalidInput(f"{variant} has a learning rule of its own and no use for {', '.join(unused)}")


def dense(rows: Rows, n_features: int) -> Tensor:
    """Rows as a dense `(B, F)` tensor."""
    if isinstance(rows, Tensor):
        return rows
    filled = rows.values.new_zeros(len(rows), n_features)
    row_of = torch.repeat_interleave(torch.arange(len(rows), device=filled.device), torch.diff(rows.offsets))
    return filled.index_put_((row_of, rows.indices), rows.values, accumulate=True)
