"""Compare: what two documents have in common, bit by bit with the words behind each bit, and word by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Literal

import numpy as np
from sqlalchemy import Connection

from service.config import Settings
from service.encoding import Encoder
from service.hashing.codes import unpack
from service.hashing.content import text_of
from service.hashing.contributions import WordContributions
from service.index.document_replica import DocumentReplica
from service.index.replicas import Follower
from service.index.words import Clause
from service.search.bounds import READ_SOON_SEQ, located
from service.search.sources import SqlSource
from service.store import collections, documents, embedding_models
from service.store.database import Database
from service.store.documents import Document
from service.store.overviews import SpaceReference
from service.threads import run_in_large_thread

_WORDS_OF_BIT, _SHARED_WORDS = 3, 30
_READ_CHARS = 50_000
"""Characters of each document whose words are looked up in the other."""
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class ComparedBit:
    """A bit of both codes.

    Attributes:
        bit: its number, from 0.
        a, b: its value in each document, 0 or 1.
        confidence_a, confidence_b: how far the logit lies from the threshold, in shares of the document's surest bit.
        words_a, words_b: the words of each document that do most for its value, and what the logit loses without each.
    """

    bit: int
    a: int
    b: int
    confidence_a: float
    confidence_b: float
    words_a: Sequence[tuple[str, float]]
    words_b: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class SharedWord:
    """A word that both documents have, as each writes it first; its weight is `sqrt(BM25 in a * BM25 in b)`."""

    a: str
    b: str
    weight: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two documents side by side.

    Attributes:
        a, b: the documents.
        space: the code space whose function gave the codes.
        agreeing: the bits that are equal, those of which both are sure first.
        differing: the others, in the same order; their number is the Hamming distance.
        words: what both have, the weightiest first; at most 30.
        partial: what was not at hand: the words.
    """

    a: Document
    b: Document
    space: SpaceReference
    agreeing: Sequence[ComparedBit]
    differing: Sequence[ComparedBit]
    words: Sequence[SharedWord]
    partial: tuple[Literal["words"], ...] = ()


class Compare:
    """Compares documents of a collection.

    Args:
        database: where they are.
        encoder: explains their codes.
        follower: has the words.
        settings: how long words that are behind are waited for.
    """

    def __init__(self, database: Database, encoder: Encoder, follower: Follower, settings: Settings) -> None:
        self.database = database
        self.encoder = encoder
        self.follower = follower
        self.settings = settings

    async def documents(self, collection: str, a: str, b: str) -> Comparison:
        """Two documents side by side, by the codes that the active space gives to what they hold now.

        Raises:
            NotFound: no such collection, or no document of one of the ids, which it names.
            VectorsMissing: one has no vector of the model that the active space encodes.
        """
        found = await self._located(collection, a, b)
        explained = await self.encoder.explain(str(found.space.digest), [one.content for one in found.both])
        return await run_in_large_thread(_compared, found, explained)

    async def _located(self, collection: str, a: str, b: str) -> _Located:
        """The documents; words that are behind what the collection was at first have a moment to catch up."""
        seqs: list[int] = []

        def locate(is_last: bool) -> _Located | None:
            with self.database.read() as connection:
                found = collections.get(connection, collection)
                space = SqlSource.of(connection, found.id).space
                both = [_read(connection, found.id, id, space.model) for id in (a, b)]
            seqs.append(found.last_seq)
            words = self.follower.documents(found.id)
            has_words = words is not None and words.read_seq >= seqs[0]
            comes_soon = words is not None or seqs[0] <= READ_SOON_SEQ
            return (
                None
                if not has_words and comes_soon and not is_last
                else _Located(space, both, words if has_words else None)
            )

        return await located(self.database, self.follower, self.settings.read_your_writes_s, locate)


@dataclass(frozen=True, slots=True)
class _Located:
    """The documents, the space that gives their codes, and the words, if they are in memory."""

    space: SpaceReference
    both: Sequence[Document]
    words: DocumentReplica | None


def _read(connection: Connection, collection_id: int, id: str, model: int) -> Document:
    """A document with what a space of an embedding model encodes of it."""
    document = documents.get(connection, collection_id, id)
    return replace(document, content=embedding_models.hashed(connection, collection_id, document.content, model))


def _compared(found: _Located, explained: Sequence[WordContributions]) -> Comparison:
    bits = _bits(*explained)
    a, b = found.both
    return Comparison(
        a,
        b,
        found.space,
        [bit for bit in bits if bit.a == bit.b],
        [bit for bit in bits if bit.a != bit.b],
        [] if found.words is None else _shared_words(found.both, found.words),
        ("words",) if found.words is None else (),
    )


def _bits(a: WordContributions, b: WordContributions) -> list[ComparedBit]:
    """All bits, those of which both documents are sure first."""
    value_a, value_b = (unpack(one.code[None])[0].tolist() for one in (a, b))
    sure_a, sure_b = (one.confidence / 255 for one in (a, b))  # (n_bits,)
    order = np.argsort(-np.minimum(sure_a, sure_b), kind="stable").tolist()
    return [
        ComparedBit(
            bit,
            value_a[bit],
            value_b[bit],
            round(float(sure_a[bit]), _DIGITS),
            round(float(sure_b[bit]), _DIGITS),
            _speaking(a, bit, value_a[bit]),
            _speaking(b, bit, value_b[bit]),
        )
        for bit in order
    ]


def _speaking(words: WordContributions, bit: int, value: int) -> list[tuple[str, float]]:
    return [(word, round(gain, _DIGITS)) for word, gain in words.speaking_for(bit, bool(value), _WORDS_OF_BIT)]


def _shared_words(both: Sequence[Document], replica: DocumentReplica) -> list[SharedWord]:
    """The words that both documents have: of very many, those that the fewest documents have."""
    analyzer = replica.analyzer
    texts = [text_of(one.content)[:_READ_CHARS] for one in both]
    terms = sorted(set(analyzer.terms(texts[0])).intersection(analyzer.terms(texts[1])))
    clauses = [Clause(((term, 1.0),)) for term in terms]
    scores = replica.words.shares(clauses, np.array([one.key for one in both], dtype=np.int64)).scores
    weights = {term: sqrt(x * y) for term, x, y in zip(terms, *scores.tolist(), strict=True) if x and y}
    best = sorted(weights, key=lambda term: (-weights[term], term))[:_SHARED_WORDS]
    in_a, in_b = (analyzer.written(text, best) for text in texts)
    shared: dict[tuple[str, str], float] = {}
    for term in best:  # an identifier and its stem are written alike
        shared.setdefault((in_a.get(term, term), in_b.get(term, term)), round(weights[term], _DIGITS))
    return [SharedWord(*written, weight) for written, weight in shared.items()]
