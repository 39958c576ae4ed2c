"""The nearest documents of a query by code, and a shortlist of them in the order of how they are like it.

By words, by vectors, or by the bits of their codes, each counted as surely as the query has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from sqlalchemy import Connection

from service.hashing.codes import hamming_distance
from service.hashing.content import Content, Embedding, of_model, text_of
from service.hashing.vectors import Vectors
from service.index.document_replica import DocumentReplica
from service.index.hamming.answers import Neighbors, Stats
from service.index.key_mask import KeyMask, Keys
from service.search.candidates import nearest_existing
from service.search.fuse import Direction, agreement
from service.search.ranking import Ranking, Values, rounded
from service.search.sources import QueryCodes, SearchSource
from service.search.word_query import text_clauses
from service.store import document_summaries, documents


@dataclass(slots=True)
class NearestRanker:
    """Documents in the order of their distance from a code.

    Attributes:
        source: where codes are found.
        query: one code.
        radius: leave out what is farther than so many bits.
        allowed: the documents that may be found; None for all.
        leave_out: the key of the document that asks.
        first: what is known of the nearest already, found together with those of other queries.
    """

    source: SearchSource
    query: QueryCodes
    radius: int | None = None
    allowed: KeyMask | None = None
    leave_out: int | None = None
    first: tuple[int, Neighbors] | None = None
    is_exact: bool = field(default=True, init=False)

    @property
    def stats(self) -> Stats | None:
        """The work of the last search."""
        return None if self.first is None else self.first[1].stats

    def best(self, connection: Connection, n: int) -> tuple[Ranking, bool]:
        """The `n` nearest, ascending by distance and then by key."""
        wanted = n + (self.leave_out is not None)
        if self.first is None or self.first[0] < wanted:
            (found,) = self.source.nearest(connection, self.query, wanted, self.radius, self.allowed)
            self.first = wanted, found
        asked, neighbors = self.first
        keys, distances = neighbors.keys, neighbors.distances
        if self.leave_out is not None:
            kept = keys != self.leave_out
            keys, distances = keys[kept], distances[kept]
        return Ranking(keys, distances), len(neighbors.keys) < asked

    def scored(self, connection: Connection, keys: Keys) -> Ranking:
        """These documents with their distances."""
        codes, has_code = self.source.codes(connection, keys)
        return Ranking(keys, np.where(has_code, hamming_distance(codes, self.query.codes), -1))

    def matching(self, connection: Connection) -> KeyMask | None:
        """All within the radius; without one, all."""
        if self.radius is None:
            return None
        found = self.source.within(connection, self.query, self.radius, self.allowed)
        return found if self.leave_out is None else found.without(np.array([self.leave_out], np.int64))


class Likeness(Protocol):
    """How documents are like a query."""

    def of(self, connection: Connection, keys: Keys) -> Values:
        """A score of each of `(n,)` documents, the higher the more alike. Blocks."""


@dataclass(frozen=True, slots=True)
class WordLikeness:
    """BM25 of the words that documents share with a text."""

    content: Content
    replica: DocumentReplica

    def of(self, connection: Connection, keys: Keys) -> Values:
        """The BM25 of each."""
        clauses = text_clauses(text_of(self.content), self.replica)
        return rounded(self.replica.words.scores(clauses, keys))


@dataclass(frozen=True, slots=True)
class VectorLikeness:
    """The cosine of the vectors of documents, as they were kept, with that of a query.

    Attributes:
        content: of the query.
        max_chars: most numbers that may be read.
    """

    content: Embedding
    max_chars: int

    def of(self, connection: Connection, keys: Keys) -> Values:
        """The cosine of each, -1 to 1; -1 of a document that is gone, or has lost its vector. Reads them from SQL.

        Raises:
            TooMuchToRead: they hold more than may be read.
        """
        found = document_summaries.contents(connection, keys, self.max_chars)
        rows: list[int] = []
        vectors = np.empty((len(keys), len(self.content.vector)), dtype=np.float32)
        for place, key in enumerate(keys.tolist()):
            content = of_model(found[key][1], self.content.model) if key in found else None
            if isinstance(content, Embedding):
                vectors[place] = content.vector
                rows.append(place)
        cosines = np.full(len(keys), -1.0)
        cosines[rows] = _unit(vectors[rows]) @ _unit(self.content.vector[None])[0]
        return rounded(cosines)


@dataclass(frozen=True, slots=True)
class CodeLikeness:
    """How far the bits of documents agree with those of a query, each counted as surely as the query has it.

    In the order of the fewest and least sure bits in which they differ: 1 - 2 `flip_cost` / the sum of the confidence.

    Attributes:
        source: where codes are found.
        direction: `(n_bits,)` the bits of the query, as sure as they are.

    Source: Gordo, Perronnin, Gong, Lazebnik (2014), "Asymmetric distances for binary embeddings", section 3.
    """

    source: SearchSource
    direction: Direction

    def of(self, connection: Connection, keys: Keys) -> Values:
        """The agreement of each, -1 to 1; -1 of a document without a code."""
        codes, has_code = self.source.codes(connection, keys)
        return rounded(np.where(has_code, agreement(self.direction, codes), np.float32(-1)))


def _unit(vectors: Vectors) -> Vectors:
    """`(n, dims)` of unit length; the largest entry is taken out first, whose square may be beyond float32."""
    scaled = vectors / np.abs(vectors).max(axis=1, keepdims=True)
    unit: Vectors = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    return unit


@dataclass(slots=True)
class RerankedRanker:
    """A shortlist of the nearest documents in the order of how they are like a query.

    Attributes:
        nearest: finds them.
        likeness: how documents are like it.
        n: size of the shortlist.
        n_reranked: documents that were re-ranked.
    """

    nearest: NearestRanker
    likeness: Likeness
    n: int
    is_exact: bool = field(default=True, init=False)
    n_reranked: int = field(default=0, init=False)
    _ranking: Ranking | None = field(default=None, init=False)

    @property
    def stats(self) -> Stats | None:
        """The work of the search by code."""
        return self.nearest.stats

    def best(self, connection: Connection, n: int) -> tuple[Ranking, bool]:
        """All of the shortlist that exist, descending by score; equal scores as the nearest are."""
        if self._ranking is None:
            near = self.nearest
            shortlist = nearest_existing(
                connection,
                near.source,
                near.query,
                self.n,
                near.radius,
                documents.revisions,
                near.leave_out,
                near.allowed,
            )
            near.first = 0, shortlist
            scores = self.likeness.of(connection, shortlist.keys)
            found = Ranking(shortlist.keys, shortlist.distances, scores)
            self._ranking = found[np.argsort(-scores, kind="stable")]
            self.n_reranked = len(found)
        return self._ranking, True

    def scored(self, connection: Connection, keys: Keys) -> Ranking:
        """These documents with their distances and how they are like the query."""
        return Ranking(keys, self.nearest.scored(connection, keys).distances, self.likeness.of(connection, keys))

    def matching(self, connection: Connection) -> KeyMask | None:
        """As the nearest match."""
        return self.nearest.matching(connection)
