"""Undercomplete autoencoder: the code is narrower than the input, and that alone makes it learn.

    minimize  -log p(x | g(f(x)))        with p by the kind of data (see `negative_log_likelihood`)

With no hidden layer and squared error it spans the principal subspace; hidden layers curve it.

Source: Goodfellow, Bengio, Courville (2016), "Deep learning", section 14.1; Baldi, Hornik (1989), "Neural networks and
principal component analysis"; Hinton, Salakhutdinov (2006), "Reducing the dimensionality of data with neural networks".
"""

from __future__ import annotations

from training.models.base import Autoencoder


class Undercomplete(Autoencoder):
    """The plain autoencoder with linear code units, each of which becomes a bit by its median."""
