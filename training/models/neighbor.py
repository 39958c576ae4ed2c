"""Neighbor-aware hashing: a document's code must tell the words of its neighbors, so that neighbors share a code.

Source: Hansen et al. (2020), "Unsupervised semantic hashing with pairwise reconstruction"; Ou et al. (2021),
"Refining BERT embeddings for document hashing via mutual information maximization" (balance); Hinton, Roweis (2002),
"Stochastic neighbor embedding" (likeness); noise as in 2009.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from training.models.base import Autoencoder


class Neighbor(Autoencoder):
    """Semantic hashing whose decoder reconstructs the mean of a document's nearest neighbors.

    Word dropout on the input, growing noise before the sigmoid, balanced bits and likeness make up the rest; the
    equation of each stands in the base.
    """

    preset: ClassVar[Mapping[str, object]] = {
        "neighbors": 20,
        "lsa_dims": 32,
        "lsa_weight": 1.0,
        "rarity": 1.0,
        "start_dims": 64,
        "first_share": 0.45,
        "first_bits": 128,
        "refined_neighbors": 100,
        "drawn_neighbors": 15,
        "output_words": 4_000,
        "corruption": 0.5,
        "noise_start": 1.0,
        "noise": 5.0,
        "balance": 0.3,
        "likeness": 0.3,
    }
