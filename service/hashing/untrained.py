"""The untrained hash function of a new collection: random hyperplanes over features that need no learning.

It answers from the first document on and needs no stored weights: they follow from a seed. Texts have hashed features,
by an analyzer without a language, for none is known yet; vectors are their own features, and pictures have their
shades about their own mean. The probability that two contents differ in a bit is the angle of their features over pi.

Source: Charikar (2002), "Similarity estimation techniques from rounding algorithms"; signs in place of Gaussians:
Achlioptas (2003), "Database-friendly random projections".
"""

from __future__ import annotations

import numpy as np

from service.hashing.codes import check_n_bits
from service.hashing.content import Kind
from service.hashing.featurizers import Featurizer
from service.hashing.featurizers.embedding import EmbeddingFeaturizer
from service.hashing.featurizers.image import ImageFeaturizer
from service.hashing.featurizers.text import HashedTextFeaturizer
from service.hashing.function import HashFunction
from service.hashing.network import EncoderNetwork

SEED = 2002


def untrained_hash_function(n_bits: int, seed: int = SEED, kind: Kind = "text", dims: int = 0) -> HashFunction:
    """The untrained hash function of that width; equal arguments give equal codes on every machine.

    Args:
        n_bits: width of the codes.
        seed: of the hyperplanes.
        kind: of the contents.
        dims: entries of vectors.

    Raises:
        InvalidInput: no such width of codes.
    """
    featurizer = _featurizer(kind, dims)
    network = EncoderNetwork(featurizer.n_features, (), check_n_bits(n_bits))
    network.draw_signs(seed)
    return HashFunction(featurizer, network.eval(), np.zeros(n_bits, dtype=np.float32), seed)


def _featurizer(kind: Kind, dims: int) -> Featurizer:
    """The features of contents before anything was learned of them."""
    if kind == "text":
        return HashedTextFeaturizer()
    if kind == "embedding":
        vectors = EmbeddingFeaturizer(center=False)
        vectors.mean = np.zeros(dims, dtype=np.float32)
        return vectors
    return ImageFeaturizer(centered=True)
