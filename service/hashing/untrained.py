"""The untrained hash function of a new collection: random hyperplanes over hashed features.

It answers from the first document on and needs no stored weights: they follow from a seed. Its analyzer has no
language, for none is known yet. The probability that two texts differ in a bit is their angle over pi.

Source: Charikar (2002), "Similarity estimation techniques from rounding algorithms"; signs in place of Gaussians:
Achlioptas (2003), "Database-friendly random projections".
"""

from __future__ import annotations

import numpy as np

from service.hashing.codes import check_n_bits
from service.hashing.featurizers.text import HashedTextFeaturizer
from service.hashing.function import HashFunction
from service.hashing.network import EncoderNetwork

SEED = 2002


def untrained_hash_function(n_bits: int, seed: int = SEED) -> HashFunction:
    """The untrained hash function of that width; equal arguments give equal codes on every machine.

    Raises:
        InvalidInput: no such width of codes.
    """
    featurizer = HashedTextFeaturizer()
    network = EncoderNetwork(featurizer.n_features, (), check_n_bits(n_bits))
    network.draw_signs(seed)
    return HashFunction(featurizer, network.eval(), np.zeros(n_bits, dtype=np.float32), seed)
