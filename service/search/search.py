"""Search: from a request to its results, in named steps, down once and back once.

    locate      which collection, which source of codes, which words and metadata; the stored documents that ask
    read        the words of queries, and what the index is asked for
    encode      codes of texts
    restrict    which documents may be matches: the filter, and the radius around a query's code
    rank        the nearest by code, the best by words, or both fused; a shortlist in the order of its words
    sort        another order of all that match
    select      what is gone, too low or without a phrase left out; diverse; grouped; one page of it
    fetch       the documents of the page
    count       the facets of all that match
    highlight   the best passages

One state (`service.search.state`) is taken per request and kept to its end. Where the replica has not reached the seq
that a caller asks for, or is still being loaded, SQL has the codes and the metadata, with the same matches. Words are
in memory or not at all: where they are missing, codes alone answer, and the result says so.

The steps are synchronous functions that block; `answer` runs them, on the event loop where what they read is sure to be
short, else in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import isnan
from typing import Any

import numpy as np
from sqlalchemy import Connection

from service.config import Settings
from service.encoding import Encoder
from service.errors import TooMuchToRead
from service.hashing.content import size_of
from service.index.columns.filters import Scalar
from service.index.columns.from_sql import columns_from_sql
from service.index.columns.view import ColumnView
from service.index.key_mask import KeyMask, Keys
from service.index.replicas import Follower
from service.search import facets
from service.search.asked import Asked, AskedReader
from service.search.bits import BitDescriptions
from service.search.bounds import Bounds, located
from service.search.explaining import ToExplain, explained
from service.search.facets import Facet
from service.search.highlighting import Highlighter, written
from service.search.hybrid import PHRASE_CANDIDATES, HybridRanker
from service.search.nearest import NearestRanker, RerankedRanker
from service.search.phrase_check import PhraseCheck
from service.search.ranking import Ranker, Ranking, SortedRanker
from service.search.request import SearchRequest
from service.search.results import Match, SearchResult, Work
from service.search.selection import Page, Selection
from service.search.sources import MemorySource, QueryCodes
from service.search.state import State, locate
from service.store import documents
from service.store.database import Database
from service.store.documents import DocumentSummary, Shown

_RERANKED_AT_ONCE = 10_000
"""Documents of shortlists that the queries of one request hold at a time."""
_BRIEF_MATCHES, _BRIEF_HIGHLIGHTS, _BRIEF_DIVERSE = 200, 10, 20
"""Matches, those with highlights, and those unlike one another, that may be found on the event loop."""
_BRIEF_SHORTLIST, _BRIEF_QUERY_CHARS = 1_000, 2_000
"""Documents that may be re-ranked on the event loop, and characters of queries that are taken apart for that."""
_BRIEF_DOCUMENTS, _BRIEF_CHARS = 50_000, 1_000
"""Documents of a collection, and characters of a query, of which words are searched on the event loop."""
_SMALL_MATCHES = 1_000
"""Matches up to which a search does not wait for one of the threads for large ones."""


class Search:
    """Finds documents: similar to texts or to a stored one, for what a person types, or like examples.

    Args:
        database: where the truth is.
        encoder: gives codes to texts.
        follower: has the replicas of codes, words and metadata.
        settings: bounds of what a request may ask for.
        bits: what bits mean, for explanations; without it these leave that out.
    """

    def __init__(
        self,
        database: Database,
        encoder: Encoder,
        follower: Follower,
        settings: Settings,
        bits: BitDescriptions | None = None,
    ) -> None:
        self.database = database
        self.bits = bits
        self.encoder = encoder
        self.follower = follower
        self.settings = settings
        self.bounds = Bounds(database, settings)
        self.reader = AskedReader(encoder, settings)

    async def answer(self, request: SearchRequest) -> list[SearchResult]:
        """One result for each query of the request.

        Raises:
            InvalidInput: an option out of range, too many matches, too much to read, a condition on a field that has
                values of another type, or a query of excluded words only.
            InvalidContent: a text that cannot be hashed, with its position among several.
            NotFound: no such collection or document.
            SeqNotReached: the collection has not reached `at_least_seq`.
        """
        if request.document_id is not None and self.database.embedded and not request.explain:
            with suppress(TooMuchToRead):
                if (found := self._of_document(request)) is not None:
                    return found
        self.reader.check(request)
        state = await self._located(request)
        is_short = self._is_short(state, request)
        asked = await self.reader.read(state, request, is_short=is_short)
        answered: list[Answered] = []
        step = self._queries_at_once(request)
        for start in range(0, len(asked), step):
            part = asked[start : start + step]
            is_brief = is_short and self._is_brief(state, request, part)
            answered += await self.bounds.run(is_brief, self._is_large(request), self._answer, state, request, part)
            if sum(one.n_chars for one in answered) > self.settings.max_read_bytes:
                raise TooMuchToRead(self.settings.max_read_bytes)
        if not request.explain:
            return [one.result for one in answered]
        space = None
        if self.bits is not None:
            space = self.bits.at_hand(request.collection, state.source.space, state.last_seq)
        to_explain = [one.to_explain for one in answered if one.to_explain is not None]
        return await explained(to_explain, self.encoder, str(state.source.space.digest), space)

    def _of_document(self, request: SearchRequest) -> list[SearchResult] | None:
        """All steps for a stored document in one short transaction; None where it is not sure to be short."""
        with self.database.read() as connection:
            state = locate(connection, self.follower, self.settings, request, is_last=False)
            if state is None or not self._is_short(state, request):
                return None
            asked = self.reader.of_stored(state, request)
            if asked is None or not self._is_brief(state, request, [asked]):
                return None
            (answered,) = self._answered(connection, state, request, [asked], self.bounds.brief_chars)
            return [answered.result]

    # locate

    async def _located(self, request: SearchRequest) -> State:
        """Where the request is answered; replicas that are behind have a moment to catch up, then SQL answers."""

        def locate_now(is_last: bool) -> State | None:
            with self.database.read() as connection:
                return locate(connection, self.follower, self.settings, request, is_last=is_last)

        return await located(self.database, self.follower, self.settings.read_your_writes_s, locate_now)

    # bounds

    def _is_short(self, state: State, request: SearchRequest) -> bool:
        """Whether the request takes a few milliseconds at most, whatever its texts are."""
        most = _BRIEF_HIGHLIGHTS if request.highlight else _BRIEF_DIVERSE if request.diversity else _BRIEF_MATCHES
        if (request.offset + request.n_matches) > most or not isinstance(state.source, MemorySource):
            return False
        if request.rerank is not None and request.n_shortlisted(self.settings) * request.n_queries > _BRIEF_SHORTLIST:
            return False
        if request.kind != "similar" and (
            request.n_queries > 1
            or len(request.positive) + len(request.negative) > 1
            or len(state.source.replica.table) > _BRIEF_DOCUMENTS
        ):
            return False
        if request.needs_columns and (state.columns is None or len(state.columns) > _BRIEF_DOCUMENTS):
            return False
        return state.replica is None or len(state.replica.words) <= _BRIEF_DOCUMENTS

    def _is_brief(self, state: State, request: SearchRequest, asked: Sequence[Asked]) -> bool:
        """Whether the queries of a short request are such, too."""
        n_chars = sum(size_of(one.content) for one in asked if one.content is not None)
        if request.kind == "similar":
            reads_words = request.rerank is not None or request.highlight
            if reads_words and n_chars > _BRIEF_QUERY_CHARS:
                return False
            return state.source.is_brief(QueryCodes.joined([one.query_codes for one in asked]))
        return n_chars <= _BRIEF_CHARS and not any(one.words and one.words.needs_texts for one in asked)

    def _is_large(self, request: SearchRequest) -> bool:
        """Whether it waits for one of the threads for large work."""
        if request.kind == "similar" and request.rerank is None and not request.needs_columns:
            return request.n_matches > _SMALL_MATCHES
        return request.n_queries > 1 or request.rerank is not None or request.n_matches > _BRIEF_MATCHES

    def _queries_at_once(self, request: SearchRequest) -> int:
        if request.rerank is None:
            return max(1, request.n_queries)
        return max(1, _RERANKED_AT_ONCE // request.n_shortlisted(self.settings))

    # restrict, rank, sort, select, fetch, count, highlight

    def _answer(self, state: State, request: SearchRequest, asked: Sequence[Asked], max_chars: int) -> list[Answered]:
        with self.database.read() as connection:
            return self._answered(connection, state, request, asked, max_chars)

    def _answered(
        self, connection: Connection, state: State, request: SearchRequest, asked: Sequence[Asked], max_chars: int
    ) -> list[Answered]:
        columns = state.columns
        if columns is None and request.needs_columns:
            columns = columns_from_sql(connection, state.collection_id, request.column_fields).view()
        passing = None if request.condition is None or columns is None else columns.mask(request.condition)
        queries = _Queries(connection, state, request, columns, passing, self.settings, max_chars)
        return queries.answer(asked)


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
class _Queries:
    """Some queries of one request, answered in one transaction.

    Attributes:
        passing: the documents that pass the filter; None for all.
        max_chars: most characters of documents that may be read.
        everything, orders, counts: all documents, and by the id of a mask of matches their order and their counts.
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
        rankers = self._rankers(asked)
        matching = [self._matching(ranker, one) for ranker, one in zip(rankers, asked, strict=True)]
        selections = [
            self._selection(ranker, one, keys) for ranker, one, keys in zip(rankers, asked, matching, strict=True)
        ]
        pages = [selection.page(self.connection) for selection in selections]
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
        request, source, replica = self.request, self.state.source, self.state.replica
        nearest = [
            NearestRanker(source, one.query_codes, request.radius, self.passing, next(iter(one.leave_out), None))
            for one in asked
        ]
        if request.rerank is not None and replica is not None:
            n = request.n_shortlisted(self.settings)
            return [
                RerankedRanker(ranker, one.content, replica, n)
                for ranker, one in zip(nearest, asked, strict=True)
                if one.content is not None
            ]
        if len(asked) > 1 and request.sort is None:
            n = request.offset + request.k
            together = QueryCodes.joined([one.query_codes for one in asked])
            found = source.nearest(self.connection, together, n, request.radius, self.passing)
            for ranker, neighbors in zip(nearest, found, strict=True):
                ranker.first = n, neighbors
        return list(nearest)

    def _hybrid(self, asked: Asked) -> Ranker:
        """By words, by code or by both, within a radius of the query's own code where one is asked for."""
        allowed, radius, source = self.passing, self.request.radius, self.state.source
        if radius is not None and asked.code is not None:
            allowed = KeyMask.of_keys(source.within(self.connection, asked.query_codes, radius, allowed))
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

    def _order(self, columns: ColumnView, matching: KeyMask) -> Keys:
        """The keys of all matches in the order of a field; once for queries that match the same."""
        if id(matching) not in self.orders:
            keys = matching.allowed_keys()
            self.orders[id(matching)] = keys[columns.ordered(keys, self.request.sort_field, self.request.is_descending)]
        return self.orders[id(matching)]

    def _counted(self, columns: ColumnView, matching: KeyMask) -> list[Facet]:
        """The counts of all matches; once for queries that match the same."""
        if id(matching) not in self.counts:
            self.counts[id(matching)] = [facets.count(columns, one, matching) for one in self.request.counted]
        return self.counts[id(matching)]

    def _selection(self, ranker: Ranker, asked: Asked, matching: KeyMask | None) -> Selection:
        request = self.request
        if request.sort is not None and self.columns is not None and matching is not None:
            ranker = SortedRanker(
                ranker, self._order(self.columns, matching), needs_scores=request.min_score is not None
            )
        phrases = None
        if asked.words is not None and asked.words.needs_texts and self.state.replica is not None:
            phrases = PhraseCheck(asked.words, self.state.replica.analyzer, self.max_chars)
        return Selection(ranker, request, self.state.source, self.columns, phrases)

    # fetch

    def _fetch(self, keys: set[int]) -> dict[int, DocumentSummary]:
        shown = self.request.shown
        if self.request.highlight or self.request.explain:
            shown = Shown(True, shown.metadata, True)
        return documents.summaries(self.connection, list(keys), self.max_chars, shown)

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
            ("words",) if request.needs_words and replica is None else (),
            ranker.is_exact and selection.is_exact,
            [] if matching is None or self.columns is None else self._counted(self.columns, matching),
            page.groups,
            None if self.columns is None else facets.unknown_fields(self.columns, request.column_fields),
        )
        if not request.explain:
            return Answered(result)
        return Answered(result, ToExplain.of(self.connection, state.source, replica, asked, ranker, result))

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
        sort_values = [self._sort_value(key) for key in keys] if self.request.sort else nothing
        return [
            Match(present[key], distance, score, word, code, None, sort_value)
            for key, distance, score, word, code, sort_value in zip(
                keys, distances, scores, words, codes, sort_values, strict=True
            )
        ]

    def _sort_value(self, key: int) -> Scalar | None:
        assert self.columns is not None
        return self.columns.sort_value(key, self.request.sort_field, self.request.is_descending)

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
