"""Judging codes by what people said: do they find documents of the same label, do they keep named pairs near or far.

Nothing that a training learned from is asked about: queries by label are held-out documents, and of each pair at least
one document is no training document.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from service.hashing.codes import Codes
from training.data.split import Split
from training.data.supervision import Supervision
from training.loops.products import dense_product
from training.recall import all_distances, inclusion

MAX_PAIRS = 1_000
LEAST = 10
"""Fewest queries with a label, or pairs, that say anything."""
_AT_ONCE = 256


@dataclass(frozen=True)
class Questions:
    """What is asked of codes, by rows of the documents that are evaluated.

    Attributes:
        queries: `(n_queries,)` int64, places of the queries whose label documents of the database have too.
        labels: `(n_queries, n_labels)` CSR float32, those of the queries.
        database_labels: `(n, n_labels)` CSR float32, those of the documents that are searched.
        pairs: `(n_pairs, 2)` int64, the named documents.
        similar: `(n_pairs,)` bool, what was said of them.
    """

    queries: NDArray[np.int64]
    labels: csr_matrix
    database_labels: csr_matrix
    pairs: NDArray[np.int64]
    similar: NDArray[np.bool_]

    @classmethod
    def of(cls, said: Supervision, parts: Split, queries: NDArray[np.int64], database: NDArray[np.int64]) -> Questions:
        """The questions that what people said allows.

        Args:
            said: what is known of all documents.
            parts: their split.
            queries: rows of held-out documents.
            database: rows of documents that are searched.
        """
        labels, database_labels = said.labels[queries], said.labels[database]
        occurs = np.asarray(database_labels.sum(axis=0)).ravel()  # (n_labels,)
        has_some = labels @ occurs > 0
        named = coo_matrix(said.pairs)
        is_learned_from = np.zeros(said.pairs.shape[0], dtype=bool)
        is_learned_from[parts.train] = True
        is_new = (named.row < named.col) & ~(is_learned_from[named.row] & is_learned_from[named.col])
        kept = np.flatnonzero(is_new)[:MAX_PAIRS]
        pairs = np.stack([named.row[kept], named.col[kept]], axis=1).astype(np.int64)
        return cls(np.flatnonzero(has_some), labels[has_some], database_labels, pairs, named.data[kept] > 0)

    @property
    def n_asked(self) -> dict[str, int]:
        """How many questions there are by "label" and by "pairs"."""
        return {"label": len(self.queries), "pairs": len(self.pairs)}

    @property
    def named(self) -> NDArray[np.int64]:
        """Rows of the documents of pairs, ascending."""
        return np.unique(self.pairs)

    def answers(self, query_codes: Codes, codes: Codes, named: Codes, shortlist: int) -> dict[str, NDArray[np.float64]]:
        """What codes find, for each query by "label" and each pair by "pairs"; without what too few are asked for.

        Args:
            query_codes: of all queries, those without a label too.
            codes: of the database.
            named: of the documents `named`.
            shortlist: number of nearest documents that count.
        """
        found: dict[str, NDArray[np.float64]] = {}
        if len(self.queries) >= LEAST:
            found["label"] = self._label_shares(query_codes[self.queries], codes, shortlist)
        if len(self.pairs) >= LEAST:
            found["pairs"] = self._pair_shares(named, codes)
        return found

    def _label_shares(self, asked: Codes, stored: Codes, shortlist: int) -> NDArray[np.float64]:
        """Expected share of the shortlist that shares a label with each query, ties random: `(n_queries,)`."""
        shares, by_label = np.empty(len(asked)), csr_matrix(self.database_labels.T)
        for start in range(0, len(asked), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            is_relevant = dense_product(self.labels[part], by_label) > 0  # (B, n)
            for row, distances in enumerate(all_distances(asked[part], stored)):
                found = inclusion(distances, shortlist)[is_relevant[row]].sum()
                shares[start + row] = found / min(shortlist, len(stored))
        return shares

    def _pair_shares(self, named: Codes, stored: Codes) -> NDArray[np.float64]:
        """Share of the documents that are on the right side of each pair, `(n_pairs,)`; ties count one half.

        Farther from one document of the pair than the other is, if they are alike; else nearer.
        """
        first, second = named[np.searchsorted(self.named, self.pairs)].swapaxes(0, 1)  # (n_pairs, n_bytes) each
        shares = np.empty(len(first))
        for start in range(0, len(first), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            own = np.diagonal(all_distances(first[part], second[part]))[:, None]
            distances = all_distances(first[part], stored)  # (B, n)
            shares[part] = ((distances > own) + 0.5 * (distances == own)).mean(axis=1)
        return np.where(self.similar, shares, 1 - shares)
