"""Undercomplete autoencoder: it has no other constraint than a code narrower than the input.

    minimize  -log p(x | g(f(x)))        with p by the kind of data (see `negative_log_likelihood`)

Without hidden layers and with squared error its code spans the principal subspace; hidden layers curve it.

Source: Goodfellow, Bengio, Courville (2016), "Deep learning", section 14.1; Baldi, Hornik (1989), "Neural networks and
principal component analysis"; Hinton, Salakhutdinov (2006), "Reducing the dimensionality of data with neural networks".
"""

from __future__ import annotations

from training.models.base import Autoencoder


class Undercomplete(Autoencoder):
    """The plain autoencoder with linear code units; the threshold of each bit is the median."""
