"""The neighbor graph of the training documents: what a document's decoder must give, at first and when refined."""

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
"""Most training documents whose neighbors are searched exactly; among more an inverted file finds most of them."""

LATENT_SAMPLE = 100_000
"""Most training documents that latent axes are computed from."""


@dataclass
class Graph:
    """The training documents as a source of targets.

    Attributes:
        features: `(m, F)` of the training documents.
        output: what targets are: counts, bits or reals.
        words: `(n_words,)` columns that targets keep, ascending; None keeps all.
        word_weights: `(F,)` what columns count in targets beyond the features' own weight; None: nothing.
        n_neighbors: nearest documents in a target; 0: the document itself is the target.
        n_drawn: how many of them each step of learning draws; 0 takes all.
        view: its cosine is added to that of the features; None adds nothing.
        weight: what its cosine counts.
        mutual: a neighbor counts only if the document would be one of its own too: small classes keep to themselves.
        seed: of the lists in which many documents are searched.
        space: latent semantic analysis of the documents, if the plan has any.
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
    _own: Nearest | None = field(default=None, init=False, repr=False)
    _database: SimilaritySpace | InvertedFile | None = field(default=None, init=False, repr=False)

    @classmethod
    def of(cls, features: Features, plan: Plan, seed: int) -> Graph:
        """The graph by the cosine of the features and of their latent semantic analysis.

        Raises:
            InvalidInput: features that cannot be of the plan's kind.
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

    def refined(self, view: View, n_neighbors: int) -> Graph:
        """The graph by the cosine of the features and of what a first network sees in them."""
        return replace(self, view=view, weight=1.0, n_neighbors=n_neighbors, mutual=True)

    def dataset(self, features: Features, check: Callable[[], None], *, same: bool = False) -> Dataset:
        """Documents with their targets.

        Args:
            features: `(n, F)` of the documents.
            check: called between blocks of the search; what it raises ends it.
            same: they are the training documents themselves: each then is one of its own neighbors.
        """
        if not self.n_neighbors:
            return Dataset(features, self._sources(features), None, self.output)
        if self._own is None and (same or self.mutual):
            self._own = self._nearest(None, check)
        mine = self._own if same else None
        found = mine or self._nearest(self._semantics(features), check)
        if self.mutual and self._own is not None:
            farthest = self._own.similarities[:, -1]
            near = found.similarities >= farthest[found.rows]
            found = Nearest(found.rows, np.where(near, found.similarities, 0).astype(np.float32))
        own = 1 / (self.n_neighbors + 1) if same else 0.0
        averages = averaging(found, self.features.shape[0], own)
        return Dataset(features, self._sources(self.features), averages, self.output, self.n_drawn)

    def _nearest(self, queries: SimilaritySpace | None, check: Callable[[], None]) -> Nearest:
        """The training documents nearest to queries; None: to each of themselves."""
        if self._database is None:
            database = self._semantics(self.features)
            many = self.features.shape[0] > EXACT_UP_TO
            self._database = InvertedFile.of(database, self.seed, check=check) if many else database
        if isinstance(self._database, InvertedFile):
            return self._database.nearest(queries, self.n_neighbors, check=check)
        asked = self._database if queries is None else queries
        return nearest(asked, self._database, self.n_neighbors, same=queries is None, check=check)

    def _semantics(self, features: Features) -> SimilaritySpace:
        return SimilaritySpace(unit_features(features), None if self.view is None else self.view(features), self.weight)

    def _sources(self, features: Features) -> Features:
        whole = sources(features, self.output)
        if self.word_weights is not None and isinstance(whole, csr_matrix):
            whole = csr_matrix(whole @ diags(self.word_weights), dtype=np.float32)
        return whole if self.words is None else whole[:, self.words]


def _sampled(features: Features, seed: int) -> Features:
    """At most LATENT_SAMPLE rows."""
    n = features.shape[0]
    if n <= LATENT_SAMPLE:
        return features
    return features[np.sort(np.random.default_rng(seed).choice(n, size=LATENT_SAMPLE, replace=False))]


def heaviest(features: Features, n: int, weights: NDArray[np.float32] | None = None) -> NDArray[np.int64]:
    """The `n` columns of the greatest sum, ascending; `weights` `(F,)` multiply the sums."""
    sums = np.asarray(features.sum(axis=0)).ravel()
    if weights is not None:
        sums = sums * weights
    return np.sort(np.argsort(-sums, kind="stable")[:n])


def sources(features: Features, output: str) -> Features:
    """What targets of that kind are made of: the features; for bits of texts, which words are there."""
    if output == "bits" and isinstance(features, csr_matrix):
        present = features.copy()
        present.data = np.ones_like(features.data)
        return present
    return features


def check_output(features: Features, output: str) -> None:
    """Refuse features that cannot be of that kind.

    Raises:
        InvalidInput: counts below zero, or dense bits outside 0..1.
    """
    if not isinstance(features, np.ndarray) or output == "reals":
        return
    low, high = float(features.min()), float(features.max())
    if low < 0 or (output == "bits" and high > 1):
        wanted = "between 0 and 1" if output == "bits" else "0 or more"
        raise InvalidInput(f"output {output!r} needs features {wanted}, they lie between {low:.3g} and {high:.3g}")
