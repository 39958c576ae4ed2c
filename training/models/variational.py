"""Variational autoencoder: encoder and decoder are distributions; training maximizes a bound on the likelihood.

    maximize  ELBO = E_{z ~ q(z|x)} log p(x | z) - w KL(q(z|x) || p(z)),       w = 1 for the bound itself

With sigmoid code units q is Bernoulli and p(z) has rate 0.5; samples are bits, with a straight-through gradient. With
linear units q is Gaussian and p(z) standard normal, sampled as mean + deviation * noise; bits compare the mean with its
median.

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
from training.models.losses import Losses, output_means
from training.models.plan import Plan


class Variational(Autoencoder):
    """An autoencoder of distributions, with Bernoulli or Gaussian codes."""

    def __init__(self, n_features: int, plan: Plan) -> None:
        super().__init__(n_features, plan)
        self.log_variance = nn.Parameter(torch.zeros(plan.n_bits))
        """Log variance of the Gaussian posterior, to which `spread` adds a function of the last hidden layer."""
        self.spread = nn.Linear(plan.hidden[-1], plan.n_bits, bias=False) if plan.hidden else None

    def initialize(self, generator: torch.Generator, mean_target: Tensor, row_length: float = 1.0) -> None:
        """Draw every weight; the variance of the posterior starts at 1 for every input."""
        super().initialize(generator, mean_target, row_length)
        with torch.no_grad():
            self.log_variance.zero_()
            if self.spread is not None:
                self.spread.weight.zero_()

    @property
    def has_binary_units(self) -> bool:
        """True for Bernoulli codes, which are sampled as bits."""
        return self.plan.code == "sigmoid"

    def posterior(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (Bernoulli) or means (Gaussian) `(B, K)`, and log variances `(B, K)`, used by Gaussian codes only."""
        outputs = self.layers(batch)
        log_variance = self.log_variance.expand_as(outputs[-1])
        if self.spread is not None:
            log_variance = log_variance + self.spread(ACTIVATIONS[self.plan.activation](outputs[-2]))
        return outputs[-1], log_variance

    def reconstruction(self, units: Tensor, target: Tensor) -> Tensor:
        """Negative log-likelihood in nats per document: `()`; for counts, summed over its distinct words."""
        if self.plan.output != "counts":
            return super().reconstruction(units, target)
        per_word = F.cross_entropy(self.decode(units), target, reduction="none")
        return (per_word * (target > 0).sum(dim=1)).mean()

    def loss(self, batch: Batch, generator: torch.Generator) -> Losses:
        """The negative ELBO of one batch, from one sample of the code per document."""
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
        return Losses(parts | self.balance(logits))

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Means `(n, F)` of the features that the decoder gives for codes drawn from the prior."""
        device = self.log_variance.device
        codes = torch.empty(n, self.plan.n_bits, device=device)
        bernoulli = self.plan.code == "sigmoid"
        codes = codes.bernoulli_(0.5, generator=generator) if bernoulli else codes.normal_(generator=generator)
        return output_means(self.decode(codes), self.plan.output)


def bernoulli_divergence(logits: Tensor) -> Tensor:
    """KL divergence in nats of independent bits with logits `(B, K)` from bits of rate 0.5: `(B,)`."""
    rates = torch.sigmoid(logits)
    return (rates * F.logsigmoid(logits) + (1 - rates) * F.logsigmoid(-logits) + log(2)).sum(dim=1)


def gaussian_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence in nats of diagonal Gaussians `(B, K)` from the standard normal: `(B,)`.

    Source: Kingma, Welling (2014), appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
