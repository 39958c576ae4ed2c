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

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from service.hashing.featurizers import Features
from training.loops.reference import Floats, Integers
from training.loops.select import loops
from training.neighbors.exact import Nearest, SimilaritySpace, latent, latent_axes

MEAN_LENGTH = 160
"""Mean number of documents in a list."""
LENGTH = 256
"""Largest number of documents in a list; a larger cluster is cut into several lists."""
N_PROBES = 64
"""Number of lists that a query is compared with."""
_NEAREST_FIRST = 4
_QUERIES_AT_ONCE = 16_384
"""Queries in a block; near ones are together and share lists, so a block takes only some hundred products."""
_PLACES_AT_ONCE = 2048
_SAMPLE_PER_CENTROID = 24
_ROUNDS = 6
_LATENT_DIMS = 64
_LATENT_SAMPLE = 50_000


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
    """

    database: SimilaritySpace
    rows: NDArray[np.int32]
    starts: NDArray[np.int64]
    centroids: Tensor
    axes: NDArray[np.float32] | None
    n_probes: int

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
        return cls(kept, rows, starts, means, axes, min(n_probes, len(lengths)))

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
            words = _ListWords(self.database.features)
            for start in range(first * _QUERIES_AT_ONCE, n, n_threads * _QUERIES_AT_ONCE):
                check_cancelled()
                block = order[start : start + _QUERIES_AT_ONCE]
                where, best = self._search(wanted, block, probes[block], k, same, words)
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
        words: _ListWords,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Rows and similarities `(B, k)` of a block of queries `(B,)` in the lists `probes` `(B, n_probes)` of each."""
        B = len(block)
        best, where = np.full((B, k), -np.inf, dtype=np.float32), np.zeros((B, k), dtype=np.int32)
        own = block.astype(np.int32) if same else np.full(B, -1, dtype=np.int32)
        sparse = _sparse_rows(queries.features, block)
        dense = [
            (torch.from_numpy(theirs[block]) * weight, torch.from_numpy(documents))
            for (theirs, _), (documents, weight) in zip(_dense(queries), _dense(self.database), strict=True)
        ]
        room = torch.zeros(B * LENGTH)
        # What the nearest lists have is mostly better than what the others have, which then change little.
        for near in (probes[:, :_NEAREST_FIRST], probes[:, _NEAREST_FIRST:]):
            for number, at in _groups(near.ravel()):
                of_query, start, end = at // near.shape[1], int(self.starts[number]), int(self.starts[number + 1])
                part = room[: len(at) * (end - start)].view(len(at), end - start)
                rows = torch.from_numpy(of_query)
                for i, (theirs, documents) in enumerate(dense):
                    torch.addmm(part, theirs[rows], documents[start:end].T, beta=min(i, 1), out=part)
                if not dense:
                    part.zero_()
                arguments = part.numpy(), of_query, *sparse, words.places, *words.of_rows(start, end), start
                loops().now.keep_best(*arguments, own, best, where)
        return self.rows[where], best


class _ListWords:
    """The words of the documents of a list, sorted anew for each list; one for each thread."""

    def __init__(self, documents: Features) -> None:
        self._documents = documents if isinstance(documents, csr_matrix) else _no_words(len(documents))
        self.places = np.zeros(self._documents.shape[1], dtype=np.int32)

    def of_rows(self, start: int, end: int) -> tuple[Integers, Integers, Integers, Floats]:
        """Entries of some documents as `by_word` sorts them: words, ends, rows, weights."""
        starts = self._documents.indptr[start : end + 1]
        here = slice(int(starts[0]), int(starts[-1]))
        indices, values = self._documents.indices[here], self._documents.data[here]
        words, ends, rows = np.empty((3, len(indices)), dtype=np.int32)
        weights = np.empty(len(indices), dtype=np.float32)
        n = loops().now.by_word(indices, values, starts - starts[0], self.places, words, ends, rows, weights)
        return words[:n], ends[:n], rows, weights


def _sparse_rows(features: Features, block: NDArray[np.int64]) -> tuple[Integers, Floats, Integers]:
    """Indices, values and starts of the sparse rows of a block; of dense features there are none."""
    rows = features[block] if isinstance(features, csr_matrix) else _no_words(len(block))
    return rows.indices, rows.data, rows.indptr


def _no_words(n: int) -> csr_matrix:
    return csr_matrix(np.zeros((n, 1), dtype=np.float32))


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
    if not len(numbers):
        return
    small = numbers.astype(np.uint16) if numbers.max() < 1 << 16 else numbers  # sorted several times faster
    order = np.argsort(small, kind="stable")
    ordered = small[order]
    starts = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1])
    yield from zip(ordered[starts].tolist(), np.split(order, starts[1:]), strict=True)


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
