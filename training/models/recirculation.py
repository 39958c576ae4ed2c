"""Recirculation: an autoencoder that learns from differences of activity over time, without backpropagation.

Activity passes through the network twice, v0 -> h1 -> v2 -> h3, and every weight learns from the activity at its own
two ends:

    h1 = s(v0 W + b)      v2 = r v0 + (1 - r) g(h1)      h3 = r h1 + (1 - r) s(v2 W + b)
    dD = h1' (v0 - v2)    dW = v2' (h1 - h3)

If the decoder D is close to the transpose of W, h1 - h3 is close to the error that backpropagation would send to h1.
Both decay a little at every step, so that their start is forgotten and they become each other's transpose.

Source: Hinton, McClelland (1988), "Learning representations by recirculation", equations 1 to 4; r: "regression".
Kolen, Pollack (1994), "Back-propagation without weight transport" (decay).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.base import Autoencoder, Batch
from training.models.losses import Losses, output_means
from training.models.plan import Plan
from training.models.rbm import check_local, dense

REGRESSION = 0.9
DECAY = 0.25
"""Mean size of the decay of a weight, relative to the mean size of its local difference."""


class Recirculation(Autoencoder):
    """One hidden layer, the code, learned from local differences only."""

    has_plain_first_layer = False

    def __init__(self, n_features: int, plan: Plan) -> None:
        check_local(plan, "recirculation")
        super().__init__(n_features, plan)

    def initialize(self, generator: torch.Generator, mean_target: Tensor, row_length: float = 1.0) -> None:
        """Draw every weight; the decoder starts as the transposed encoder."""
        super().initialize(generator, mean_target, row_length)
        with torch.no_grad():
            self._dictionary().weight.copy_(self.encoder.first)

    def _dictionary(self) -> nn.Linear:
        layer = self.decoder.layers[0]
        assert isinstance(layer, nn.Linear)
        return layer

    def visible(self, units: Tensor, totals: Tensor) -> Tensor:
        """Visible units `(B, F)`, given code units `(B, K)` and the sums of counts `(B, 1)`."""
        return output_means(self.decode(units), self.plan.output, totals)

    @torch.no_grad()
    def accumulate(self, batch: Batch, generator: torch.Generator) -> Losses:
        """Put the negative local differences into the parameters' `grad`; returns the loss."""
        v0 = dense(batch.input, self.encoder.n_features)  # (B, F)
        h1 = torch.sigmoid(self.encoder(v0))  # (B, K)
        v2 = REGRESSION * v0 + (1 - REGRESSION) * self.visible(h1, v0.sum(dim=1, keepdim=True))
        h3 = REGRESSION * h1 + (1 - REGRESSION) * torch.sigmoid(self.encoder(v2))
        B = len(v0)
        self._dictionary().weight.grad = (v2 - v0).T @ (2 * h1 - 1) / B
        self._dictionary().bias.grad = (v2 - v0).mean(dim=0)
        self.encoder.first.grad = v2.T @ (h3 - h1) / B
        self.encoder.first_bias.grad = (h3 - h1).mean(dim=0)
        for weight in (self._dictionary().weight, self.encoder.first):
            assert weight.grad is not None
            weight.grad += DECAY * weight.grad.abs().mean() / weight.abs().mean().clamp(min=1e-12) * weight
        return Losses({"reconstruction": self.reconstruction(h1, batch.target)})
