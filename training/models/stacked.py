"""Stacked autoencoder: each layer is trained alone, as a shallow autoencoder or RBM; then all are trained together.

Layer i learns to reconstruct the activity of layer i - 1. The encoders are then stacked, and the decoders in reverse
order, so that fine-tuning starts from a deep network that already reconstructs.

Source: Hinton, Salakhutdinov (2006), "Reducing the dimensionality of data with neural networks" (RBMs); Bengio et al.
(2007), "Greedy layer-wise training of deep networks" (autoencoders).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from service.errors import InvalidInput
from training.models.base import Autoencoder, Batch, Rows
from training.models.plan import Plan
from training.models.rbm import BoltzmannMachine

RBM_RATE = 0.3


class Stacked(Autoencoder):
    """A deep autoencoder of sigmoid layers, pretrained greedily."""

    def __init__(self, n_features: int, plan: Plan) -> None:
        if plan.activation != "sigmoid" or not plan.mirrored or plan.code != "sigmoid":
            raise InvalidInput(
                f"stacked needs sigmoid layers, a sigmoid code and a mirrored decoder, got activation "
                f"{plan.activation!r}, code {plan.code!r}, mirrored {plan.mirrored}"
            )
        super().__init__(n_features, plan)

    def prepare(self, batches: Callable[[], Iterator[Batch]], generator: torch.Generator) -> None:
        """Train each layer on the activity of the layer below, from input to code; copy it into encoder and decoder."""
        widths = [self.encoder.n_features, *self.plan.hidden, self.plan.n_bits]
        below: list[Autoencoder] = []
        for n_inputs, n_units in pairwise(widths):
            shallow = self._shallow(n_inputs, n_units, top=not below)
            _learn(shallow, lambda: (_lifted(batch, below) for batch in batches()), self.plan, generator)
            self._place(len(below), shallow)
            below.append(shallow)

    def _shallow(self, n_inputs: int, n_units: int, *, top: bool) -> Autoencoder:
        """A model of one layer; all layers but the first have inputs between 0 and 1."""
        plan = replace(
            self.plan,
            n_bits=n_units,
            hidden=(),
            mirrored=False,
            output=self.plan.output if top else "bits",
            noise_start=0.0,
            noise=0.0,
            sampled_bits=False,
            balance=0.0,
            neighbors=0,
            inner_steps=1,  # CD-1
        )
        kind = BoltzmannMachine if self.plan.pretraining == "rbm" else Autoencoder
        return kind(n_inputs, plan).to(self.encoder.first.device)

    @torch.no_grad()
    def _place(self, level: int, shallow: Autoencoder) -> None:
        """Copy a shallow model into encoder layer `level` and into the decoder layer that mirrors it."""
        if level == 0:
            self.encoder.first.copy_(shallow.encoder.first)
            self.encoder.first_bias.copy_(shallow.encoder.first_bias)
        else:
            layer = self.encoder.rest[level - 1]
            assert isinstance(layer, nn.Linear)
            layer.weight.copy_(shallow.encoder.first.T)
            layer.bias.copy_(shallow.encoder.first_bias)
        weight, bias = _decoding(shallow)
        depth = len(self.decoder.layers)
        if level == depth - 1:  # the input of this one is the code, which `decode` scales to -1..1
            weight, bias = weight / 2, bias + weight.sum(dim=1) / 2
        layer = self.decoder.layers[depth - 1 - level]
        assert isinstance(layer, nn.Linear)
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)


def _decoding(shallow: Autoencoder) -> tuple[Tensor, Tensor]:
    """Weights `(F, K)` and biases `(F,)` from units between 0 and 1 to the inputs of the layer below."""
    if isinstance(shallow, BoltzmannMachine):
        return shallow.encoder.first, shallow.visible_bias
    layer = shallow.decoder.layers[0]
    assert isinstance(layer, nn.Linear)
    return 2 * layer.weight, layer.bias - layer.weight.sum(dim=1)


@torch.no_grad()
def _lifted(batch: Batch, below: list[Autoencoder]) -> Batch:
    """The batch for the next layer: the activity of the layers below, as input and as target."""
    if not below:
        return batch
    activity: Rows = batch.input
    for layer in below:
        activity = torch.sigmoid(layer.encoder(activity))
    assert isinstance(activity, Tensor)
    return Batch(activity, activity, batch.progress)


def _learn(
    shallow: Autoencoder, batches: Callable[[], Iterator[Batch]], plan: Plan, generator: torch.Generator
) -> None:
    """Train one layer, for half as many passes as the fine-tuning has."""
    mean, length = _statistics(batches())
    shallow.initialize(generator, mean, length)
    rate = plan.learning_rate
    if isinstance(shallow, BoltzmannMachine):  # long steps for noisy gradients, shorter ones for many inputs
        rate = RBM_RATE / shallow.encoder.n_features**0.5
    optimizer = torch.optim.Adam(shallow.parameters(), lr=rate, fused=True)
    passes = -(-plan.epochs // 2)
    for epoch in range(passes):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - epoch / passes)
        for batch in batches():
            optimizer.zero_grad()
            shallow.accumulate(batch, generator)
            optimizer.step()


def _statistics(batches: Iterator[Batch]) -> tuple[Tensor, float]:
    """Mean target `(F,)`, and root mean square of the lengths of the input rows."""
    total, squares, n = torch.zeros(()), 0.0, 0
    for batch in batches:
        total = total.to(batch.target.device) + batch.target.sum(dim=0)
        rows = batch.input if isinstance(batch.input, Tensor) else batch.input.values
        squares += float(rows.square().sum())
        n += len(batch.target)
    return total / n, (squares / n) ** 0.5 or 1.0
