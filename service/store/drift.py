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
_KEPT = 0.7
"""Share of what codes keep of documents that they learned from, below which they keep too little of new ones. Of posts
to ten news groups: .99 of later ones, .80 and .57 where a quarter and half of them went to other groups, .15 if all."""
LEAST = 200
"""Fewest documents or queries that say anything."""
_CODES = 2_000
_RANGE = 20

Kind = Literal["untrained", "growth", "unknown_documents", "unknown_queries", "far_queries", "bits", "reconstruction"]


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
        learned_loss: share of the features of documents of the training that a linear decoder cannot tell from codes.
        new_loss: the same of documents that came since.
    """

    n_documents: int
    n_learned: int | None
    growth: float | None
    unknown_documents: float | None
    learned_unknown: float | None
    unknown_queries: float | None
    far_queries: float | None
    bit_shift: float | None
    learned_loss: float | None = None
    new_loss: float | None = None

    @property
    def kept(self) -> float | None:
        """What codes keep of new documents, as a share of what they keep of those that they learned from."""
        if self.learned_loss is None or self.new_loss is None or self.learned_loss >= 1:
            return None
        return max(0.0, 1 - self.new_loss) / (1 - self.learned_loss)

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
            (
                "reconstruction",
                self.kept is not None and self.kept < _KEPT,
                f"the codes keep {self.kept or 0:.0%} as much of new documents as of those that they learned from",
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
        *_reconstruction(report),
    )


def is_reconstruction_due(connection: Connection, active: CodeSpace) -> bool:
    """Whether enough documents came since the reconstruction of a trained space was measured, or never was."""
    last_key = _last_learned(active)
    if last_key is None:
        return False
    measured = ((active.report or {}).get("reconstruction") or {}).get("last_key", last_key)
    parameters = {"space": active.id, "after": measured, "limit": LEAST}
    return len(connection.execute(_NEW_CODES, parameters).all()) == LEAST


def codes_of_learned(connection: Connection, space: CodeSpace, n: int) -> dict[int, bytes]:
    """Codes by key of about `n` documents that were there at the training: of all ages, in no order.

    Cost: a few hundred short ranges of an index.
    """
    last_key = _last_learned(space) or 0
    first_key = connection.execute(_FIRST_KEY, {"space": space.id}).scalar() or 0
    places = np.random.default_rng(0).permutation(np.linspace(first_key, last_key, -(-n // _RANGE), endpoint=False))
    found: dict[int, bytes] = {}
    for place in places.astype(np.int64).tolist():
        rows = connection.execute(_CODES_OF_OLD, {"space": space.id, "after": place - 1, "last": last_key})
        found |= {row.document_key: row.code for row in rows}
    return found


def codes_of_new(connection: Connection, space: CodeSpace, n: int) -> dict[int, bytes]:
    """Codes by key of the latest `n` documents that came after the training, the latest first."""
    parameters = {"space": space.id, "after": _last_learned(space) or 0, "limit": n}
    return {row.document_key: row.code for row in connection.execute(_LATEST_CODES, parameters)}


def _last_learned(space: CodeSpace) -> int | None:
    """The greatest key of a document at the training of a space; None of one that is untrained."""
    training: Mapping[str, Any] = (space.report or {}).get("training") or {}
    last_key: int | None = (training.get("collection") or {}).get("last_key")
    return last_key


def _reconstruction(report: Mapping[str, Any]) -> tuple[float | None, float | None]:
    measured: Mapping[str, float] = report.get("reconstruction") or {}
    return measured.get("learned_loss"), measured.get("new_loss")


def mark(connection: Connection, collection_id: int) -> dict[str, int]:
    """Where a collection is as a training begins, for the `collection` of its report. Cost: linear in the documents."""
    return {
        "n_documents": documents.count(connection, collection_id),
        "last_key": documents.last_key(connection, collection_id),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole >= LEAST else None


def _far(first: Mapping[int, int], later: Mapping[int, int]) -> float | None:
    """Share of the later queries that are farther than the usual quantile of the first ones."""
    if min(sum(first.values()), sum(later.values())) < LEAST:
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
    if len(found) < LEAST:
        return None
    ones = unpack(buckets.stack(found, space.n_bits // 8)).mean(axis=0)
    return float(np.abs(ones - np.array(balance)).mean())


_NEW_CODES = (
    select(CODES.c.code)
    .where(CODES.c.space_id == bindparam("space"), CODES.c.document_key > bindparam("after"), CODES.c.code.is_not(None))
    .order_by(CODES.c.document_key)
    .limit(bindparam("limit"))
)
_LIVES = (CODES.c.space_id == bindparam("space"), CODES.c.code.is_not(None))
_FIRST_KEY = select(CODES.c.document_key).where(*_LIVES).order_by(CODES.c.document_key).limit(1)
_CODES_OF_OLD = (
    select(CODES.c.document_key, CODES.c.code)
    .where(*_LIVES, CODES.c.document_key > bindparam("after"), CODES.c.document_key <= bindparam("last"))
    .order_by(CODES.c.document_key)
    .limit(_RANGE)
)
_LATEST_CODES = (
    select(CODES.c.document_key, CODES.c.code)
    .where(*_LIVES, CODES.c.document_key > bindparam("after"))
    .order_by(CODES.c.document_key.desc())
    .limit(bindparam("limit"))
)
