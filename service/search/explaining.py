"""Explaining: what the matches of each query were ranked by, and the words behind the bits, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import Connection

from service.encoding import Encoder
from service.hashing.content import Content, Kind, Text
from service.index.document_replica import DocumentReplica
from service.index.words import Clause
from service.search import fuse
from service.search.asked import Asked
from service.search.bits import SpaceBits
from service.search.explain import BitReasons, Matched, Scoring, explanations, strongest_bits, typed_words
from service.search.fuse import Direction
from service.search.hybrid import HybridRanker
from service.search.nearest import CodeLikeness, RerankedRanker
from service.search.ranking import Ranker, SortedRanker
from service.search.results import Match, SearchResult
from service.search.state import State
from service.search.word_query import text_clauses
from service.threads import run_in_thread


@dataclass(frozen=True, slots=True)
class ToExplain:
    """A result whose matches are to be explained.

    Attributes:
        result: without explanations.
        content: what asks, for the words behind its bits; None of examples.
        scoring: what the matches were ranked by.
        matched: the matches.
        replica: has the words.
        kind: of the collection: texts alone have words behind their bits.
    """

    result: SearchResult
    content: Content | None
    scoring: Scoring
    matched: Matched
    replica: DocumentReplica | None
    kind: Kind = "text"

    @classmethod
    def of(cls, connection: Connection, state: State, asked: Asked, ranker: Ranker, result: SearchResult) -> ToExplain:
        """A result with what its ranker went by. Blocks; cost: that of scoring its matches."""
        if isinstance(ranker, SortedRanker):
            ranker = ranker.ranker
        keys = np.array([match.document.key for match in result.matches], dtype=np.int64)
        codes, has_code = state.source.codes(connection, keys)
        contents = [match.document.content for match in result.matches]
        scoring = _scoring(connection, asked, ranker, state.replica)
        matched = Matched(keys, contents, codes, has_code)
        return cls(result, asked.content, scoring, matched, state.replica, state.kind)


async def explained(
    found: Sequence[ToExplain], encoder: Encoder, digest: str, space: SpaceBits | None
) -> list[SearchResult]:
    """The results with an explanation of each match.

    Args:
        found: the results.
        encoder: tells which words speak for bits.
        digest: of the hash function that gave the codes.
        space: what bits mean in the collection, where it is known.
    """
    return [await _explained(one, encoder, digest, space) for one in found]


async def _explained(one: ToExplain, encoder: Encoder, digest: str, space: SpaceBits | None) -> SearchResult:
    direction = one.scoring.direction
    bits = [] if direction is None else strongest_bits(direction)
    reasons: BitReasons | None = None
    if bits and one.kind != "text":
        reasons = BitReasons(bits, space=space)
    elif bits:
        asking = [] if one.content is None else [one.content]
        known = [content for content in one.matched.contents if content is not None]
        words = await encoder.explain(digest, [*asking, *known], bits)
        of_documents = iter(words[len(asking) :])
        documents = [None if content is None else next(of_documents) for content in one.matched.contents]
        reasons = BitReasons(bits, words[0] if asking else None, documents, space)
    told = await run_in_thread(explanations, one.scoring, one.matched, one.replica, reasons)
    pairs = zip(one.result.matches, told, strict=True)
    matches: list[Match] = [match._replace(explanation=explanation) for match, explanation in pairs]
    return replace(one.result, matches=matches)


def _scoring(connection: Connection, asked: Asked, ranker: Ranker, replica: DocumentReplica | None) -> Scoring:
    if isinstance(ranker, HybridRanker):
        return _of_hybrid(connection, asked, ranker)
    if isinstance(ranker, RerankedRanker) and isinstance(ranker.likeness, CodeLikeness):
        return Scoring(direction=ranker.likeness.direction, code_factor=1.0)
    direction = _own_direction(asked)
    if isinstance(ranker, RerankedRanker) and replica is not None and isinstance(asked.content, Text):
        clauses = text_clauses(asked.content.whole, replica)
        typed = typed_words(asked.content.whole, clauses, replica.analyzer, {})
        return Scoring(clauses, typed, direction=direction)
    return Scoring(direction=direction)


def _of_hybrid(connection: Connection, asked: Asked, ranker: HybridRanker) -> Scoring:
    direction = ranker.looked_for(connection)
    best = ranker.best_word_score
    clauses: tuple[Clause, ...] = ()
    typed: list[str] = []
    if ranker.replica is not None:
        clauses = tuple(clause for clause in ranker.clauses if not clause.is_excluded)
        corrected = {} if asked.words is None else asked.words.corrected
        typed = typed_words(asked.typed, clauses, ranker.replica.analyzer, corrected)
    if direction is None:
        return Scoring(clauses, typed)
    code_factor = ranker.code_weight if best else 1.0
    return Scoring(clauses, typed, 1 / best if best else 0.0, direction, code_factor)


def _own_direction(asked: Asked) -> Direction | None:
    """The bits of the code that asks: as sure as they are, or all alike where that is not known."""
    if asked.direction is not None and asked.direction.any():
        return asked.direction
    return None if asked.code is None else np.asarray(fuse.signs(asked.code[None])[0], dtype=np.float32)
