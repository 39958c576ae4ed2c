"""The neighbor graph of the training documents, from which the targets of the decoder are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from service.errors import InvalidInput
from service.hashing.featurizers import Features
from training.data.batches import Dataset, View
from training.models import Plan
from training.neighbors.approximate import InvertedFile
from training.neighbors.exact import Nearest, SimilaritySpace, averaging, nearest
from training.neighbors.latent import LatentSpace, rarity
from training.vectors import unit_features

EXACT_UP_TO = 30_000
"""Largest number of training documents searched exactly; above it an inverted file finds most neighbors."""

LATENT_SAMPLE = 100_000
"""Largest number of training documents that latent axes are computed from."""


@dataclass
class Graph:
    """The training documents, and the rule by which neighbors are found and averaged into targets.

    Attributes:
        features: `(m, F)` of the training documents.
        output: kind of the targets: counts, bits or reals.
        words: `(n_words,)` columns that targets keep, ascending; None keeps all.
        word_weights: `(F,)` factors of the columns in targets; None: all 1.
        n_neighbors: number of nearest documents in a target; 0: the document itself is the target.
        n_drawn: expected number of them drawn at each step of training; 0 uses all.
        view: vectors of documents, whose cosine is added to the cosine of the features; None: features only.
        weight: weight of that cosine.
        mutual: a neighbor counts only if the document is near enough to be the neighbor's neighbor too; this keeps
            small topics apart.
        seed: seed of the approximate search.
        space: latent semantic analysis of the documents; None if the plan needs none.
        n_near: number of documents nearest by the features alone whose mean, with the document itself, is half of a
            target; 0: they have no part in it.
        n_partners: number of them that a partner in a batch is drawn from; 0: batches are random.
    """

    features: Features
    output: str
    words: NDArray[np.int64] | None
    word_weights: NDArray[np.float32] | None
    n_neighbors: int
    n_drawn: int
    view: View | None = None
    weight: float = 0.0
    mutual: bool = False
    seed: int = 0
    space: LatentSpace | None = None
    n_near: int = 0
    n_partners: int = 0
    _own: Nearest | None = field(default=None, init=False, repr=False)
    _database: SimilaritySpace | InvertedFile | None = field(default=None, init=False, repr=False)

    @classmethod
    def of(cls, features: Features, plan: Plan, seed: int) -> Graph:
        """The first graph: neighbors by the cosine of the features and of their latent semantic analysis.

        Raises:
            InvalidInput: the features have values that the plan's output cannot have.
        """
        check_output(features, plan.output)
        weights = rarity(features, plan.rarity) if plan.output == "counts" and plan.rarity else None
        words = heaviest(features, plan.output_words, weights) if plan.output_words < features.shape[1] else None
        graph = cls(features, plan.output, words, weights, plan.neighbors, plan.drawn_neighbors, seed=seed)
        n_dims = max(plan.lsa_dims if plan.neighbors and plan.lsa_weight else 0, plan.start_dims)
        if not n_dims or min(features.shape) <= 2:
            return graph
        space = LatentSpace.of(_sampled(features, seed), n_dims, plan.rarity, seed)
        graph = replace(graph, space=space)
        if not plan.neighbors or plan.lsa_weight == 0:
            return graph
        return replace(graph, view=lambda rows: space.view(rows, plan.lsa_dims), weight=plan.lsa_weight)

    def refined(self, view: View, n_neighbors: int, *, n_near: int = 0, n_partners: int = 0) -> Graph:
        """The refined graph: mutual neighbors by the cosine of the features and of a first network's logits."""
        return replace(
            self,
            view=view,
            weight=1.0,
            n_neighbors=n_neighbors,
            mutual=True,
            n_near=n_near,
            n_partners=n_partners,
        )

    def dataset(self, features: Features, check_cancelled: Callable[[], None], *, same: bool = False) -> Dataset:
        """Documents with their targets, ready for training or validation.

        Args:
            features: `(n, F)` features of the documents.
            check_cancelled: called between blocks of the search; may raise to stop the run.
            same: these are the training documents; each is then averaged into its own target too.
        """
        if not self.n_neighbors:
            return Dataset(features, self._sources(features), None, self.output)
        if self._own is None and (same or self.mutual):
            self._own = self._nearest(None, check_cancelled)
        own_neighbors = self._own if same else None
        found = own_neighbors or self._nearest(self._similarity_space(features), check_cancelled)
        if self.mutual and self._own is not None:
            farthest = self._own.similarities[:, -1]  # (m,)
            near = found.similarities >= farthest[found.rows]  # (n, n_neighbors)
            found = Nearest(found.rows, np.where(near, found.similarities, 0).astype(np.float32))
        averages = self._averaging(found, same)
        partners = None
        if n_by_features := max(self.n_near, self.n_partners):
            by_features = self._by_features(None if same else features, n_by_features, check_cancelled)
            if self.n_near:
                near_averages = self._averaging(by_features.first(self.n_near), same)
                averages = csr_matrix(0.5 * (averages + near_averages), dtype=np.float32)
            partners = by_features.rows[:, : self.n_partners] if same and self.n_partners else None
        return Dataset(features, self._sources(self.features), averages, self.output, self.n_drawn, partners=partners)

    def _averaging(self, found: Nearest, same: bool) -> csr_matrix:
        """The means of neighbors; a training document is one of its own."""
        return averaging(found, self.features.shape[0], own=1 / (found.rows.shape[1] + 1) if same else 0.0)

    def _by_features(self, queries: Features | None, k: int, check_cancelled: Callable[[], None]) -> Nearest:
        """The training documents nearest by the features alone; None: to each training document."""
        database = SimilaritySpace(unit_features(self.features))
        rows = database if queries is None else SimilaritySpace(unit_features(queries))
        return nearest(rows, database, k, same=queries is None, check_cancelled=check_cancelled)

    def _nearest(self, queries: SimilaritySpace | None, check_cancelled: Callable[[], None]) -> Nearest:
        """The training documents nearest to each query; None: to each training document."""
        if self._database is None:
            database = self._similarity_space(self.features)
            many = self.features.shape[0] > EXACT_UP_TO
            self._database = InvertedFile.of(database, self.seed, check_cancelled=check_cancelled) if many else database
        if isinstance(self._database, InvertedFile):
            return self._database.nearest(queries, self.n_neighbors, check_cancelled=check_cancelled)
        rows = self._database if queries is None else queries
        return nearest(rows, self._database, self.n_neighbors, same=queries is None, check_cancelled=check_cancelled)

    def _similarity_space(self, features: Features) -> SimilaritySpace:
        return SimilaritySpace(unit_features(features), None if self.view is None else self.view(features), self.weight)

    def _sources(self, features: Features) -> Features:
        whole = sources(features, self.output)
        if self.word_weights is not None and isinstance(whole, csr_matrix):
            whole = csr_matrix(whole @ diags(self.word_weights), dtype=np.float32)
        return whole if self.words is None else whole[:, self.words]


def _sampled(features: Features, seed: int) -> Features:
    """A random sample of at most LATENT_SAMPLE rows."""
    n = features.shape[0]
    if n <= LATENT_SAMPLE:
        return features
    return features[np.sort(np.random.default_rng(seed).choice(n, size=LATENT_SAMPLE, replace=False))]


def heaviest(features: Features, n: int, weights: NDArray[np.float32] | None = None) -> NDArray[np.int64]:
    """The `n` columns with the largest sums, ascending, `(n,)` int64; `weights` `(F,)` multiply the sums."""
    sums = np.asarray(features.sum(axis=0)).ravel()
    if weights is not None:
        sums = sums * weights
    return np.sort(np.argsort(-sums, kind="stable")[:n])


def sources(features: Features, output: str) -> Features:
    """Rows that targets of this kind are averages of: the features; for bits of texts, 1 for each word present."""
    if output == "bits" and isinstance(features, csr_matrix):
        present = features.copy()
        present.data = np.ones_like(features.data)
        return present
    return features


def check_output(features: Features, output: str) -> None:
    """Check that features have values that this kind of output can have.

    Raises:
        InvalidInput: counts below 0, or dense bits outside 0..1.
    """
    if not isinstance(features, np.ndarray) or output == "reals":
        return
    low, high = float(features.min()), float(features.max())
    if low < 0 or (output == "bits" and high > 1):
        wanted = "between 0 and 1" if output == "bits" else "0 or more"
        raise InvalidInput(f"output {output!r} needs features {wanted}, they lie between {low:.3g} and {high:.3g}")
