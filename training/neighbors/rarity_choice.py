"""How much rare words count beyond their TF-IDF, chosen from the corpus itself, without labels.

The neighbor graph is made by the cosine of TF-IDF and by the cosine of latent axes, whose words are weighed by a power
of their idf, the rarity. A corpus of names and code gains from a large one; one whose topics are made of common words
loses by it. Three signs tell which, all seen without labels:

- agreement `O`: two halves of the vocabulary that share no word find the same neighbors;
- affinity `A`: the nearest by TF-IDF are near on the latent axes too;
- contrast `C`: the nearest on the latent axes stand out from the rest.

`J = 2 ln O + ln A + 2 ln C` is compared between the candidates; the default keeps its place unless another one is
better by `MARGIN`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.neighbors.exact import latent
from training.neighbors.latent import LatentSpace

CANDIDATES = (0.0, 0.5, 1.0, 1.5, 2.0)
DEFAULT = 1.0
MARGIN = 0.03
"""How much larger `J` must be than that of the default."""
MAX_DOCUMENTS = 5_000
MIN_QUERIES, MAX_QUERIES = 50, 1_000
MIN_DOCUMENTS = 200
"""With fewer documents their neighborhoods hold too few to be compared."""
N_SPLITS = 3
NEAREST = 20
_FLOOR = 1e-9


@dataclass(frozen=True, slots=True)
class RarityChoice:
    """The rarity that a corpus asks for, and what each candidate reached.

    Attributes:
        rarity: the chosen one.
        scores: `J` of each candidate; empty if the corpus is too small to tell.
        agreement: mean share of the neighbors that two halves of the vocabulary both find, with the chosen rarity; None
            if the corpus is too small to tell. About .01 is chance.
    """

    rarity: float
    scores: dict[float, float]
    agreement: float | None = None


def choose_rarity(
    features: csr_matrix, n_dims: int, seed: int, check_cancelled: Callable[[], None] = lambda: None
) -> RarityChoice:
    """The rarity that suits a corpus.

    Args:
        features: `(n, F)` TF-IDF, rows of unit length (or zero).
        n_dims: number of latent axes.
        seed: draws documents, queries and halves of the vocabulary.
        check_cancelled: called between the steps; may raise to stop the run.

    Cost: 3 to 12 s of CPU for 5,000 documents; of more, as many are drawn. Blocks.
    """
    rng = np.random.default_rng([seed, 1])
    rows = np.flatnonzero(np.diff(features.indptr) > 0)
    if len(rows) < MIN_DOCUMENTS:
        return RarityChoice(DEFAULT, {})
    if len(rows) > MAX_DOCUMENTS:
        rows = np.sort(rng.choice(rows, MAX_DOCUMENTS, replace=False))
    sample = _without_rare_words(features[rows])
    halves = [_halves(sample, rng) for _ in range(N_SPLITS)]
    queries = [_drawn(_with_two_words(pair), MAX_QUERIES, rng) for pair in halves]
    if min(len(places) for places in queries) < MIN_QUERIES:
        return RarityChoice(DEFAULT, {})
    any_queries = _drawn(np.arange(len(rows)), MAX_QUERIES, rng)
    by_words = np.asarray((sample[any_queries] @ sample.T).todense())  # (n_queries, n)
    scores: dict[float, float] = {}
    agreement: dict[float, float] = {}
    for power in CANDIDATES:
        agreements = []
        for pair, places in zip(halves, queries, strict=True):
            check_cancelled()
            agreements.append(_agreement(pair, places, power, n_dims, seed))
        affinity, contrast = _on_the_axes(sample, any_queries, by_words, power, n_dims, seed)
        agreement[power] = float(np.mean(agreements))
        parts = np.maximum([agreement[power], affinity, contrast], _FLOOR)
        scores[power] = float(np.array([2, 1, 2]) @ np.log(parts))
    best = max(CANDIDATES, key=lambda power: scores[power])
    rarity = best if scores[best] > scores[DEFAULT] + MARGIN else DEFAULT
    return RarityChoice(rarity, scores, agreement[rarity])


def _without_rare_words(features: csr_matrix) -> csr_matrix:
    """Only words of two documents or more; rows of unit length."""
    counts = np.bincount(features.indices, minlength=features.shape[1])
    return _unit(features[:, np.flatnonzero(counts > 1)])


def _unit(features: csr_matrix) -> csr_matrix:
    scaled = csr_matrix(features, dtype=np.float32, copy=True)
    lengths = np.sqrt(np.bincount(_row_of(scaled), weights=scaled.data**2, minlength=scaled.shape[0]))
    scaled.data /= np.maximum(lengths, _FLOOR).astype(np.float32)[_row_of(scaled)]
    return scaled


def _row_of(features: csr_matrix) -> NDArray[np.int64]:
    return np.repeat(np.arange(features.shape[0]), np.diff(features.indptr))


def _halves(features: csr_matrix, rng: np.random.Generator) -> tuple[csr_matrix, csr_matrix]:
    """The features of two halves of the words; of each two words of like document frequency one is in each half."""
    counts = np.bincount(features.indices, minlength=features.shape[1])
    order = np.argsort(counts, kind="stable")[features.shape[1] % 2 :].reshape(-1, 2)
    pairs = rng.permuted(order, axis=1)
    return _unit(features[:, np.sort(pairs[:, 0])]), _unit(features[:, np.sort(pairs[:, 1])])


def _with_two_words(pair: tuple[csr_matrix, csr_matrix]) -> NDArray[np.int64]:
    """Rows with at least two words in each half."""
    return np.flatnonzero(np.minimum(*(np.diff(half.indptr) for half in pair)) >= 2)


def _drawn(places: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return places if len(places) <= n else np.sort(rng.choice(places, n, replace=False))


def _agreement(
    pair: tuple[csr_matrix, csr_matrix], queries: NDArray[np.int64], power: float, n_dims: int, seed: int
) -> float:
    """Mean share of the neighbors that both halves find."""
    n = pair[0].shape[0]
    k = max(3, n // 100)
    found = []
    for half in pair:
        vectors = _latent_vectors(half, power, n_dims, seed)
        similarities = np.asarray((half[queries] @ half.T).todense()) + vectors[queries] @ vectors.T
        similarities[np.arange(len(queries)), queries] = -np.inf
        near = np.zeros((len(queries), n), dtype=bool)
        np.put_along_axis(near, np.argpartition(-similarities, k, axis=1)[:, :k], True, axis=1)
        found.append(near)
    return float((found[0] & found[1]).sum() / (k * len(queries)))


def _on_the_axes(
    features: csr_matrix,
    queries: NDArray[np.int64],
    by_words: NDArray[np.float32],
    power: float,
    n_dims: int,
    seed: int,
) -> tuple[float, float]:
    """Affinity and contrast: mean latent cosine of two kinds of neighbors, in deviations from that of all pairs."""
    vectors = _latent_vectors(features, power, n_dims, seed)
    cosines = vectors[queries] @ vectors.T  # (n_queries, n)
    own = np.arange(len(queries)), queries
    others = np.ones(cosines.shape, dtype=bool)
    others[own] = False
    mean, deviation = float(cosines[others].mean()), float(cosines[others].std())
    words, axes = by_words.copy(), cosines.copy()
    words[own] = axes[own] = -np.inf
    k = max(3, features.shape[0] // 50)
    near_by_words = np.argpartition(-words, NEAREST, axis=1)[:, :NEAREST]
    near_on_axes = np.argpartition(-axes, k, axis=1)[:, :k]
    affinity, contrast = (
        (float(np.take_along_axis(cosines, near, axis=1).mean()) - mean) / max(deviation, _FLOOR)
        for near in (near_by_words, near_on_axes)
    )
    return affinity, contrast


def _latent_vectors(features: csr_matrix, power: float, n_dims: int, seed: int) -> NDArray[np.float32]:
    space = LatentSpace.of(features, n_dims, power, seed)
    return latent(features, space.axes)
