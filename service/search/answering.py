"""Answering: some queries of one request from one state, in one transaction: ranked, selected, fetched, counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from math import isnan
from typing import Any

import numpy as np
from sqlalchemy import Connection

from service import tracing
from service.config import Settings
from service.errors import TooMuchToRead
from service.hashing.content import Embedding
from service.index.columns.view import ColumnView
from service.index.key_mask import KeyMask, Keys
from service.search import facets
from service.search.asked import Asked
from service.search.explaining import ToExplain
from service.search.facets import Facet
from service.search.highlighting import Highlighter, written
from service.search.hybrid import PHRASE_CANDIDATES, HybridRanker
from service.search.nearest import (
    CodeLikeness,
    Likeness,
    NearestRanker,
    RerankedRanker,
    VectorLikeness,
    WordLikeness,
)
from service.search.phrase_check import PhraseCheck
from service.search.ranking import Ranker, Ranking, SortedRanker
from service.search.request import SearchRequest
from service.search.results import Match, SearchResult, Work
from service.search.selection import Page, Selection
from service.search.sources import QueryCodes
from service.search.state import State
from service.store import document_summaries, documents
from service.store.document_summaries import DocumentSummary, Shown

_FEWEST_SORTED = 1_000
"""Matches that are put in order at least: where some are gone, the next take their places."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A result, and what explains it where that was asked for."""

    result: SearchResult
    to_explain: ToExplain | None = None

    @property
    def n_chars(self) -> int:
        """Characters of its documents; one counts as often as it is a match."""
        return sum(match.document.n_chars for match in self.result.matches)


@dataclass(slots=True)
class Answering:
    """Some queries of one request, answered in one transaction.

    Attributes:
        passing: the documents that pass the filter; None for all.
        max_chars: most characters of documents that may be read.
        everything: all documents.
        orders, counts: by the id of a mask of matches, the first of them in order, and their counts.
    """

    connection: Connection
    state: State
    request: SearchRequest
    columns: ColumnView | None
    passing: KeyMask | None
    settings: Settings
    max_chars: int
    everything: KeyMask | None = None
    orders: dict[int, Keys] = field(default_factory=dict)
    counts: dict[int, list[Facet]] = field(default_factory=dict)

    def answer(self, asked: Sequence[Asked]) -> list[Answered]:
        """One answer for each query. Blocks.

        Raises:
            TooMuchToRead: the documents are longer than may be read.
            InvalidInput: groups of a field that has lists.
        """
        with tracing.span("search"):
            rankers = self._rankers(asked)
            matching = [self._matching(ranker, one) for ranker, one in zip(rankers, asked, strict=True)]
            selections = [
                self._selection(ranker, one, keys) for ranker, one, keys in zip(rankers, asked, matching, strict=True)
            ]
            pages = [selection.page(self.connection) for selection in selections]
        with tracing.span("fetch"):
            present = self._fetch({key for page in pages for key in page.ranking.keys.tolist()})
        for place, (selection, page) in enumerate(zip(selections, pages, strict=True)):
            pages[place] = self._existing(selection, page, present)
        answered = [
            self._answered(*parts, present) for parts in zip(asked, rankers, selections, pages, matching, strict=True)
        ]
        if sum(one.n_chars for one in answered) > self.max_chars:
            raise TooMuchToRead(self.max_chars)
        return answered

    # restrict, rank

    def _rankers(self, asked: Sequence[Asked]) -> list[Ranker]:
        if self.request.kind == "similar":
            return list(self._nearest(asked))
        return [self._hybrid(one) for one in asked]

    def _nearest(self, asked: Sequence[Asked]) -> list[Ranker]:
        """By code; what is nearest to many queries is found together."""
        request, source = self.request, self.state.source
        nearest = [
            NearestRanker(source, one.query_codes, request.radius, self.passing, next(iter(one.leave_out), None))
            for one in asked
        ]
        if request.rerank is not None:
            likenesses = [likeness for one in asked if (likeness := self._likeness(one)) is not None]
            if len(likenesses) == len(asked):
                n = request.n_shortlisted(self.settings)
                return [RerankedRanker(*pair, n) for pair in zip(nearest, likenesses, strict=True)]
        if len(asked) > 1 and request.sort is None:
            n = request.offset + request.k
            together = QueryCodes.joined([one.query_codes for one in asked])
            found = source.nearest(self.connection, together, n, request.radius, self.passing)
            for ranker, neighbors in zip(nearest, found, strict=True):
                ranker.first = n, neighbors
        return list(nearest)

    def _likeness(self, asked: Asked) -> Likeness | None:
        """What re-ranks; None where the words that would are not at hand."""
        if self.request.rerank == "confidence" and asked.direction is not None:
            return CodeLikeness(self.state.source, asked.direction)
        if isinstance(asked.content, Embedding):
            return VectorLikeness(asked.content, self.max_chars)
        if asked.content is None or self.state.replica is None:
            return None
        return WordLikeness(asked.content, self.state.replica)

    def _hybrid(self, asked: Asked) -> Ranker:
        """By words, by code or by both, within a radius of the query's own code where one is asked for."""
        allowed, radius, source = self.passing, self.request.radius, self.state.source
        if radius is not None and asked.code is not None:
            allowed = source.within(self.connection, asked.query_codes, radius, allowed)
        needs_texts = asked.words is not None and asked.words.needs_texts
        ranker = HybridRanker(
            source,
            self.state.replica if self.request.rank != "code" else None,
            asked.clauses,
            asked.direction if self.request.rank != "words" or self.state.replica is None else None,
            asked.code,
            allowed,
            asked.leave_out,
        )
        if needs_texts:
            ranker.n_by_words = PHRASE_CANDIDATES
        return ranker

    # sort, select

    def _matching(self, ranker: Ranker, asked: Asked) -> KeyMask | None:
        """Every document that matches, where they are counted or sorted."""
        if self.columns is None or not (self.request.counted or self.request.sort):
            return None
        matching = ranker.matching(self.connection)
        if matching is None:
            allowed = ranker.allowed if isinstance(ranker, HybridRanker) else self.passing
            matching = self._everything(self.columns) if allowed is None else allowed
            if asked.leave_out:
                matching = matching.without(np.array(sorted(asked.leave_out), np.int64))
        return matching

    def _everything(self, columns: ColumnView) -> KeyMask:
        if self.everything is None:
            self.everything = columns.all_keys()
        return self.everything

    def _first(self, columns: ColumnView, matching: KeyMask, n: int) -> Keys:
        """The keys of the first matches in the order of a field; found once for queries that match the same."""
        known = self.orders.get(id(matching))
        if known is None or len(known) < min(n, len(matching)):
            keys, request = matching.allowed_keys(), self.request
            known = keys[columns.ordered(keys, request.sort_field, request.is_descending, max(n, _FEWEST_SORTED))]
            self.orders[id(matching)] = known
        return known[:n]

    def _counted(self, columns: ColumnView, matching: KeyMask) -> list[Facet]:
        """The counts of all matches; once for queries that match the same."""
        if id(matching) not in self.counts:
            self.counts[id(matching)] = [facets.count(columns, one, matching) for one in self.request.counted]
        return self.counts[id(matching)]

    def _selection(self, ranker: Ranker, asked: Asked, matching: KeyMask | None) -> Selection:
        request = self.request
        if request.sort is not None and self.columns is not None and matching is not None:
            first = partial(self._first, self.columns, matching)
            needs_scores = request.min_score is not None
            ranker = SortedRanker(ranker, len(matching), first, needs_scores=needs_scores)
        phrases = None
        if asked.words is not None and asked.words.needs_texts and self.state.replica is not None:
            phrases = PhraseCheck(asked.words, self.state.replica.analyzer, self.max_chars)
        return Selection(ranker, request, self.state.source, self.columns, self.passing, phrases)

    # fetch

    def _fetch(self, keys: set[int]) -> dict[int, DocumentSummary]:
        shown = self.request.shown
        if self.request.highlight or self.request.explain:
            shown = Shown(True, shown.metadata, True)
        return document_summaries.summaries(self.connection, list(keys), self.max_chars, shown)

    def _existing(self, selection: Selection, page: Page, present: dict[int, DocumentSummary]) -> Page:
        """The page without documents that are gone, which others take the place of; `present` learns of these."""
        ahead = self.request.offset + self.request.k
        while missing := [key for key in page.ranking.keys.tolist() if key not in present]:
            selection.gone.update(missing)
            ahead *= 4
            ranking, _ = selection.ranker.best(self.connection, ahead)
            further = [key for key in ranking.keys[:ahead].tolist() if key not in present]
            selection.gone.update(set(further) - documents.revisions(self.connection, further).keys())
            page = selection.page(self.connection)
            present |= self._fetch({key for key in page.ranking.keys.tolist() if key not in present})
        return page

    # count, highlight

    def _answered(
        self,
        asked: Asked,
        ranker: Ranker,
        selection: Selection,
        page: Page,
        matching: KeyMask | None,
        present: dict[int, DocumentSummary],
    ) -> Answered:
        request, state = self.request, self.state
        replica = state.replica
        matches = self._matches(page.ranking, present)
        if request.highlight and replica is not None:
            matches = Highlighter.of(asked, replica).highlighted(matches)
        has_words = replica is not None and request.kind != "similar" and request.rank != "code"
        result = SearchResult(
            matches,
            state.source.space,
            None if asked.code is None else asked.code.tobytes(),
            self._work(ranker, matching),
            asked.is_known(state.source.space),
            {} if asked.words is None or replica is None else written(asked.words.corrected, replica, matches),
            replica.analyzer.language if has_words and replica is not None else None,
            ("words",) if state.needs_words and replica is None else (),
            ranker.is_exact and selection.is_exact,
            [] if matching is None or self.columns is None else self._counted(self.columns, matching),
            page.groups,
            None if self.columns is None else facets.unknown_fields(self.columns, request.column_fields),
        )
        if not request.explain:
            return Answered(result)
        return Answered(result, ToExplain.of(self.connection, state, asked, ranker, result))

    def _matches(self, ranking: Ranking, present: dict[int, DocumentSummary]) -> list[Match]:
        n = len(ranking)
        nothing: list[Any] = [None] * n
        distances = (
            nothing if ranking.distances is None else [d if d >= 0 else None for d in ranking.distances.tolist()]
        )
        scores = nothing if ranking.scores is None else ranking.scores.tolist()
        words = nothing if ranking.words is None else ranking.words.tolist()
        codes = nothing
        if ranking.agreements is not None:
            codes = [None if isnan(agreement) else agreement for agreement in ranking.agreements.tolist()]
        keys = ranking.keys.tolist()
        sort_values: list[Any] = nothing
        if self.request.sort and self.columns is not None:
            sort_values = self.columns.sort_values(ranking.keys, self.request.sort_field, self.request.is_descending)
        return [
            Match(present[key], distance, score, word, code, None, sort_value)
            for key, distance, score, word, code, sort_value in zip(
                keys, distances, scores, words, codes, sort_values, strict=True
            )
        ]

    def _work(self, ranker: Ranker, matching: KeyMask | None) -> Work:
        n_matching = None if matching is None else len(matching)
        n_scored = n_reranked = 0
        if isinstance(ranker, HybridRanker):
            n_scored = ranker.n_scored
            n_matching = ranker.n_matching if n_matching is None else n_matching
        elif isinstance(ranker, RerankedRanker):
            n_reranked = ranker.n_reranked
        n_passing = None if self.passing is None else len(self.passing)
        return Work(self.state.source.name, ranker.stats, n_passing, n_matching, n_scored, n_reranked)
