"""Semantic hashing: noise before the sigmoid grows until only code units near 0 and 1 carry information.

Source: Salakhutdinov, Hinton (2009), "Semantic hashing", International Journal of Approximate Reasoning 50(7).
"""

from __future__ import annotations

from training.models.base import Autoencoder


class SemanticHashing(Autoencoder):
    """A deep autoencoder of word counts whose code units are driven into saturation by growing noise.

    To be readable through noise of standard deviation s, a unit needs logits several s away from zero. There the
    sigmoid is flat: the units are near 0 and 1, and a threshold loses nothing.
    """
