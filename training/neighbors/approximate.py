"""The approximate nearest neighbors of documents in a large collection, at far less than quadratic cost.

Documents are stored in lists, one or more for each centroid. A query is compared with the documents of the few lists
nearest to it, with the similarity that the exact search uses; it misses neighbors that are in other lists.

Source: Sivic, Zisserman (2003), "Video Google: a text retrieval approach to object matching in videos"; Jegou, Douze,
Schmid (2011), "Product quantization for nearest neighbor search", section IV (the inverted file). Why not
FAISS or pynndescent: docs/decisions/0011.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.nn import functional as F

from training.neighbors.exact import Nearest, SimilaritySpace, latent, latent_axes

MEAN_LENGTH = 160
"""Mean number of documents in a list."""
LENGTH = 256
"""Largest number of documents in a list; a larger cluster is cut into several lists."""
N_PROBES = 64
"""Number of lists that a query is compared with."""
_QUERIES_AT_ONCE = 4096
"""Queries in a block, 256 MiB of similarities; they share lists, so a block takes only a few hundred products."""
_PLACES_AT_ONCE = 2048
_SAMPLE_PER_CENTROID = 24
_ROUNDS = 6
_LATENT_DIMS = 64
_LATENT_SAMPLE = 50_000


Product = Callable[[int, NDArray[np.int64]], Tensor]
"""The products `(n_rows, length)` of a list, given by its number, with some rows of the queries."""


@dataclass(frozen=True, slots=True)
class InvertedFile:
    """A database stored in lists, ready for searching.

    Attributes:
        database: its rows in the order of the lists.
        rows: `(n,)` int32, row number of each in the original database.
        starts: `(n_lists + 1,)` int64, position where each list starts.
        centroids: `(n_lists, n_dims)` float32, means of the documents' places.
        axes: `(F, n_dims)` float32, latent axes for sparse features of a database without latent vectors.
        n_probes: number of lists that a query is compared with.
        words: the words of each list, if the features are sparse.
    """

    database: SimilaritySpace
    rows: NDArray[np.int32]
    starts: NDArray[np.int64]
    centroids: Tensor
    axes: NDArray[np.float32] | None
    n_probes: int
    words: _Words | None

    @classmethod
    def of(
        cls,
        database: SimilaritySpace,
        seed: int,
        *,
        mean_length: int = MEAN_LENGTH,
        n_probes: int = N_PROBES,
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> InvertedFile:
        """An inverted file of a database, clustered by k-means of its latent vectors, which are computed if missing.

        Args:
            database: `(n, F)` rows.
            seed: seed of the sample that centroids are learned from.
            mean_length: mean number of documents in a list.
            n_probes: number of lists that a query is compared with.
            check_cancelled: called between blocks; may raise to stop the run.
        """
        axes = _axes(database, seed)
        places = _places(database, axes)
        n = len(places)
        learned = _centroids(places, -(-n // mean_length), seed, check_cancelled)
        centroids = _side_by_side(learned, seed, check_cancelled)  # (n_clusters, n_dims)
        # Where a cluster is cut, documents with the same second nearest centroid stay together.
        first, second = nearest_centroids(places, centroids, min(2, len(centroids)), check_cancelled)[:, [0, -1]].T
        rows = np.lexsort((second, first)).astype(np.int32)
        starts = _cut(np.bincount(first, minlength=len(centroids)))
        lengths = np.diff(starts)
        list_of = torch.from_numpy(np.repeat(np.arange(len(lengths)), lengths))
        ordered = places[torch.from_numpy(rows)]
        means = torch.zeros(len(lengths), places.shape[1]).index_add_(0, list_of, ordered)
        means /= torch.from_numpy(lengths)[:, None]
        latent_part = None if database.latent is None else database.latent[rows]
        kept = SimilaritySpace(database.features[rows], latent_part, database.weight)
        words = _Words(kept.features, starts) if isinstance(kept.features, csr_matrix) else None
        return cls(kept, rows, starts, means, axes, min(n_probes, len(lengths)), words)

    def nearest(
        self,
        queries: SimilaritySpace | None,
        k: int,
        *,
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> Nearest:
        """The `k` most similar database rows among those in the lists nearest to each query.

        Args:
            queries: rows whose neighbors are searched; None: all database rows, none its own neighbor.
            k: number of neighbors. If the lists have fewer, the rest has a similarity of minus infinity.
            check_cancelled: called before each block; may raise to stop the run.

        Cost: for each query, one product of its place with every centroid, and similarities with `n_probes` lists.
        """
        same = queries is None
        wanted = self.database if queries is None else queries
        k = min(k, len(self.rows) - same)
        places = _places(wanted, self.axes)  # (n, n_dims)
        probes = nearest_centroids(places, self.centroids, self.n_probes, check_cancelled)  # (n, n_probes)
        order = np.argsort(probes[:, 0], kind="stable")
        n = len(probes)
        out = Nearest(np.empty((n, k), dtype=np.int32), np.empty((n, k), dtype=np.float32))

        n_threads = min(torch.get_num_threads(), -(-n // _QUERIES_AT_ONCE))

        def search(first: int) -> None:
            similarities = torch.empty(min(n, _QUERIES_AT_ONCE) * self.n_probes, LENGTH)
            for start in range(first * _QUERIES_AT_ONCE, n, n_threads * _QUERIES_AT_ONCE):
                check_cancelled()
                block = order[start : start + _QUERIES_AT_ONCE]
                where, best = self._search(wanted, block, probes[block], k, same, similarities)
                out_rows = self.rows[block] if same else block
                out.rows[out_rows] = where
                out.similarities[out_rows] = best

        with ThreadPoolExecutor(n_threads) as pool:
            for _ in pool.map(search, range(n_threads)):
                pass
        return out

    def _search(
        self,
        queries: SimilaritySpace,
        block: NDArray[np.int64],
        probes: NDArray[np.int64],
        k: int,
        same: bool,
        similarities: Tensor,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Rows and similarities `(B, k)` of a block of queries `(B,)` compared with the lists `probes` `(B, n_probes)`.

        `similarities` is a buffer of `(B * n_probes, LENGTH)` float32.
        """
        B, P = probes.shape
        similarities = similarities[: B * P].fill_(-torch.inf)
        rows = queries.features[block]  # (B, F)
        product = self.words.product(rows) if self.words is not None and isinstance(rows, csr_matrix) else None
        dense = [
            (torch.from_numpy(theirs[block]), torch.from_numpy(documents), weight)
            for (theirs, _), (documents, weight) in zip(_dense(queries), _dense(self.database), strict=True)
        ]
        for number, at in _groups(probes.ravel()):
            of_query, start, end = torch.from_numpy(at // P), self.starts[number], self.starts[number + 1]
            part = torch.zeros(len(at), end - start) if product is None else product(number, at // P)
            for theirs, documents, weight in dense:
                part.addmm_(theirs[of_query], documents[start:end].T, alpha=weight)
            similarities[:, : part.shape[1]].index_copy_(0, torch.from_numpy(at), part)
        if same:
            own = np.searchsorted(self.starts, block, side="right") - 1
            here, slot = np.nonzero(probes == own[:, None])
            similarities[here * P + slot, block[here] - self.starts[own[here]]] = -torch.inf
        best, where = torch.topk(similarities.view(B, P * LENGTH), min(k, P * LENGTH))
        if best.shape[1] < k:
            best = F.pad(best, (0, k - best.shape[1]), value=-torch.inf)
            where = F.pad(where, (0, k - where.shape[1]))
        found = where.numpy()
        places = self.starts[np.take_along_axis(probes, found // LENGTH, axis=1)] + found % LENGTH
        return self.rows[np.minimum(places, len(self.rows) - 1)], best.numpy()


class _Words:
    """Sparse documents in lists: each list has a small dense table with a row for each of its words."""

    def __init__(self, documents: csr_matrix, starts: NDArray[np.int64]) -> None:
        self.documents, self.starts = documents, starts
        self.words: list[NDArray[np.int64]] = []
        self.positions = np.empty(documents.nnz, dtype=np.int32)
        there = np.zeros(documents.shape[1], dtype=bool)
        column = np.zeros(documents.shape[1], dtype=np.int32)
        for start, end in pairwise(documents.indptr[starts].tolist()):
            indices = documents.indices[start:end]
            there[indices] = True
            words = np.flatnonzero(there)
            there[words] = False
            column[words] = np.arange(1, len(words) + 1)
            self.positions[start:end] = column[indices]
            self.words.append(words)

    def product(self, queries: csr_matrix) -> Product:
        """The product of queries `(B, F)` with any list."""
        column = np.zeros(queries.shape[1], dtype=np.int64)

        def of_list(number: int, rows: NDArray[np.int64]) -> Tensor:
            words, asked = self.words[number], queries[rows]
            column[words] = np.arange(1, len(words) + 1)
            found = column[asked.indices]
            column[words] = 0
            known = found > 0
            offsets = np.zeros(len(known) + 1, dtype=np.int64)
            np.cumsum(known, out=offsets[1:])
            return F.embedding_bag(
                torch.from_numpy(found[known]),
                self._table(number),
                torch.from_numpy(offsets[asked.indptr]),
                mode="sum",
                per_sample_weights=torch.from_numpy(asked.data[known]),
                include_last_offset=True,
            )

        return of_list

    def _table(self, number: int) -> Tensor:
        """Weights of the words in the documents of a list, `(1 + n_words, length)`; row 0 is for all other words."""
        ends = self.documents.indptr[self.starts[number] : self.starts[number + 1] + 1]
        table = np.zeros((1 + len(self.words[number]), len(ends) - 1), dtype=np.float32)
        entries = slice(int(ends[0]), int(ends[-1]))
        document_of = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        table[self.positions[entries], document_of] = self.documents.data[entries]
        return torch.from_numpy(table)


def nearest_centroids(
    places: Tensor, centroids: Tensor, n: int, check_cancelled: Callable[[], None] = lambda: None
) -> NDArray[np.int64]:
    """The `n` centroids nearest to each place, by Euclidean distance, nearest first: `(n_places, n)`."""
    halves = 0.5 * centroids.square().sum(dim=1)
    parts = []
    for part in torch.split(places, _PLACES_AT_ONCE):
        check_cancelled()
        parts.append(torch.topk(torch.addmm(halves, part, centroids.T, beta=-1), n).indices)
    return torch.cat(parts).numpy()


def _centroids(places: Tensor, n: int, seed: int, check_cancelled: Callable[[], None]) -> Tensor:
    """Centroids `(n, n_dims)` of a sample of places, by Lloyd's iteration; one without places keeps its position."""
    rng = np.random.default_rng(seed)
    sample = places[torch.from_numpy(_drawn(len(places), n * _SAMPLE_PER_CENTROID, rng))]
    centroids = sample[torch.from_numpy(_drawn(len(sample), n, rng))]
    for _ in range(_ROUNDS):
        own = torch.from_numpy(nearest_centroids(sample, centroids, 1, check_cancelled)[:, 0])
        counts = torch.bincount(own, minlength=n)[:, None]
        sums = torch.zeros_like(centroids).index_add_(0, own, sample)
        centroids = torch.where(counts > 0, sums / counts.clamp(min=1), centroids)
    return centroids


def _side_by_side(centroids: Tensor, seed: int, check_cancelled: Callable[[], None]) -> Tensor:
    """Centroids sorted so that near ones are together: then the queries of a block are compared with the same lists."""
    fields = _centroids(centroids, math.isqrt(len(centroids)), seed, check_cancelled)
    return centroids[torch.from_numpy(np.argsort(nearest_centroids(centroids, fields, 1)[:, 0], kind="stable"))]


def _drawn(n: int, k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most `k` of `n` positions, ascending."""
    return np.arange(n) if k >= n else np.sort(rng.choice(n, size=k, replace=False))


def _cut(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Starts of the lists if clusters of these sizes are cut evenly into lists of at most LENGTH; no list is empty."""
    ends = np.cumsum(sizes)
    starts = [
        np.linspace(end - size, end, -(-size // LENGTH), endpoint=False).astype(np.int64)
        for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)
        if size
    ]
    return np.concatenate([*starts, ends[-1:]])


def _groups(numbers: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each distinct number, with its positions."""
    order = np.argsort(numbers, kind="stable")
    values, starts = np.unique(numbers[order], return_index=True)
    yield from zip(values.tolist(), np.split(order, starts[1:]), strict=True)


def _dense(space: SimilaritySpace) -> list[tuple[NDArray[np.float32], float]]:
    """The dense parts of a space, each with what its products count."""
    features = [(space.features, 1.0)] if isinstance(space.features, np.ndarray) else []
    return features if space.latent is None else [*features, (space.latent, space.weight)]


def _axes(database: SimilaritySpace, seed: int) -> NDArray[np.float32] | None:
    """Latent axes of sparse features that have no latent places beside them."""
    if database.latent is not None or isinstance(database.features, np.ndarray):
        return None
    sample = database.features[_drawn(database.features.shape[0], _LATENT_SAMPLE, np.random.default_rng(seed))]
    return latent_axes(sample, _LATENT_DIMS, seed)


def _places(space: SimilaritySpace, axes: NDArray[np.float32] | None) -> Tensor:
    """Where rows lie among the lists, `(n, n_dims)`: their latent places, those on `axes`, else the features."""
    places = latent(space.features, axes) if axes is not None else space.latent
    if places is None:
        assert isinstance(space.features, np.ndarray)
        places = space.features
    return torch.from_numpy(places)
