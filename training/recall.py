"""Recall of codes under ties, and whether one hash function finds more than another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.hashing.codes import Codes, unpack

N_RESAMPLES = 2_000
"""Bootstrap samples of the queries."""
_SEED = 1


@dataclass(frozen=True, slots=True)
class Difference:
    """How much more one hash function finds than another, mean over queries, with 95 % of its bootstrap samples.

    Source: Efron, Tibshirani (1993), "An introduction to the bootstrap", section 13.3; Sakai (2006), "Evaluating
    evaluation metrics based on the bootstrap".
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Difference:
        """The difference of figures `(n_queries,)` of the same queries."""
        differences = ours - theirs
        drawn = np.random.default_rng(_SEED).integers(len(differences), size=(N_RESAMPLES, len(differences)))
        low, high = np.quantile(differences[drawn].mean(axis=1), (0.025, 0.975))
        return cls(float(differences.mean()), float(low), float(high))


def expected_recall(query_codes: Codes, codes: Codes, truth: NDArray[np.int32], shortlist: int) -> float:
    """Mean over the queries of `recalls`."""
    return float(recalls(query_codes, codes, truth, shortlist).mean())


def recalls(query_codes: Codes, codes: Codes, truth: NDArray[np.int32], shortlist: int) -> NDArray[np.float64]:
    """Expected share of the true neighbors `(n, k)` that are in the `shortlist` nearest by code, `(n,)`, ties random.

    Source: McSherry, Najork (2008), "Computing information retrieval performance measures efficiently in the presence
    of tied scores".
    """
    shares = [
        inclusion(distances, shortlist)[true].mean()
        for distances, true in zip(all_distances(query_codes, codes), truth, strict=True)
    ]
    return np.array(shares, dtype=np.float64)


def inclusion(distances: NDArray[np.int64], shortlist: int) -> NDArray[np.float64]:
    """Probability `(n,)` of each document to be among the `shortlist` nearest by distances `(n,)`, ties random."""
    counts = np.bincount(distances)  # (largest distance + 1,)
    before = np.cumsum(counts) - counts
    chance = np.clip((shortlist - before) / np.maximum(counts, 1), 0, 1)
    probabilities: NDArray[np.float64] = chance[distances]
    return probabilities


def all_distances(query_codes: Codes, codes: Codes) -> NDArray[np.int64]:
    """Hamming distances `(n_queries, n)` int64, by a matrix product of signs.

    Cost: n_queries times n in memory.
    """
    signs = unpack(codes).astype(np.float32) * 2 - 1  # (n, n_bits)
    query_signs = unpack(query_codes).astype(np.float32) * 2 - 1
    distances: NDArray[np.int64] = np.rint((signs.shape[1] - query_signs @ signs.T) / 2).astype(np.int64)
    return distances
