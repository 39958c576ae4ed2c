"""Variational autoencoder: encoder and decoder are distributions, and training raises a bound on the likelihood.

    maximize  ELBO = E_{z ~ q(z|x)} log p(x | z) - w KL(q(z|x) || p(z)),       w = 1 for the bound itself

A sigmoid code layer makes q Bernoulli with p(z) fair coins, sampled straight-through: bits from the start. A linear one
makes q Gaussian with p(z) standard normal, sampled as mean + deviation * noise; the mean becomes bits by its median.

Source: Kingma, Welling (2014), "Auto-encoding variational Bayes"; Chaidaroon, Fang (2017), "Variational deep semantic
hashing"; Shen et al. (2018), "NASH" (Bernoulli codes); Bengio, Leonard, Courville (2013) (straight-through).
"""

from __future__ import annotations

from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from service.hashing.network import ACTIVATIONS
from training.models.base import Autoencoder, Batch
from training.models.losses import Losses, imbalance
from training.models.plan import Plan


class Variational(Autoencoder):
    """An autoencoder of distributions, with Bernoulli or Gaussian codes."""

    def __init__(self, n_features: int, plan: Plan) -> None:
        super().__init__(n_features, plan)
        self.log_variance = nn.Parameter(torch.zeros(plan.n_bits))
        """Of the Gaussian posterior, before what the last hidden layer adds to it."""
        self.spread = nn.Linear(plan.hidden[-1], plan.n_bits, bias=False) if plan.hidden else None

    def initialize(self, generator: torch.Generator, mean_target: Tensor, row_length: float = 1.0) -> None:
        """Draw every weight anew; the posterior's variance starts at one for every input."""
        super().initialize(generator, mean_target, row_length)
        with torch.no_grad():
            self.log_variance.zero_()
            if self.spread is not None:
                self.spread.weight.zero_()

    @property
    def has_binary_units(self) -> bool:
        """True for Bernoulli codes: they are drawn."""
        return self.plan.code == "sigmoid"

    def posterior(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits or means `(B, K)`, and log variances of the same shape (of Gaussian codes)."""
        outputs = self.encoder.layers(batch.input)
        log_variance = self.log_variance.expand_as(outputs[-1])
        if self.spread is not None:
            log_variance = log_variance + self.spread(ACTIVATIONS[self.plan.activation](outputs[-2]))
        return outputs[-1], log_variance

    def reconstruction(self, units: Tensor, target: Tensor) -> Tensor:
        """Negative log-likelihood in nats per document; for counts of all its words, each present word taken once."""
        if self.plan.output != "counts":
            return super().reconstruction(units, target)
        per_word = F.cross_entropy(self.decode(units), target, reduction="none")
        return (per_word * (target > 0).sum(dim=1)).mean()

    def loss(self, batch: Batch, generator: torch.Generator) -> Losses:
        """The negative ELBO of one batch, from one draw of the code per document."""
        logits, log_variance = self.posterior(batch)
        if self.plan.code == "sigmoid":
            rates = torch.sigmoid(logits)
            units = rates + (torch.bernoulli(rates, generator=generator) - rates).detach()
            divergence = bernoulli_divergence(logits)
        else:
            noise = torch.empty_like(logits).normal_(generator=generator)
            units = logits + torch.exp(0.5 * log_variance) * noise
            divergence = gaussian_divergence(logits, log_variance)
        parts = {
            "reconstruction": self.reconstruction(units, batch.target),
            "divergence": self.plan.penalty * divergence.mean(),
        }
        if self.plan.balance > 0:
            parts["balance"] = self.plan.balance * imbalance(torch.sigmoid(logits))
        return Losses(parts)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Means `(n, F)` of what the decoder gives for codes drawn from the prior."""
        device = self.log_variance.device
        codes = torch.empty(n, self.plan.n_bits, device=device)
        bernoulli = self.plan.code == "sigmoid"
        codes = codes.bernoulli_(0.5, generator=generator) if bernoulli else codes.normal_(generator=generator)
        outputs = self.decode(codes)
        if self.plan.output == "counts":
            return torch.softmax(outputs, dim=1)
        return torch.sigmoid(outputs) if self.plan.output == "bits" else outputs


def bernoulli_divergence(logits: Tensor) -> Tensor:
    """KL in nats of independent coins with those logits `(B, K)` from fair coins: `(B,)`."""
    rates = torch.sigmoid(logits)
    return (rates * F.logsigmoid(logits) + (1 - rates) * F.logsigmoid(-logits) + log(2)).sum(dim=1)


def gaussian_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL in nats of diagonal Gaussians `(B, K)` from the standard normal: `(B,)` (Kingma, Welling, appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
