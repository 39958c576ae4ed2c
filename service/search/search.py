"""Search: from a request to its results, in named steps, down once and back once.

    locate      which collection, which source of codes, which words and metadata; the stored documents that ask
    read        the words of queries, and what the index is asked for
    encode      codes of texts
    restrict    which documents may be matches: the filter, what has not expired, the radius around a query's code
    rank        the nearest by code, the best by words, or both fused; a shortlist re-ranked
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

from sqlalchemy import Connection

from service.config import Settings
from service.encoding import Encoder
from service.errors import TooMuchToRead
from service.hashing.content import size_of
from service.index.replicas import Follower
from service.search.answering import Answered, Answering
from service.search.asked import Asked, AskedReader
from service.search.bits import BitDescriptions
from service.search.bounds import Bounds, located
from service.search.column_reader import ColumnReader
from service.search.expired import living
from service.search.explaining import explained
from service.search.request import SearchRequest
from service.search.results import SearchResult
from service.search.sources import MemorySource
from service.search.state import State, locate
from service.store.database import Database
from service.store.usage import UsageCounter

_RERANKED_AT_ONCE = 10_000
"""Documents of shortlists that the queries of one request hold at a time."""
_BRIEF_MATCHES, _BRIEF_HIGHLIGHTS, _BRIEF_DIVERSE = 200, 10, 20
"""Matches, those with highlights, and those unlike one another, that may be found on the event loop."""
_BRIEF_SHORTLIST, _BRIEF_VECTORS, _BRIEF_QUERY_CHARS = 1_000, 100, 2_000
"""Documents that may be re-ranked on the event loop by words or codes, and by vectors, which are read from SQL; and
characters of queries that are taken apart for words."""
_BRIEF_DOCUMENTS, _BRIEF_CHARS = 50_000, 1_000
"""Documents of a collection, and characters of a query, of which words are searched on the event loop."""
_BRIEF_COMPARISONS = 2_500_000
"""Comparisons of a filter on the event loop: in a larger collection of two numbers with all its documents'."""
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
        usage: counts how far queries are from their nearest documents; without it nothing is counted.
    """

    def __init__(
        self,
        database: Database,
        encoder: Encoder,
        follower: Follower,
        settings: Settings,
        bits: BitDescriptions | None = None,
        usage: UsageCounter | None = None,
    ) -> None:
        self.database = database
        self.usage = usage
        self.bits = bits
        self.encoder = encoder
        self.follower = follower
        self.settings = settings
        self.bounds = Bounds(database, settings)
        self.reader = AskedReader(encoder, settings)
        self.columns = ColumnReader(follower)

    async def answer(self, request: SearchRequest) -> list[SearchResult]:
        """One result for each query of the request.

        Raises:
            InvalidInput: an option out of range, too many matches, too much to read, a condition on a field that has
                values of another type, or a query of excluded words only.
            InvalidContent: a text that cannot be hashed, with its position among several.
            NotFound: no such collection or document.
            SeqNotReached: the collection has not reached `at_least_seq`.
        """
        found = await self._found(request)
        if self.usage is not None:
            if request.texts and request.collection in self.usage.keeps:
                self.usage.keep(request.collection, request.texts)
            has_nearest = request.has_nearest_first
            for one in found:
                if one.known is not None:
                    nearest = one.matches[0].distance if has_nearest and one.matches else None
                    self.usage.add_query(one.space.id, one.known, nearest)
        return found

    async def _found(self, request: SearchRequest) -> list[SearchResult]:
        """One result for each query of the request; raises as `answer`."""
        self.reader.check(request)
        if self.database.embedded and not request.explain:
            with suppress(TooMuchToRead):
                if (found := self._at_once(request)) is not None:
                    return found
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

    def _at_once(self, request: SearchRequest) -> list[SearchResult] | None:
        """All steps in one short transaction; None where they are not sure to be short."""
        with self.database.read() as connection:
            state = locate(connection, self.follower, self.settings, request, is_last=False)
            if state is None or not self._is_short(state, request):
                return None
            asked = self.reader.at_once(state, request)
            if asked is None or not self._is_brief(state, request, asked):
                return None
            answered = self._answered(connection, state, request, asked, self.bounds.brief_chars)
            return [one.result for one in answered]

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
        if state.has_expired:  # nobody knows how many have
            return False
        if request.group_by is not None:  # thousands of matches are looked at where there are few groups
            return False
        if request.rerank is not None:
            reads_vectors = request.rerank == "features" and state.kind == "embedding"
            brief = _BRIEF_VECTORS if reads_vectors else _BRIEF_SHORTLIST
            if request.n_shortlisted(self.settings) * request.n_queries > brief:
                return False
        if request.kind != "similar" and (
            request.n_queries > 1
            or len(request.positive) + len(request.negative) > 1
            or len(state.source.replica.table) > _BRIEF_DOCUMENTS
        ):
            return False
        if request.needs_columns and not self._are_columns_short(state, request):
            return False
        return state.replica is None or len(state.replica.words) <= _BRIEF_DOCUMENTS

    def _are_columns_short(self, state: State, request: SearchRequest) -> bool:
        """Whether what is asked of metadata takes a few milliseconds at most."""
        if state.columns is None:
            return False
        if len(state.columns) <= _BRIEF_DOCUMENTS:
            return True
        if request.counted or request.sort or request.group_by:
            return False
        return request.condition is not None and state.columns.cost(request.condition) <= _BRIEF_COMPARISONS

    def _is_brief(self, state: State, request: SearchRequest, asked: Sequence[Asked]) -> bool:
        """Whether the queries of a short request are such, too."""
        n_chars = sum(size_of(one.content) for one in asked if one.content is not None)
        if request.kind == "similar":
            reads_words = request.rerank == "features" or request.highlight
            if reads_words and n_chars > _BRIEF_QUERY_CHARS:
                return False
            return state.source.is_brief(len(asked), by_confidence=any(one.confidence is not None for one in asked))
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
            seq = request.at_least_seq or 0
            columns = self.columns.read(connection, state.collection_id, seq, request.column_fields)
        passing = None if request.condition is None or columns is None else columns.mask(request.condition)
        if state.has_expired:
            passing = living(connection, state.collection_id, columns, passing)
        queries = Answering(connection, state, request, columns, passing, self.settings, max_chars)
        return queries.answer(asked)
