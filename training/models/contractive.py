"""Contractive autoencoder: the code changes little when the input changes, except in directions that the data take.

    minimize  -log p(x | g(h)) + w * ||J||_F^2,      J = dh / dx, the (K, F) Jacobian of the code at x

For one sigmoid layer ||J||_F^2 = sum_j (h_j (1 - h_j))^2 ||W_j||^2. A deep encoder is a chain of diagonals and
matrices: J = A W1^T, where A (K, H) is the Jacobian from the first layer on, so that ||J||_F^2 = tr(A (W1^T W1) A^T)
never needs the F columns of J. `hutchinson` takes one random combination of A's rows: E_v ||v^T J||^2 = ||J||_F^2 for
random signs v. The weight w is relative to the length of the input: it weights the change of a unit when the input
moves by its own length, in all F directions if the loss is a sum over features (bits, reals), in one random direction
if it is a mean (counts).

Source: Rifai et al. (2011), "Contractive auto-encoders: explicit invariance during feature extraction"; Hutchinson
(1990), "A stochastic estimator of the trace of the influence matrix".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from service.hashing.network import EncoderNetwork
from training.models.base import Autoencoder, Batch, Rows


class Contractive(Autoencoder):
    """An autoencoder with a penalty on the Frobenius norm of its encoder's Jacobian."""

    has_plain_first_layer = False

    def penalty(self, batch: Batch, logits: Tensor, units: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The squared norm of the Jacobian at the batch's inputs, mean over the batch."""
        rows = None
        if self.plan.jacobian == "hutchinson":
            signs = torch.empty_like(logits).bernoulli_(0.5, generator=generator) * 2 - 1
            rows = signs[:, None, :]
        norms = jacobian_norms(self.encoder, batch.input, sigmoid=self.plan.code == "sigmoid", rows=rows)
        directions = self.encoder.n_features if self.plan.output == "counts" else 1
        weight = self.plan.penalty * _square_length(batch.input) / (self.plan.n_bits * directions)
        return {"contraction": weight * norms.mean()}


def jacobian_norms(encoder: EncoderNetwork, inputs: Rows, *, sigmoid: bool, rows: Tensor | None = None) -> Tensor:
    """Squared Frobenius norm of the code's Jacobian at each input: `(B,)`, exact or estimated, differentiable.

    Args:
        encoder: from features to logits.
        inputs: `B` rows of features.
        sigmoid: the code is the sigmoid of the logits; else it is the logits.
        rows: `(B, R, K)` linear combinations of units whose squared norms are summed; None: the units themselves.

    Cost: F H min(H, B R), whichever order of the products is cheaper; R backward passes through the upper layers.
    """
    upper = upper_jacobian(encoder, inputs, sigmoid=sigmoid, rows=rows)
    if upper.shape[0] * upper.shape[1] < upper.shape[2]:
        return (upper @ encoder.first.T).square().sum(dim=(1, 2))
    gram = encoder.first.T @ encoder.first
    return ((upper @ gram) * upper).sum(dim=(1, 2))


def upper_jacobian(encoder: EncoderNetwork, inputs: Rows, *, sigmoid: bool, rows: Tensor | None = None) -> Tensor:
    """Jacobian of the code with respect to the first layer's outputs before their activation: `(B, R, H)`.

    The arguments are those of `jacobian_norms`. The product with the weights `(H, F)` of the first layer is the
    Jacobian of the code.
    """
    outputs = encoder.layers(inputs)
    B, K = outputs[-1].shape
    chain = torch.eye(K, dtype=outputs[-1].dtype, device=outputs[-1].device).expand(B, K, K) if rows is None else rows
    if sigmoid:
        chain = chain * _slope(outputs[-1], "sigmoid")[:, None, :]
    for layer, below in zip(reversed(list(encoder.rest)), reversed(outputs[:-1]), strict=True):
        assert isinstance(layer, nn.Linear)
        chain = (chain @ layer.weight) * _slope(below, encoder.activation)[:, None, :]
    return chain


def jacobian(encoder: EncoderNetwork, inputs: Rows, *, sigmoid: bool) -> Tensor:
    """Jacobian of the code at each input: `(B, K, F)`; singular vectors with large values are tangents of the data."""
    return upper_jacobian(encoder, inputs, sigmoid=sigmoid) @ encoder.first.T


def _square_length(inputs: Rows) -> float:
    """Mean squared Euclidean length of the rows."""
    entries = inputs if isinstance(inputs, Tensor) else inputs.values
    return float(entries.square().sum()) / len(inputs)


def _slope(outputs: Tensor, activation: str) -> Tensor:
    """Derivative of the activation at the outputs of a layer, of their shape."""
    if activation == "relu":
        return (outputs > 0).to(outputs.dtype)
    if activation == "tanh":
        return 1 - torch.tanh(outputs).square()
    units = torch.sigmoid(outputs)
    return units * (1 - units)
