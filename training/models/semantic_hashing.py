"""Semantic hashing: noise before the sigmoid grows until the code units can only speak in zeros and ones.

Source: Salakhutdinov, Hinton (2009), "Semantic hashing", International Journal of Approximate Reasoning 50(7).
"""

from __future__ import annotations

from training.models.base import Autoencoder


class SemanticHashing(Autoencoder):
    """A deep autoencoder of word counts whose code units are driven into saturation by growing noise.

    A unit that must be read through noise of standard deviation s has to put its logits several s away from zero, where
    the sigmoid is flat: its outputs come to lie near 0 and 1, and a threshold loses nothing.
    """
