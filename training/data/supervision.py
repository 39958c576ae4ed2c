"""Supervision: what people said of documents, as pairs known to be alike and pairs known not to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.loops.products import dense_product
from training.models.losses import NAMED


@dataclass(frozen=True)
class Supervision:
    """Which of `n` documents are known to be alike: those that share a label, and pairs that a person named.

    Attributes:
        labels: `(n, n_labels)` CSR float32, 1 where a document has a label. A document without labels may have any.
        pairs: `(n, n)` CSR float32, symmetric: `NAMED` for a pair that is alike, `-NAMED` for one that is not. A pair
            counts more than what labels say of it.
    """

    labels: csr_matrix
    pairs: csr_matrix

    @classmethod
    def of(cls, labels: Sequence[Sequence[str]], pairs: Iterable[tuple[int, int, bool]] = ()) -> Supervision:
        """What is known of documents.

        Args:
            labels: the labels of each document, none where they are unknown.
            pairs: two rows, and whether these documents are alike; of a pair that comes twice the last counts.
        """
        n = len(labels)
        columns = {label: i for i, label in enumerate(sorted({label for those in labels for label in those}))}
        has = {(row, columns[label]): 1.0 for row, those in enumerate(labels) for label in those}
        named: dict[tuple[int, int], float] = {}
        for a, b, alike in pairs:
            named |= {ends: NAMED if alike else -NAMED for ends in ((a, b), (b, a)) if a != b}
        return cls(_matrix(has, (n, len(columns))), _matrix(named, (n, n)))

    @property
    def n_labelled(self) -> int:
        """Number of documents with a label."""
        return int(np.count_nonzero(np.diff(self.labels.indptr)))

    @property
    def n_pairs(self) -> int:
        """Number of pairs that were named."""
        return int(self.pairs.nnz) // 2

    @property
    def n_known(self) -> int:
        """Number of documents with a label or in a pair."""
        return int(np.count_nonzero(np.diff(self.labels.indptr) + np.diff(self.pairs.indptr)))

    @property
    def says_something(self) -> bool:
        """Whether two documents share a label, or a pair was named."""
        return bool(self.pairs.nnz) or bool((self.labels.sum(axis=0) > 1).any())

    def among(self, rows: NDArray[np.int64]) -> Supervision:
        """The same of some of the documents, which are then counted from 0 in the order of `rows`."""
        return Supervision(self.labels[rows], self.pairs[rows][:, rows])

    def known(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """What is known of each pair of rows, `(B, B)`: above 0 alike, below 0 not alike, 0 unknown or one document.

        It is `NAMED` or `-NAMED` where a person named the pair, 1 or -1 where labels say it.
        """
        labels = self.labels[rows]  # (B, n_labels)
        has_label = np.diff(labels.indptr) > 0  # (B,)
        share = dense_product(labels, csr_matrix(labels.T)) > 0  # (B, B)
        known = np.where(has_label[:, None] & has_label[None, :], np.where(share, 1, -1), 0).astype(np.float32)
        if self.pairs.nnz:
            named: NDArray[np.float32] = self.pairs[rows][:, rows].toarray()
            known = np.where(named != 0, named, known)
        known[rows[:, None] == rows[None, :]] = 0
        return known

    def drawn(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """`n` documents of which something is known, or one less, at random with repetition; pairs together.

        Where there are labels and pairs, about half are of pairs.
        """
        labelled = np.flatnonzero(np.diff(self.labels.indptr))
        n_pairs = (n // 4 if len(labelled) else n // 2) if self.pairs.nnz else 0
        drawn = [rng.choice(labelled, n - 2 * n_pairs)] if len(labelled) else []
        if n_pairs:
            which = rng.integers(self.pairs.nnz, size=n_pairs)
            firsts = np.searchsorted(self.pairs.indptr, which, side="right") - 1
            drawn += [firsts, self.pairs.indices[which]]
        return np.concatenate(drawn).astype(np.int64)


def _matrix(entries: dict[tuple[int, int], float], shape: tuple[int, int]) -> csr_matrix:
    where = np.array(sorted(entries), dtype=np.int64).reshape(-1, 2).T  # (2, nnz)
    values = np.array([entries[entry] for entry in sorted(entries)], dtype=np.float32)
    return csr_matrix((values, (where[0], where[1])), shape=shape)
