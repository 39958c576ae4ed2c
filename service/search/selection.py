"""Selection: one page of a ranking, without what is gone, too low or lacks a phrase; made diverse, and grouped."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection

from service.errors import InvalidInput
from service.index.columns.filters import Scalar
from service.index.columns.view import ColumnView
from service.index.key_mask import KeyMask
from service.search.diversity import diverse_order
from service.search.hybrid import CANDIDATES, HybridRanker
from service.search.phrase_check import PhraseCheck
from service.search.ranking import Ranker, Ranking, SortedRanker
from service.search.request import SearchRequest
from service.search.sources import SearchSource

_MOST_GROUPED = 10_000
"""Best matches among which groups are looked for."""
_MOST_GROUPED_BY_SCORE = 1_000
"""The same where each costs a score by words and code."""
_MOST_COUNTED = 1_000
"""Values of a field up to which it is known when all of their documents are in the groups."""
_MOST_DIVERSE = 1_000
"""Best matches among which those unlike one another are chosen, unless the page alone is longer."""


@dataclass(frozen=True, slots=True)
class Group:
    """Matches with one value of a field; None is that of documents without the field."""

    value: Scalar | None
    n_matches: int


@dataclass(frozen=True, slots=True)
class Page:
    """The matches of one page, and the groups that they are of, in order, where groups were asked for."""

    ranking: Ranking
    groups: tuple[Group, ...] | None = None


Groups = list[tuple[Scalar | None, list[int]]]
"""Values with the places of their best matches."""


@dataclass(slots=True)
class Selection:
    """Chooses the page of one query.

    Attributes:
        ranker: finds and scores documents.
        request: says which page, and how to choose.
        source: has the codes that tell how alike matches are.
        columns: have the values of groups.
        passing: the documents that may be matches; None for all.
        phrases: that matches must hold, or must not; None if none were asked for.
        gone: keys of documents that do not exist any more.
        is_exact: whether no better match can have been missed.
    """

    ranker: Ranker
    request: SearchRequest
    source: SearchSource
    columns: ColumnView | None = None
    passing: KeyMask | None = None
    phrases: PhraseCheck | None = None
    gone: set[int] = field(default_factory=set)
    is_exact: bool = True
    _n_documents: dict[tuple[bool, Scalar | None], int] | None = None
    _n_values: int = 0

    def page(self, connection: Connection) -> Page:
        """The matches from `offset` on. Blocks."""
        request = self.request
        end = request.offset + request.k
        if request.group_by is None:
            ranking, _ = self._ordered(connection, end)
            return Page(self._scored(connection, ranking[request.offset : end]))
        n = max(CANDIDATES, end * request.group_size)
        most = _MOST_GROUPED_BY_SCORE if isinstance(self.ranker, HybridRanker) else _MOST_GROUPED
        while True:
            ranking, is_all = self._ordered(connection, n)
            members = self._grouped(ranking, request.group_by)
            is_full = self._are_full(members, request.group_by)
            if is_all or is_full or n >= most:
                break
            n = min(most, 4 * n)
        self.is_exact &= is_all or is_full
        of_page = members[request.offset : end]
        places = np.array([place for _, places in of_page for place in places], dtype=np.int64)
        groups = tuple(Group(value, len(places)) for value, places in of_page)
        return Page(self._scored(connection, ranking[places]), groups)

    def _scored(self, connection: Connection, ranking: Ranking) -> Ranking:
        """A page of what was sorted is scored at last, without those before it."""
        if isinstance(self.ranker, SortedRanker) and not self.ranker.needs_scores:
            return self.ranker.scored(connection, ranking.keys)
        return ranking

    def _ordered(self, connection: Connection, n: int) -> tuple[Ranking, bool]:
        """At least `n` of those that are left, in the order of the answer, and whether these are all."""
        request = self.request
        if not request.diversity:
            return self._left(connection, n)
        n_diverse = max(CANDIDATES, request.k, min(10 * request.k, _MOST_DIVERSE))
        ranking, is_all = self._left(connection, max(n, n_diverse))
        head = ranking[:n_diverse]
        codes, has_code = self.source.codes(connection, head.keys)
        relevance = head.relevance(self.source.space.n_bits)
        order = diverse_order(relevance, codes, has_code, request.diversity, n)
        return head[order].followed_by(ranking[n_diverse:]), is_all

    def _left(self, connection: Connection, n: int) -> tuple[Ranking, bool]:
        """At least `n` of those that are left, best first, and whether these are all."""
        request, n_asked = self.request, n + len(self.gone)
        while True:
            ranking, is_all = self.ranker.best(connection, n_asked)
            if self.gone:
                ranking = ranking[~np.isin(ranking.keys, list(self.gone))]
            if request.min_score is not None and ranking.scores is not None:
                is_enough = ranking.scores >= request.min_score
                is_all = is_all or (request.sort is None and not is_enough.all())
                ranking = ranking[is_enough]
            if self.phrases is not None:
                ranking, is_all = self._with_phrases(connection, self.phrases, ranking, n, is_all)
            if is_all or len(ranking) >= n:
                return ranking, is_all
            n_asked *= 2

    def _with_phrases(
        self, connection: Connection, phrases: PhraseCheck, ranking: Ranking, n: int, is_all: bool
    ) -> tuple[Ranking, bool]:
        """Those that hold the phrases, up to the first `n`; once no more texts may be read, there are no more."""
        places = phrases.first(connection, ranking.keys.tolist(), n)
        if phrases.has_ended:
            self.is_exact = False
        return ranking[places], is_all or phrases.has_ended

    def _grouped(self, ranking: Ranking, name: str) -> Groups:
        """The groups in the order of their best matches, with the places of these."""
        assert self.columns is not None
        try:
            values = self.columns.values(ranking.keys, name)
        except InvalidInput as error:
            raise InvalidInput(f"group_by: {error}") from None
        found: dict[tuple[bool, Scalar | None], list[int]] = {}
        for place, value in enumerate(values):
            places = found.setdefault(_identity(value), [])
            if len(places) < self.request.group_size:
                places.append(place)
        return [(value, places) for (_, value), places in found.items()]

    def _are_full(self, groups: Groups, name: str) -> bool:
        """Whether no further match can change the groups of the page."""
        request = self.request
        end = request.offset + request.k
        open_groups = [(value, len(places)) for value, places in groups[:end] if len(places) < request.group_size]
        if len(groups) >= end and not open_groups:
            return True
        if self._n_documents is None:
            assert self.columns is not None
            counted = self.columns.count(name, self.passing, _MOST_COUNTED)
            self._n_documents = {_identity(value): n for value, n in counted.values} | {
                _identity(None): counted.n_missing
            }
            self._n_values = counted.n_distinct + (counted.n_missing > 0)
        has_all = len(groups) >= min(end, self._n_values)
        return has_all and all(self._n_documents.get(_identity(value)) == n for value, n in open_groups)


def _identity(value: Scalar | None) -> tuple[bool, Scalar | None]:
    """What tells values apart: true is not 1."""
    return isinstance(value, bool), value
