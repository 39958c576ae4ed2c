"""Drift: how far a collection and its queries have moved from what its codes were learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection, bindparam, select

from service.hashing.codes import unpack
from service.store import buckets, documents, schema, usage
from service.store.spaces import CodeSpace

CODES = schema.codes

GROWTH = 0.5
"""Growth of a collection from which a retrain is advised, unless its policy says another."""
_MORE_UNKNOWN, _UNKNOWN_QUERIES = 0.1, 0.2
_FAR_QUANTILE, _FAR_SHARE = 0.9, 0.25
_BIT_SHIFT = 0.15
_LEAST = 200
"""Fewest documents or queries that say anything."""
_CODES = 2_000

Kind = Literal["untrained", "growth", "unknown_documents", "unknown_queries", "far_queries", "bits"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a retrain is advised; `text` has the figures."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Drift:
    """Figures of the active space; None where too little is known.

    Attributes:
        n_documents: documents that the collection has.
        n_learned: that it had when the space was learned; None of an untrained one.
        growth: how many more it has now, as a share of those.
        unknown_documents: share of the documents put since, while this space was active, without a known word.
        learned_unknown: the same share of held-out documents at the training.
        unknown_queries: share of the queries without a known word.
        far_queries: share of the later queries whose nearest document is farther than that of nine in ten of the
            space's first thousand queries.
        bit_shift: mean difference between the share of ones of a bit in documents put since and at the training.
    """

    n_documents: int
    n_learned: int | None
    growth: float | None
    unknown_documents: float | None
    learned_unknown: float | None
    unknown_queries: float | None
    far_queries: float | None
    bit_shift: float | None

    def reasons(self, least_documents: int, growth: float = GROWTH) -> list[Reason]:
        """Why a retrain is advised; empty if it is not.

        Args:
            least_documents: fewest documents that a training learns from.
            growth: growth from which it is advised.
        """
        if self.n_documents < least_documents:
            return []
        found: list[Reason] = []
        if self.n_learned is None:
            found.append(Reason("untrained", f"the codes are untrained, and there are {self.n_documents:,} documents"))
        elif self.growth is not None and self.growth >= growth:
            text = (
                f"the collection has grown by {self.growth:.0%}: {self.n_learned:,} documents were there, now there are"
            )
            found.append(Reason("growth", f"{text} {self.n_documents:,}"))
        return found + [Reason(kind, text) for kind, is_so, text in self._signs() if is_so]

    def _signs(self) -> list[tuple[Kind, bool, str]]:
        """Each sign of drift, whether it is there, and what it says."""
        before = self.learned_unknown or 0.0
        new, queries, far, shift = (
            x or 0.0 for x in (self.unknown_documents, self.unknown_queries, self.far_queries, self.bit_shift)
        )
        return [
            (
                "unknown_documents",
                new > before + _MORE_UNKNOWN,
                f"{new:.0%} of new documents have no word that the codes know, {before:.0%} had none at the training",
            ),
            (
                "unknown_queries",
                queries > _UNKNOWN_QUERIES,
                f"{queries:.0%} of the queries have no word that the codes know",
            ),
            (
                "far_queries",
                far > _FAR_SHARE,
                f"{far:.0%} of the later queries are farther from their nearest document than {_FAR_QUANTILE:.0%} of "
                "the first ones were",
            ),
            (
                "bits",
                shift > _BIT_SHIFT,
                f"the bits of new documents are ones more or less often than at the training, by {shift:.2f}",
            ),
        ]


def read(connection: Connection, active: CodeSpace, n_documents: int) -> Drift:
    """The drift of a collection from its active space.

    Cost: reads the counts of the space, and at most 2,000 codes.
    """
    report: Mapping[str, Any] = active.report or {}
    learned: Mapping[str, Any] = (report.get("training") or {}).get("collection") or {}
    n_learned, counts = learned.get("n_documents"), usage.get(connection, active.id)
    n_queries = counts.n_queries + counts.n_unknown_queries
    return Drift(
        n_documents,
        n_learned,
        None if not n_learned else n_documents / n_learned - 1,
        _share(counts.n_unknown_documents, counts.n_documents),
        report.get("without_features"),
        _share(counts.n_unknown_queries, n_queries),
        _far(counts.first_nearest, counts.nearest),
        _bit_shift(connection, active, learned.get("last_key"), report.get("bit_balance")),
    )


def mark(connection: Connection, collection_id: int) -> dict[str, int]:
    """Where a collection is as a training begins, for the `collection` of its report. Cost: linear in the documents."""
    return {
        "n_documents": documents.count(connection, collection_id),
        "last_key": documents.last_key(connection, collection_id),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole >= _LEAST else None


def _far(first: Mapping[int, int], later: Mapping[int, int]) -> float | None:
    """Share of the later queries that are farther than the usual quantile of the first ones."""
    if min(sum(first.values()), sum(later.values())) < _LEAST:
        return None
    distances = np.array(sorted(first))
    reached = np.cumsum([first[distance] for distance in distances.tolist()]) / sum(first.values())
    usual = int(distances[np.searchsorted(reached, _FAR_QUANTILE)])
    return sum(n for distance, n in later.items() if distance > usual) / sum(later.values())


def _bit_shift(
    connection: Connection, space: CodeSpace, last_key: int | None, balance: list[float] | None
) -> float | None:
    """Mean difference of the share of ones of each bit, of documents after a key."""
    if last_key is None or balance is None:
        return None
    found = [*connection.scalars(_NEW_CODES, {"space": space.id, "after": last_key, "limit": _CODES})]
    if len(found) < _LEAST:
        return None
    ones = unpack(buckets.stack(found, space.n_bits // 8)).mean(axis=0)
    return float(np.abs(ones - np.array(balance)).mean())


_NEW_CODES = (
    select(CODES.c.code)
    .where(CODES.c.space_id == bindparam("space"), CODES.c.document_key > bindparam("after"), CODES.c.code.is_not(None))
    .order_by(CODES.c.document_key)
    .limit(bindparam("limit"))
)
