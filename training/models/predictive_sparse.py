"""Predictive sparse decomposition: codes are found by optimization, and the encoder learns to predict them directly.

    E(x, h) = -log p(x | g(h)) + w ||h||_1 + 1/2 ||h - f(x)||^2

For every batch h* = argmin_h E(x, h) is found first, starting from the encoder's prediction f(x); then decoder g and
encoder f take a gradient step on E(x, h*). The hash function needs only the prediction.

Source: Kavukcuoglu, Ranzato, LeCun (2008), "Fast inference in sparse coding algorithms with applications to object
recognition", equation 3; Beck, Teboulle (2009), "A fast iterative shrinkage-thresholding algorithm" (inference).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from service.errors import InvalidInput
from training.models.base import Autoencoder, Batch
from training.models.losses import Losses, output_means
from training.models.plan import Plan


class PredictiveSparse(Autoencoder):
    """Sparse coding with a linear dictionary, and an encoder trained to predict its codes."""

    has_plain_first_layer = False

    def __init__(self, n_features: int, plan: Plan) -> None:
        if plan.mirrored or plan.code != "linear":
            raise InvalidInput(
                f"predictive_sparse needs a linear code and a linear decoder, got code {plan.code!r}, "
                f"mirrored {plan.mirrored}"
            )
        super().__init__(n_features, plan)

    def dictionary(self) -> Tensor:
        """The decoder's weights `(F, K)` with columns of fixed length, so that longer columns cannot evade the penalty.

        The length is 1; for counts it is the root of F, because there each output is a log-odds of about 1.
        """
        weight = self.decoder.layers[-1].weight
        assert isinstance(weight, Tensor)
        length = len(weight) ** 0.5 if self.plan.output == "counts" else 1.0
        return F.normalize(weight, dim=0) * length

    def decode(self, units: Tensor) -> Tensor:
        """Outputs `(B, F)` of sparse codes `(B, K)`."""
        bias = self.decoder.layers[-1].bias
        assert isinstance(bias, Tensor)
        return F.linear(units, self.dictionary(), bias)

    def objective(self, codes: Tensor, guess: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The parts of E at codes `(B, K)`, given the encoder's prediction `(B, K)`, mean over the batch."""
        return {
            "reconstruction": self.reconstruction(codes, target),
            "sparsity": self.plan.penalty * codes.abs().sum() / len(codes),
            "prediction": 0.5 * (codes - guess).square().sum() / len(codes),
        }

    @torch.no_grad()
    def infer(self, guess: Tensor, target: Tensor, steps: int | None = None) -> Tensor:
        """Codes `(B, K)` that minimize E, found by accelerated proximal gradient steps from the prediction.

        Args:
            guess: `(B, K)` prediction of the encoder.
            target: `(B, F)` targets.
            steps: number of steps; None: the plan's `inner_steps`.

        Cost: two products with the dictionary per step.
        """
        dictionary = self.dictionary()
        outputs = self.decode(guess)
        size = 1 / (largest_curvature(dictionary, outputs, self.plan.output) + 1)
        codes = ahead = guess
        pace = 1.0
        for _ in range(self.plan.inner_steps if steps is None else steps):
            slope = residual(self.decode(ahead), target, self.plan.output) @ dictionary + (ahead - guess)
            moved = ahead - size * slope
            moved = moved.sign() * (moved.abs() - size * self.plan.penalty).clamp(min=0)
            next_pace = (1 + (1 + 4 * pace * pace) ** 0.5) / 2
            ahead = moved + (pace - 1) / next_pace * (moved - codes)
            codes, pace = moved, next_pace
        return codes

    def loss(self, batch: Batch, generator: torch.Generator) -> Losses:
        """E at the inferred codes, which are constants in its gradient."""
        guess = self.encoder(batch.input)
        parts = self.objective(self.infer(guess.detach(), batch.target), guess, batch.target)
        return Losses(parts | self.balance(guess))


def residual(outputs: Tensor, target: Tensor, output: str) -> Tensor:
    """Derivative of each row's negative log-likelihood with respect to the decoder's outputs, `(B, F)`."""
    return output_means(outputs, output, target.sum(dim=1, keepdim=True)) - target


def largest_curvature(dictionary: Tensor, outputs: Tensor, output: str) -> Tensor:
    """Largest second derivative of the negative log-likelihood along any direction of the code: `()`.

    Exact for reals, an upper bound for bits. For counts the second derivative is at most the diagonal of the words'
    probabilities; twice the largest of the batch allows for their change during the inference.
    """
    if output == "counts":
        weights = 2 * torch.softmax(outputs, dim=1).amax(dim=0)
    else:
        weights = outputs.new_full((len(dictionary),), 0.25 if output == "bits" else 1.0)
    curvatures: Tensor = torch.linalg.eigvalsh(dictionary.T @ (weights[:, None] * dictionary))
    return curvatures[-1]
