"""Query search: the best documents for a query as a person types it, by words and by codes.

    locate   which collection, its words, and which source of codes
    find     the best documents by words
    encode   the code of the query
    fuse     where to look for codes, the nearest there, one score of both
    fetch    the documents of the first k that exist, and hold the phrases that were asked for

Words are in memory or not at all: where they are still being read, codes alone answer, and the result says so. One
source of codes and one replica of words are taken per request and kept to its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import log
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.config import Settings
from service.encoding import Encoder
from service.errors import InvalidInput, SeqNotReached, TooMuchToRead
from service.hashing.codes import hamming_distance
from service.hashing.content import Text, check_content, check_contents, from_wire, size_of
from service.hashing.function import Encoded
from service.index.document_replica import DocumentReplica
from service.index.hamming.answers import Stats
from service.index.replicas import Follower
from service.index.words import Clause, WordMatches
from service.search import fuse
from service.search.bounds import READ_SOON_SEQ, Bounds, located
from service.search.fuse import Direction
from service.search.highlight import Highlight, highlight
from service.search.phrases import holds
from service.search.request import QueryRequest
from service.search.sources import MemorySource, QueryCodes, SearchSource, SqlSource
from service.search.word_query import WordQuery, plain_query, word_query
from service.store import collections, documents
from service.store.database import Database
from service.store.documents import DocumentSummary, Shown
from service.store.overviews import SpaceReference
from service.threads import run_in_large_thread

_CANDIDATES = 100
"""Best documents by words, and as many by codes, of which the first k are taken; more where k is more."""
_PHRASE_CANDIDATES = 2_000
"""Best documents by words whose texts are read to find a phrase."""
_BRIEF_MATCHES, _BRIEF_HIGHLIGHTS, _BRIEF_DOCUMENTS, _BRIEF_CHARS = 200, 10, 50_000, 1_000
"""Matches, those with highlights, documents of a collection, and characters of a query: searched on the event loop."""
_READ_TOGETHER = 256
"""Documents whose texts are read for phrases, before those that hold them are shown."""
_SURFACE_CHARS = 2_000
_DIGITS = 6

Part = Literal["words", "code"]


@dataclass(frozen=True, slots=True)
class QueryMatch:
    """A document, its score and the parts of it.

    Attributes:
        document: what is shown of it.
        score: what it is ranked by.
        words: its BM25; 0 if it has no word of the query. None where words were not asked.
        code: how far its code agrees with where the search looked, from -1 to 1. None where codes were not asked, or
            it has none yet.
        distance: bits in which its code differs from the query's; None as well.
        highlight: its best passage, where it was asked for.
    """

    document: DocumentSummary
    score: float
    words: float | None
    code: float | None
    distance: int | None
    highlight: Highlight | None = None


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Matches of one query, descending by score and then in the order of arrival, and what gave them.

    Attributes:
        matches: at most `k`.
        space: the code space that answered.
        code: of the query; None where codes were not asked.
        known: whether a document has a word of the query, or the hash function knows one.
        corrected: what was typed, and what was looked for in its place.
        n_matching: documents that match by words.
        partial: which part was not at hand: the words, while they are read.
        exact: whether no match can have been missed.
        language: that words are analyzed by; None where words were not asked.
        source: where the codes came from.
        stats: the work of the search by code.
        n_scored: documents that were scored.
    """

    matches: list[QueryMatch]
    space: SpaceReference
    code: bytes | None
    known: bool
    corrected: dict[str, str]
    n_matching: int
    partial: tuple[Part, ...]
    exact: bool
    language: str | None
    source: str
    stats: Stats | None
    n_scored: int


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where a request is answered."""

    codes: SearchSource
    words: DocumentReplica | None


@dataclass(frozen=True, slots=True)
class _Words:
    """What the words of one query are, and what they have found; without words in memory only the text for a code."""

    text: str
    query: WordQuery | None = None
    found: WordMatches | None = None


@dataclass(slots=True)
class _Ranking:
    """Candidates of one query, best first."""

    keys: list[int]
    scores: list[float]
    words: list[float] | None
    code: Sequence[float | None] | None
    distances: Sequence[int | None] | None
    stats: Stats | None = None
    query_code: bytes | None = None
    passed: set[int] | None = None
    is_exact: bool = True
    n_chars_read: int = 0
    present: dict[int, DocumentSummary] = field(default_factory=dict)


class QuerySearch:
    """Answers queries as people type them.

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

    async def search(self, request: QueryRequest) -> list[QueryResult]:
        """One result for each query of the request.

        Raises:
            InvalidInput: an option out of range, too many matches, too much to read, or a query of excluded words only.
            InvalidContent: a query that is blank or cannot be stored, with its position among several.
            NotFound: no such collection.
            SeqNotReached: the collection has not reached `at_least_seq`.
        """
        self._check(request)
        sources = await self._located(request)
        is_brief = self._is_brief(sources, request)

        def find() -> list[_Words]:
            return [self._find(sources, request, i) for i in range(len(request.queries))]

        asked = find() if is_brief else await run_in_large_thread(find)
        encoded: Encoded | None = None
        if request.rank != "words" or sources.words is None:
            texts = [from_wire(text=words.text) for words in asked]
            encoded = await self.encoder.encode(str(sources.codes.space.digest), texts)
        is_brief = is_brief and not any(words.query and words.query.needs_texts for words in asked)
        large = len(request.queries) > 1 or request.k > _BRIEF_MATCHES
        return await self.bounds.run(is_brief, large, self._answer, sources, request, asked, encoded)

    def _check(self, request: QueryRequest) -> None:
        request.check(self.settings)
        contents = [from_wire(text=query) for query in request.queries]
        if request.is_batch:
            check_contents(contents, self.settings.max_text_chars, "queries")
        else:
            check_content(contents[0], self.settings.max_text_chars, "q")

    def _is_brief(self, sources: _Sources, request: QueryRequest) -> bool:
        most = _BRIEF_HIGHLIGHTS if request.highlight else _BRIEF_MATCHES
        if len(request.queries) > 1 or request.k > most or len(request.queries[0]) > _BRIEF_CHARS:
            return False
        if not isinstance(sources.codes, MemorySource) or len(sources.codes.replica.table) > _BRIEF_DOCUMENTS:
            return False
        return sources.words is None or len(sources.words.words) <= _BRIEF_DOCUMENTS

    # locate

    async def _located(self, request: QueryRequest) -> _Sources:
        """Where the request is answered; replicas that are behind have a moment to catch up, then SQL has the codes."""
        timeout_s = self.settings.read_your_writes_s
        return await located(
            self.database, self.follower, timeout_s, lambda is_last: self._locate(request, is_last=is_last)
        )

    def _locate(self, request: QueryRequest, *, is_last: bool) -> _Sources | None:
        """Where the request is answered; None if a replica is behind the seq that it asks for, and may catch up.

        So it is for a small collection whose words are not there: it was made, or the process started, a moment ago.
        """
        with self.database.read() as connection:
            collection = collections.get(connection, request.collection)
            seq = request.at_least_seq or 0
            if seq > collection.last_seq:
                raise SeqNotReached(request.collection, collection.last_seq, seq)
            replica, words = self.follower.replica(collection.id), self.follower.documents(collection.id)
            has_codes = replica is not None and replica.applied_seq >= seq
            has_words = words is not None and words.read_seq >= seq
            comes_soon = words is None and collection.last_seq <= READ_SOON_SEQ and request.rank != "code"
            if ((seq and not (has_codes and has_words)) or comes_soon) and not is_last:
                return None
            codes: SearchSource
            codes = (
                MemorySource(replica) if replica is not None and has_codes else SqlSource.of(connection, collection.id)
            )
            return _Sources(codes, words if has_words else None)

    # find

    def _find(self, sources: _Sources, request: QueryRequest, i: int) -> _Words:
        """The words of the i-th query, and the best documents by them."""
        query = request.queries[i]
        try:
            if sources.words is None or request.rank == "code":
                return _Words(plain_query(query))
            words = word_query(query, sources.words, is_prefix=request.prefix, with_typos=request.typos)
        except InvalidInput as error:
            if not request.is_batch:
                raise
            raise InvalidInput(f"queries[{i}]: {error}") from None
        n = max(_PHRASE_CANDIDATES if words.needs_texts else _CANDIDATES, request.k)
        return _Words(words.text, words, sources.words.words.search(words.clauses, n))

    # fuse

    def _answer(
        self,
        sources: _Sources,
        request: QueryRequest,
        asked: Sequence[_Words],
        encoded: Encoded | None,
        max_chars: int,
    ) -> list[QueryResult]:
        shown = request.shown if not request.highlight else Shown(True, request.shown.metadata, True)
        results = []
        with self.database.read() as connection:
            for i, words in enumerate(asked):
                of_query = None if encoded is None else encoded[i : i + 1]
                ranking = self._ranked(connection, sources, request, words, of_query)
                chosen = self._chosen(connection, sources, request, words, ranking, shown, max_chars)
                results.append(self._result(sources, request, words, of_query, ranking, chosen))
                max_chars -= sum(match.document.n_chars for match in results[-1].matches)
                if max_chars < 0:
                    raise TooMuchToRead(self.bounds.max_chars)
        return results

    def _ranked(
        self,
        connection: Connection,
        sources: _Sources,
        request: QueryRequest,
        words: _Words,
        encoded: Encoded | None,
    ) -> _Ranking:
        found = words.found
        if encoded is None:
            assert found is not None
            scores = np.round(found.scores.astype(np.float64), _DIGITS).tolist()
            return _Ranking(found.keys.tolist(), scores, scores, None, None)
        code, source = encoded.codes[0], sources.codes
        knows = bool(encoded.n_known_features[0])
        direction = fuse.direction_of(code, encoded.confidence[0]) * np.float32(knows)
        if found is not None and len(found.keys):
            best, has_code = source.codes(connection, found.keys[: fuse.FEEDBACK_DOCUMENTS])
            best_scores = found.scores[: fuse.FEEDBACK_DOCUMENTS][has_code]
            direction = fuse.blend(direction, fuse.feedback(best[has_code], best_scores))
        is_trained = source.space.version > 1
        near, stats = np.empty(0, dtype=np.int64), None
        if is_trained or found is None:  # codes that learned nothing find words alone, and fewer than the index does
            near, stats = self._near(connection, source, direction, max(_CANDIDATES, request.k))
        by_words = np.empty(0, dtype=np.int64) if found is None else found.keys
        keys = np.unique(np.concatenate([by_words, near]))
        word_scores = np.zeros(len(keys), dtype=np.float32)
        if words.query is not None and sources.words is not None:
            keys = self._filtered(sources.words, words.query.filters, keys)
            word_scores = sources.words.words.scores(words.query.clauses, keys)
        codes, has_code = source.codes(connection, keys)
        agreements = np.where(has_code, fuse.agreement(direction, codes), np.float32(-1))
        weight = fuse.code_weight(source.space.n_bits, is_trained)
        best_score = float(word_scores.max(initial=0))
        scores = agreements if not best_score else word_scores / best_score + weight * agreements
        rounded = np.round(scores.astype(np.float64), _DIGITS)
        order = np.lexsort((keys, -rounded))
        return _Ranking(
            keys[order].tolist(),
            rounded[order].tolist(),
            None if found is None else np.round(word_scores[order].astype(np.float64), _DIGITS).tolist(),
            _where(has_code[order], np.round(agreements[order].astype(np.float64), _DIGITS)),
            _where(has_code[order], hamming_distance(codes[order], code[None])),
            stats,
            code.tobytes(),
        )

    def _near(
        self, connection: Connection, source: SearchSource, direction: Direction, n: int
    ) -> tuple[NDArray[np.int64], Stats | None]:
        """Keys of the `n` documents whose codes lie nearest to a direction; none where nothing is known."""
        if not direction.any():
            return np.empty(0, dtype=np.int64), None
        code, confidence = fuse.code_to_search(direction)
        (found,) = source.nearest(connection, QueryCodes(code[None], confidence[None]), n, None)
        return np.asarray(found.keys, dtype=np.int64), found.stats

    def _filtered(
        self, replica: DocumentReplica, filters: Sequence[Clause], keys: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The documents that have every required word and no excluded one."""
        for clause in filters:
            has_it = replica.words.scores([Clause(clause.alternatives)], keys) > 0
            keys = keys[~has_it if clause.is_excluded else has_it]
        return keys

    # fetch

    def _chosen(
        self,
        connection: Connection,
        sources: _Sources,
        request: QueryRequest,
        words: _Words,
        ranking: _Ranking,
        shown: Shown,
        max_chars: int,
    ) -> list[int]:
        """Places in the ranking of the first `k` that exist and hold the phrases; their documents are in `present`."""
        chosen: list[int] = []
        needs_texts = words.query is not None and words.query.needs_texts
        step = _READ_TOGETHER if needs_texts else request.k
        for start in range(0, len(ranking.keys), step):
            keys = ranking.keys[start : start + step]
            if needs_texts:
                with_phrases = self._with_phrases(connection, sources, words, ranking, keys)
                keys = [*islice(with_phrases, request.k - len(chosen))]
            ranking.present |= documents.summaries(connection, keys, max_chars, shown)
            chosen += [
                i for i in range(start, min(start + step, len(ranking.keys))) if ranking.keys[i] in ranking.present
            ]
            if len(chosen) >= request.k:
                return chosen[: request.k]
            if not ranking.is_exact:
                return chosen
        found = words.found
        if found is not None and needs_texts:
            ranking.is_exact = found.n_matching <= len(found.keys)
        return chosen

    def _with_phrases(
        self, connection: Connection, sources: _Sources, words: _Words, ranking: _Ranking, keys: Sequence[int]
    ) -> Iterator[int]:
        """The documents among those that hold the phrases of a query, and none of the excluded ones.

        It ends where more would be read than the installation allows, and the ranking is not exact then.
        """
        query = words.query
        assert query is not None
        assert sources.words is not None
        n = _READ_TOGETHER // 4
        for start in range(0, len(keys), n):
            part = keys[start : start + n]
            try:
                contents = documents.contents(connection, part, self.bounds.max_chars - ranking.n_chars_read)
            except TooMuchToRead:
                ranking.is_exact = False
                return
            ranking.n_chars_read += sum(size_of(content) for _, content in contents.values())
            for key in part:
                if key in contents and holds(
                    sources.words.analyzer, contents[key][1], query.phrases, query.excluded_phrases
                ):
                    yield key

    def _result(
        self,
        sources: _Sources,
        request: QueryRequest,
        words: _Words,
        encoded: Encoded | None,
        ranking: _Ranking,
        chosen: Sequence[int],
    ) -> QueryResult:
        matches = [
            QueryMatch(
                ranking.present[ranking.keys[i]],
                ranking.scores[i],
                None if ranking.words is None else ranking.words[i],
                None if ranking.code is None else ranking.code[i],
                None if ranking.distances is None else ranking.distances[i],
            )
            for i in chosen
        ]
        query, replica = words.query, sources.words
        if query is not None and replica is not None and request.highlight:
            matches = [self._highlighted(match, query, replica) for match in matches]
        is_trained = sources.codes.space.version > 1  # a function that learned nothing knows every word
        knows = encoded is not None and bool(encoded.n_known_features[0]) and (is_trained or query is None)
        has_words = replica is not None and request.rank != "code"
        return QueryResult(
            matches,
            sources.codes.space,
            ranking.query_code,
            known=knows or (query is not None and query.is_known),
            corrected={} if query is None or replica is None else _surfaces(query.corrected, replica, matches),
            n_matching=0 if words.found is None else words.found.n_matching,
            partial=("words",) if replica is None and request.rank != "code" else (),
            exact=ranking.is_exact,
            language=replica.analyzer.language if has_words and replica is not None else None,
            source=sources.codes.name,
            stats=ranking.stats,
            n_scored=len(ranking.keys),
        )

    def _highlighted(self, match: QueryMatch, query: WordQuery, replica: DocumentReplica) -> QueryMatch:
        content = match.document.content
        if not isinstance(content, Text):
            return match
        n = len(replica.words) + 1
        terms = sorted(query.terms)
        frequencies = replica.words.document_frequencies(terms)
        weights = {term: 1 + log(n / (1 + found)) for term, found in zip(terms, frequencies, strict=True)}
        made = highlight(replica.analyzer, weights, content.text, content.title)
        return QueryMatch(match.document, match.score, match.words, match.code, match.distance, made)


def _where(has_value: NDArray[np.bool_], values: NDArray[Any]) -> list[Any]:
    """Values as a list, None where there is none."""
    return [value if has else None for has, value in zip(has_value.tolist(), values.tolist(), strict=True)]


def _surfaces(corrected: dict[str, str], replica: DocumentReplica, matches: Sequence[QueryMatch]) -> dict[str, str]:
    """What was typed, and how the first matches write the word that was found in its place: terms are stems."""
    written: dict[str, str] = {}
    wanted = set(corrected.values())
    for match in matches[:3]:
        content = match.document.content
        fields = [match.document.title] + ([content.text] if isinstance(content, Text) else [])
        for text in filter(None, fields):
            part = text[:_SURFACE_CHARS]
            for term in replica.analyzer.places(part) if wanted else ():
                if term.text in wanted:
                    written.setdefault(term.text, part[term.start : term.end].lower())
    return {typed: written.get(term, term) for typed, term in corrected.items()}
