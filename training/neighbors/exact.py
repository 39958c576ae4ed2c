"""The nearest neighbors of documents by their features: targets to learn from, and truth to be judged by."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.utils.extmath import randomized_svd

from service.hashing.featurizers import Features
from training.vectors import unit_rows

_ENTRIES_AT_ONCE = 1 << 23
"""Similarities held at once: 32 MiB of float32."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest rows of a database, best first.

    Attributes:
        rows: `(n, k)` int32 rows of the database.
        similarities: `(n, k)` float32.
    """

    rows: NDArray[np.int32]
    similarities: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SimilaritySpace:
    """Features with their latent semantic analysis beside them: what similarity of documents is measured on.

    Attributes:
        features: `(n, n_features)` float32, CSR or dense, rows of unit length.
        latent: `(n, n_dims)` float32, rows of unit length; None leaves it out.
        weight: what the latent cosine counts beside the cosine of the features.
    """

    features: Features
    latent: NDArray[np.float32] | None = None
    weight: float = 0.0


def latent_axes(features: Features, n_dims: int, seed: int) -> NDArray[np.float32]:
    """The first right singular vectors of a feature matrix: `(n_features, n_dims)` float32.

    Source: Deerwester et al. (1990), "Indexing by latent semantic analysis"; Halko, Martinsson, Tropp (2011).
    """
    n_dims = min(n_dims, min(features.shape) - 1)
    _, _, vt = randomized_svd(features, n_dims, n_iter=4, random_state=seed)
    return np.ascontiguousarray(vt.T, dtype=np.float32)


def latent(features: Features, axes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features on latent axes, `(n, n_dims)` float32, rows scaled to unit length (or all zero)."""
    return unit_rows(np.asarray(features @ axes, dtype=np.float32))


def nearest(
    queries: SimilaritySpace,
    database: SimilaritySpace,
    k: int,
    *,
    same: bool = False,
    check: Callable[[], None] = lambda: None,
) -> Nearest:
    """The `k` most similar database rows of each query row, by exact search.

    Args:
        queries: what to look for.
        database: where; it must have more than `k` rows if `same`.
        k: how many.
        same: queries are the database, row by row: a row is no neighbor of itself.
        check: called before each block; what it raises ends the search.

    Cost: one multiplication per stored database feature and query; a block of 32 MiB per thread.
    """
    n, n_database = queries.features.shape[0], database.features.shape[0]
    k = min(k, n_database - same)
    out = Nearest(np.empty((n, k), dtype=np.int32), np.empty((n, k), dtype=np.float32))
    step = max(1, _ENTRIES_AT_ONCE // max(1, n_database))

    def search(start: int) -> None:
        check()
        rows = slice(start, min(start + step, n))
        asked = queries.features[rows]
        asked = asked if isinstance(asked, np.ndarray) else asked.toarray()
        scores = database.features @ np.ascontiguousarray(asked.T)
        similarities = torch.from_numpy(scores).T.contiguous()
        if queries.latent is not None and database.latent is not None:
            latent_part = torch.from_numpy(queries.latent[rows]) @ torch.from_numpy(database.latent).T
            similarities.add_(latent_part, alpha=database.weight)
        if same:
            here = torch.arange(rows.start, rows.stop)
            similarities[here - start, here] = -torch.inf
        best, where = torch.topk(similarities, k)
        out.rows[rows] = where.numpy()
        out.similarities[rows] = best.numpy()

    # The sparse product runs on one core and lets go of the interpreter: blocks side by side fill the others.
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for _ in pool.map(search, range(0, n, step)):
            pass
    return out


def averaging(neighbors: Nearest, n_database: int, own: float) -> csr_matrix:
    """The matrix `(n, n_database)` whose product with the database's features is the mean of each row's neighbors.

    Only neighbors of positive similarity count, all alike. `own` is the share that row i of the database keeps in row
    i's mean (queries that are the database); a row without neighbors keeps itself, or nothing when `own` is 0.
    """
    n, k = neighbors.rows.shape
    weights = (neighbors.similarities > 0).astype(np.float32)
    sums = weights.sum(axis=1, keepdims=True)
    weights *= np.where(sums > 0, (1 - own) / np.maximum(sums, 1), 0)
    starts = np.arange(0, n * k + 1, k, dtype=np.int64 if n * k > np.iinfo(np.int32).max else np.int32)
    mean = csr_matrix((weights.ravel(), neighbors.rows.ravel(), starts), shape=(n, n_database))
    if own > 0:
        kept = np.where(sums.ravel() > 0, own, 1).astype(np.float32)
        mean = mean + csr_matrix((kept, np.arange(n), np.arange(n + 1)), shape=(n, n_database))
    mean.eliminate_zeros()
    return mean
