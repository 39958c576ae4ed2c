"""Denoising autoencoder: reconstruct the clean input from a corrupted one.

    minimize  E_{x~ ~ C(x~|x)} [-log p(x | g(f(x~)))]

Under small Gaussian corruption of deviation s, (g(f(x)) - x) / s^2 estimates the score, the gradient of log density.

Source: Vincent et al. (2010), "Stacked denoising autoencoders"; Alain, Bengio (2014), "What regularized auto-encoders
learn from the data generating distribution", theorem 1.
"""

from __future__ import annotations

from training.models.base import Autoencoder


class Denoising(Autoencoder):
    """The plain autoencoder with corrupted inputs: masking, Gaussian noise, or salt and pepper (see `Corruption`)."""
