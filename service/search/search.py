"""Search: from a request to its results, in named steps, down once and back once.

    locate      which collection, which source, and the key and code of a stored document
    encode      codes of texts
    candidates  the nearest by code, from that source
    rerank      a shortlist in the order of its words, where the request asks for it
    fetch       the documents of the first k

One source is taken per request and kept to its end. Where the replica has not reached the seq that a caller asks for,
or is still being loaded, the hash table in SQL answers, with the same matches. Words are in memory or not at all: where
they are missing, nothing is re-ranked, and the result says so.

The steps are synchronous functions that block; `similar` runs them, on the event loop where what they read is sure to
be short, else in a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
from sqlalchemy import Connection

from service.config import Settings
from service.encoding import Encoder
from service.errors import SeqNotReached, TooMuchToRead
from service.hashing.codes import Codes
from service.hashing.content import Content, Contents, Text, check_content, check_contents, from_wire, size_of
from service.index.document_replica import DocumentReplica
from service.index.hamming.answers import Stats
from service.index.replicas import Follower
from service.search.bounds import READ_SOON_SEQ, Bounds, located
from service.search.candidates import Shortlist, nearest_existing
from service.search.request import SearchRequest
from service.search.sources import MemorySource, QueryCodes, SearchSource, SourceName, SqlSource
from service.search.word_query import text_clauses
from service.store import codes, collections, documents
from service.store.database import Database
from service.store.documents import DocumentRef, DocumentSummary, Keys
from service.store.overviews import SpaceReference

T = TypeVar("T")

_RERANKED_AT_ONCE = 10_000
"""Documents of shortlists that the queries of one request hold at a time."""
_BRIEF_MATCHES = 200
"""Matches that may be read on the event loop."""
_BRIEF_SHORTLIST, _BRIEF_QUERY_CHARS = 1_000, 2_000
"""Documents that may be re-ranked on the event loop, and characters of queries that are taken apart for that."""
_SMALL_MATCHES = 1_000
"""Matches up to which a search does not wait for one of the threads for large ones."""
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Match:
    """A document, its distance in bits from the query, and, where it was re-ranked, the BM25 of its words."""

    document: DocumentSummary
    distance: int
    score: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Matches of one query with the space and the code that gave them and the work it took.

    They ascend by distance, then by key; where ties are left to confidence, equal distances are first ordered by what
    the query's code would take to be theirs: the confidence of the bits in which they differ. Re-ranked matches descend
    by score, and keep that order where scores are equal.

    Attributes:
        matches: at most `k`.
        space: the code space that answered.
        code: of the query.
        stats: the work of the search by code.
        source: who answered, the replica in memory or the hash table in SQL.
        n_known: distinct known features of the query; None when the query was a stored document.
        n_reranked: documents that were re-ranked.
        partial: what was asked for and not at hand: the words, without which the order is that of the codes.
    """

    matches: list[Match]
    space: SpaceReference
    code: bytes
    stats: Stats
    source: SourceName
    n_known: int | None = None
    n_reranked: int = 0
    partial: tuple[Literal["words"], ...] = ()


class Search:
    """Finds what is similar: to texts or to a stored document.

    Args:
        database: where the truth is.
        encoder: gives codes to texts.
        follower: has the replicas of codes and words.
        settings: bounds of what a request may ask for.
    """

    def __init__(self, database: Database, encoder: Encoder, follower: Follower, settings: Settings) -> None:
        self.database = database
        self.encoder = encoder
        self.follower = follower
        self.settings = settings
        self.bounds = Bounds(database, settings)

    async def similar(self, request: SearchRequest) -> list[SearchResult]:
        """One result for each query of the request.

        Raises:
            InvalidInput: an option out of range, too many matches, or too much to read.
            InvalidContent: a text that cannot be hashed, with its position among several.
            NotFound: no such collection or document.
            SeqNotReached: the collection has not reached `at_least_seq`.
        """
        may_be_brief = request.rerank is None and request.k <= _BRIEF_MATCHES
        if request.document_id is not None and may_be_brief and self.database.embedded:
            with suppress(TooMuchToRead):
                if (found := self._of_document(request)) is not None:
                    return found
        target = await self._located(request)
        query = await self._encoded(target, request)
        if request.rerank is None:
            return await self._nearest_documents(target, query, request)
        if target.words is None:
            nearest = await self._nearest_documents(target, query, request)
            return [replace(result, partial=("words",)) for result in nearest]
        return await self._reranked(target, target.words, query, request)

    def _of_document(self, request: SearchRequest) -> list[SearchResult] | None:
        """All steps for a stored document in one short transaction; None where it is not sure to be short."""
        with self.database.read() as connection:
            target = self._target(connection, request)
            if target is None or target.code is None:
                return None
            query = _Query((), QueryCodes(target.code[None]), [None])
            if not target.source.is_brief(query.codes):
                return None
            return self._search(connection, target, query, request, self.bounds.brief_chars)

    # locate

    async def _located(self, request: SearchRequest) -> _Target:
        """Where the request is answered; replicas that are behind have a moment to catch up, then SQL answers."""
        timeout_s = self.settings.read_your_writes_s
        return await located(
            self.database, self.follower, timeout_s, lambda in_sql: self._locate(request, in_sql=in_sql)
        )

    def _locate(self, request: SearchRequest, *, in_sql: bool) -> _Target | None:
        """Where the request is answered; None if a replica is behind the seq that it asks for.

        So it is where words are asked for and not there, and the collection is so small that they are read in a moment.
        """
        with self.database.read() as connection:
            return self._target(connection, request, in_sql=in_sql)

    def _target(self, connection: Connection, request: SearchRequest, *, in_sql: bool = False) -> _Target | None:
        if request.document_id is None:
            collection = collections.get(connection, request.collection)
            found = DocumentRef(collection.id, collection.n_bits, collection.last_seq, None)
        else:
            found = documents.locate(connection, request.collection, request.document_id)
        request.check(found.n_bits, self.settings)
        if request.at_least_seq is not None and request.at_least_seq > found.last_seq:
            raise SeqNotReached(request.collection, found.last_seq, request.at_least_seq)
        source: SearchSource | None = self._in_memory(found.collection_id, request)
        words = None if request.rerank is None else self._words(found.collection_id, request)
        lacks_words = words is None and request.rerank is not None
        is_behind = request.at_least_seq is not None and (source is None or lacks_words)
        if (is_behind or (lacks_words and found.last_seq <= READ_SOON_SEQ)) and not in_sql:
            return None
        source = source or SqlSource.of(connection, found.collection_id)
        if found.key is None:
            return _Target(source, words=words)
        code = codes.get(connection, source.space.id, found.key)
        content: Content | None = None
        if code is None or request.rerank is not None:  # without a code: stored a moment ago, not yet known here
            content = documents.get(connection, found.collection_id, request.document_id or "").content
        return _Target(source, found.key, code, content, words)

    def _in_memory(self, collection_id: int, request: SearchRequest) -> MemorySource | None:
        """The replica, if it is loaded and recent enough."""
        replica = self.follower.replica(collection_id)
        if replica is None or replica.applied_seq < (request.at_least_seq or 0):
            return None
        return MemorySource(replica)

    def _words(self, collection_id: int, request: SearchRequest) -> DocumentReplica | None:
        """The words of a collection, if they are loaded and recent enough."""
        words = self.follower.documents(collection_id)
        return None if words is None or words.read_seq < (request.at_least_seq or 0) else words

    # encode

    async def _encoded(self, target: _Target, request: SearchRequest) -> _Query:
        stored = [] if target.content is None else [target.content]
        if target.code is not None:
            return _Query(stored, QueryCodes(target.code[None]), [None])
        contents = stored or [from_wire(text=text) for text in request.texts]
        if request.is_batch:
            check_contents(contents, self.settings.max_text_chars)
        elif not stored:
            check_content(contents[0], self.settings.max_text_chars)
        encoded = await self.encoder.encode(str(target.source.space.digest), contents)
        confidence = encoded.confidence if request.ties == "confidence" else None
        n_known = encoded.n_known_features.tolist() if target.key is None else [None]
        return _Query(contents, QueryCodes(encoded.codes, confidence), n_known)

    # candidates, and their documents where nothing is re-ranked

    async def _nearest_documents(self, target: _Target, query: _Query, request: SearchRequest) -> list[SearchResult]:
        is_brief = request.n_matches <= _BRIEF_MATCHES and target.source.is_brief(query.codes)
        large = request.n_matches > _SMALL_MATCHES
        return await self.bounds.run(is_brief, large, self._search_and_fetch, target, query, request)

    def _search_and_fetch(
        self, target: _Target, query: _Query, request: SearchRequest, max_chars: int
    ) -> list[SearchResult]:
        with self.database.read() as connection:
            return self._search(connection, target, query, request, max_chars)

    def _search(
        self, connection: Connection, target: _Target, query: _Query, request: SearchRequest, max_chars: int
    ) -> list[SearchResult]:
        def fetch(connection: Connection, keys: Keys) -> dict[int, DocumentSummary]:
            return documents.summaries(connection, keys, max_chars, request.shown)

        shortlists = nearest_existing(
            connection, target.source, query.codes, request.k, request.radius, fetch, target.key
        )
        matches = [[Match(hit, distance) for _, distance, hit in one.entries] for one in shortlists]
        return _results(target, query, shortlists, matches, max_chars)

    # rerank

    async def _reranked(
        self, target: _Target, words: DocumentReplica, query: _Query, request: SearchRequest
    ) -> list[SearchResult]:
        """The results of all queries, a few at a time."""
        n = request.n_shortlisted(self.settings)
        step = max(1, _RERANKED_AT_ONCE // n)
        results: list[SearchResult] = []
        max_chars = self.settings.max_read_bytes
        for start in range(0, len(query.contents), step):
            part = query[start : start + step]
            n_chars = sum(map(size_of, part.contents))
            is_brief = n * len(part.contents) <= _BRIEF_SHORTLIST and n_chars <= _BRIEF_QUERY_CHARS
            is_brief = is_brief and target.source.is_brief(part.codes)
            results += await self.bounds.run(is_brief, True, self._rerank_and_fetch, target, words, part, request, n)
            if sum(match.document.n_chars for result in results for match in result.matches) > max_chars:
                raise TooMuchToRead(max_chars)
        return results

    def _rerank_and_fetch(
        self, target: _Target, words: DocumentReplica, query: _Query, request: SearchRequest, n: int, max_chars: int
    ) -> list[SearchResult]:
        """The `n` nearest documents of each query in the order of its words, and of these the first `k` that exist."""
        k = request.k

        def fetch(keys: Keys) -> dict[int, DocumentSummary]:
            return documents.summaries(connection, keys, max_chars, request.shown)

        with self.database.read() as connection:
            shortlists = nearest_existing(
                connection, target.source, query.codes, n, request.radius, documents.revisions, target.key
            )
            rankings = [
                _ranked(content, words, shortlist)
                for content, shortlist in zip(query.contents, shortlists, strict=True)
            ]
            present = fetch(list({one.key for ranking in rankings for one in ranking[:k]}))
            matches = []
            for ranking in rankings:
                first, n_seen = _matches(ranking[:k], present), k
                while len(first) < k and n_seen < len(ranking):
                    following = ranking[n_seen : n_seen + k]
                    first += _matches(following, fetch([one.key for one in following]))
                    n_seen += k
                matches.append(first[:k])
        results = _results(target, query, shortlists, matches, max_chars)
        return [replace(one, n_reranked=len(r)) for one, r in zip(results, rankings, strict=True)]


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a request is answered; of a stored document its key, its code if known, its content where it is needed.

    Words are there where they are asked for and at hand.
    """

    source: SearchSource
    key: int | None = None
    code: Codes | None = None
    content: Content | None = None
    words: DocumentReplica | None = None


@dataclass(frozen=True, slots=True)
class _ScoredDocument:
    """A document of a shortlist with its distance and its score."""

    key: int
    distance: int
    score: float


@dataclass(frozen=True, slots=True)
class _Query:
    """What is looked for: contents, their codes, and how many features of each are known; None of a stored document.

    The contents of a stored document are read only where they are needed.
    """

    contents: Contents
    codes: QueryCodes
    n_known: Sequence[int | None]

    def __getitem__(self, rows: slice) -> _Query:
        return _Query(self.contents[rows], self.codes[rows], self.n_known[rows])


def _results(
    target: _Target,
    query: _Query,
    shortlists: Sequence[Shortlist[Any]],
    matches: Sequence[list[Match]],
    max_chars: int,
) -> list[SearchResult]:
    """The results, unless they are too long together: a document counts as often as it is a match."""
    if sum(match.document.n_chars for one in matches for match in one) > max_chars:
        raise TooMuchToRead(max_chars)
    source = target.source
    rows = zip(matches, query.codes.codes, shortlists, query.n_known, strict=True)
    return [
        SearchResult(found, source.space, code.tobytes(), shortlist.stats, source.name, n_known)
        for found, code, shortlist, n_known in rows
    ]


def _ranked(content: Content, words: DocumentReplica, shortlist: Shortlist[Any]) -> list[_ScoredDocument]:
    """A shortlist by descending BM25 of the words of a content; equal scores as they were.

    Rounded to what is shown, so that what shows as equal is a tie.
    """
    keys = np.array([key for key, _, _ in shortlist.entries], dtype=np.int64)
    clauses = text_clauses(content.whole, words) if isinstance(content, Text) else ()
    scores = np.round(words.words.scores(clauses, keys).astype(np.float64), _DIGITS)
    order = np.argsort(-scores, kind="stable").tolist()
    return [_ScoredDocument(int(keys[i]), shortlist.entries[i][1], float(scores[i])) for i in order]


def _matches(ranking: Sequence[_ScoredDocument], present: Mapping[int, DocumentSummary]) -> list[Match]:
    return [Match(present[one.key], one.distance, one.score) for one in ranking if one.key in present]
