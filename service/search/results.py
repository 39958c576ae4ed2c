"""What a search gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from service.index.columns.filters import Scalar
from service.index.hamming.answers import Stats
from service.search.explain import Explanation
from service.search.facets import Facet
from service.search.highlight import Highlight
from service.search.selection import Group
from service.search.sources import SourceName
from service.store.document_summaries import DocumentSummary
from service.store.overviews import SpaceReference


class Match(NamedTuple):
    """A document and why it was found.

    Attributes:
        document: what is shown of it.
        distance: bits in which its code differs from the query's; None where codes were not asked, or it has none yet.
        score: what it is ranked by; None where that is the distance.
        words: its BM25; 0 if it has no word of the query. None where words were not asked.
        code: how far its code agrees with where the search looked, from -1 to 1; None as the distance is.
        highlight: its best passage, where it was asked for.
        sort_value: what it was ordered by, where another order was asked for.
        explanation: why it is a match, where that was asked for.
    """

    document: DocumentSummary
    distance: int | None
    score: float | None = None
    words: float | None = None
    code: float | None = None
    highlight: Highlight | None = None
    sort_value: Scalar | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """The work that a query took, step by step.

    Attributes:
        source: who searched the codes, the replica in memory or the hash table in SQL.
        stats: of the search by code.
        n_passing: documents that pass the filter; None without one.
        n_matching: documents that match, where they were counted.
        n_scored: documents that were scored.
        n_reranked: documents that were re-ranked.
    """

    source: SourceName
    stats: Stats | None = None
    n_passing: int | None = None
    n_matching: int | None = None
    n_scored: int = 0
    n_reranked: int = 0


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Matches of one query with what gave them.

    Similar documents ascend by distance, then by key; where ties are left to confidence, equal distances are first
    ordered by what the query's code would take to be theirs: the confidence of the bits in which they differ. All
    others descend by score and then in the order of arrival, re-ranked ones with equal scores as the nearest are.
    Those that were sorted are in that order, and those that were chosen for diversity in the order of choice.

    Attributes:
        matches: at most `k`, or at most `k` groups of them.
        space: the code space that answered.
        code: of the query; None where codes were not asked.
        work: the work it took.
        known: whether a document has a word of the query, or the hash function knows one; None of a stored document.
        corrected: what was typed, and what was looked for in its place.
        language: that words were analyzed by; None where words were not asked.
        partial: what was asked for and not at hand: the words, without which the order is that of the codes.
        exact: whether no better match can have been missed.
        facets: counts of the matches.
        groups: of the matches, in order; None where they were not asked for.
        hint: what may be wrong with the request, though it could be answered.
    """

    matches: list[Match]
    space: SpaceReference
    code: bytes | None
    work: Work
    known: bool | None = None
    corrected: Mapping[str, str] = field(default_factory=dict)
    language: str | None = None
    partial: tuple[Literal["words"], ...] = ()
    exact: bool = True
    facets: Sequence[Facet] = ()
    groups: Sequence[Group] | None = None
    hint: str | None = None
