"""The exact nearest neighbors of documents by their features: for training targets, and as the truth for evaluation."""

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
from training.loops.products import dense_product
from training.vectors import unit_rows

_ENTRIES_AT_ONCE = 1 << 23
"""Similarities in memory at the same time: 32 MiB of float32."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest rows of a database, best first.

    Attributes:
        rows: `(n, k)` int32 rows of the database.
        similarities: `(n, k)` float32.
    """

    rows: NDArray[np.int32]
    similarities: NDArray[np.float32]

    def first(self, k: int) -> Nearest:
        """The `k` best of each row, or as many as there are."""
        return Nearest(self.rows[:, :k], self.similarities[:, :k])


@dataclass(frozen=True, slots=True)
class SimilaritySpace:
    """Features of documents and optional latent vectors; similarity is the sum of their two cosines.

    Attributes:
        features: `(n, n_features)` float32, CSR or dense, rows of unit length.
        latent: `(n, n_dims)` float32, rows of unit length; None: features only.
        weight: weight of the latent cosine; the cosine of the features has weight 1.
    """

    features: Features
    latent: NDArray[np.float32] | None = None
    weight: float = 0.0


def latent_axes(features: Features, n_dims: int, seed: int) -> NDArray[np.float32]:
    """The first right singular vectors of a feature matrix `(n, n_features)`: `(n_features, n_dims)` float32.

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
    check_cancelled: Callable[[], None] = lambda: None,
) -> Nearest:
    """The `k` most similar database rows of each query row, by exact search.

    Args:
        queries: rows whose neighbors are searched.
        database: rows that are searched.
        k: number of neighbors; fewer are returned if the database has fewer.
        same: queries and database have the same rows: a row is not its own neighbor.
        check_cancelled: called before each block; may raise to stop the run.

    Returns:
        Rows and similarities `(n, k)`, the most similar first.

    Cost: quadratic: one multiplication for each query and each database feature that it has too; a block of 32 MiB for
        each thread.
    """
    n, n_database = queries.features.shape[0], database.features.shape[0]
    k = min(k, n_database - same)
    out = Nearest(np.empty((n, k), dtype=np.int32), np.empty((n, k), dtype=np.float32))
    step = max(1, _ENTRIES_AT_ONCE // max(1, n_database))
    multiply = _multiplication(database.features)

    def search(start: int) -> None:
        check_cancelled()
        rows = slice(start, min(start + step, n))
        similarities = torch.from_numpy(multiply(queries.features[rows]))  # (B, n_database)
        if queries.latent is not None and database.latent is not None:
            latent_part = torch.from_numpy(queries.latent[rows]) @ torch.from_numpy(database.latent).T
            similarities.add_(latent_part, alpha=database.weight)
        if same:
            here = torch.arange(rows.start, rows.stop)
            similarities[here - start, here] = -torch.inf
        best, where = torch.topk(similarities, k)  # (B, k) each
        out.rows[rows] = where.numpy()
        out.similarities[rows] = best.numpy()

    # A sparse product uses one core and releases the interpreter lock: several blocks at a time use the other cores.
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for _ in pool.map(search, range(0, n, step)):
            pass
    return out


def _multiplication(database: Features) -> Callable[[Features], NDArray[np.float32]]:
    """The function from queries `(B, F)` to their products `(B, n)` with database rows of the same kind."""
    if isinstance(database, np.ndarray):
        return lambda queries: np.asarray(queries @ database.T, dtype=np.float32)
    by_word = csr_matrix(database.T)  # (F, n): a query meets only the documents that have a word of it
    return lambda queries: dense_product(csr_matrix(queries), by_word)


def averaging(neighbors: Nearest, n_database: int, own: float) -> csr_matrix:
    """The matrix `(n, n_database)`, CSR float32, whose product with database rows is the mean of each row's neighbors.

    Args:
        neighbors: neighbors of each row; those with positive similarity have equal weights, the others weight 0.
        n_database: number of database rows.
        own: weight of row i itself in mean i, if queries and database have the same rows; a row without neighbors then
            has weight 1. 0 if they are different rows.
    """
    n, k = neighbors.rows.shape
    weights = (neighbors.similarities > 0).astype(np.float32)  # (n, k)
    sums = weights.sum(axis=1, keepdims=True)  # (n, 1)
    weights *= np.where(sums > 0, (1 - own) / np.maximum(sums, 1), 0)
    starts = np.arange(0, n * k + 1, k, dtype=np.int64 if n * k > np.iinfo(np.int32).max else np.int32)
    mean = csr_matrix((weights.ravel(), neighbors.rows.ravel(), starts), shape=(n, n_database))
    if own > 0:
        kept = np.where(sums.ravel() > 0, own, 1).astype(np.float32)
        mean = mean + csr_matrix((kept, np.arange(n), np.arange(n + 1)), shape=(n, n_database))
    mean.eliminate_zeros()
    return mean
