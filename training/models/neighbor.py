"""Neighbor-aware hashing: a document's code must tell the words of its neighbors, so that neighbors share a code.

Source: Hansen et al. (2020), "Unsupervised semantic hashing with pairwise reconstruction"; Ou et al. (2021),
"Refining BERT embeddings for document hashing via mutual information maximization" (balance); Hinton, Roweis (2002),
"Stochastic neighbor embedding" (likeness); noise as in 2009.
"""

from __future__ import annotations

from training.models.base import Autoencoder


class Neighbor(Autoencoder):
    """Semantic hashing whose decoder reconstructs the mean of a document's nearest neighbors.

    Word dropout on the input, growing noise before the sigmoid, balanced bits and likeness make up the rest; the
    equation of each stands in the base.
    """
