"""Neighbor-aware hashing: the code of a document must predict the words of its neighbors, so neighbors get like codes.

Source: Hansen et al. (2020), "Unsupervised semantic hashing with pairwise reconstruction"; Ou et al. (2021),
"Refining BERT embeddings for document hashing via mutual information maximization" (balance); Hinton, Roweis (2002),
"Stochastic neighbor embedding" (likeness); noise as in Salakhutdinov, Hinton (2009).
"""

from __future__ import annotations

from training.models.base import Autoencoder


class Neighbor(Autoencoder):
    """Semantic hashing whose decoder reconstructs the mean of a document's nearest neighbors.

    It uses word dropout on the input, growing noise before the sigmoid, balanced bits and likeness; the equation of
    each is in `training/models/base.py` or `losses.py`.
    """
