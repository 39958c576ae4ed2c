"""Why a match is a match: the parts of its score, word by word and bit by bit, and the words behind the bits.

    score = u sum_i BM25_i + a sum_j p_j s_j / sum_j |p_j|        (service/search/fuse.py)

A clause i of the query adds u BM25_i, a bit j adds a p_j s_j / sum |p|: negative where the document differs. What is
shown adds up to the score. The words that speak for a bit are those whose loss moves its logit most
(service/hashing/explain.py), in the query and in the document; what the bit means in the collection is in
service/search/bits.py.

These are pure functions: the search calls them with what it ranked by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.hashing.analysis import Analyzer
from service.hashing.codes import Codes, unpack
from service.hashing.content import Content, text_of
from service.hashing.contributions import WordContributions
from service.index.document_replica import DocumentReplica
from service.index.key_mask import Keys
from service.index.words import Clause
from service.search import fuse
from service.search.bits import SpaceBits
from service.search.fuse import Direction

STRONGEST_BITS = 8
"""Bits whose words are told, those that weigh most in the search."""
_WORDS_OF_BIT = 3
_READ_CHARS = 50_000
"""Characters of a document that are searched for how it writes a word; one that comes later is named by its term."""
_DIGITS, _DIGITS_OF_PARTS = 8, 6
"""Shares have more digits than scores: there are many of them, and they must add up."""


Words = Sequence[tuple[str, float]]
"""Words, each with what a logit loses without it."""
_Sides = tuple[Words, Words]
"""Words that speak for a zero, and for a one."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """What the matches of a query were ranked by.

    Attributes:
        clauses: of the query; none where words have no part in the score.
        typed: what was typed for each of them.
        word_factor: what the BM25 of a document is multiplied by in its score: 1 / the best BM25, or 1.
        direction: `(n_bits,)` where codes were looked for; None where codes have no part.
        code_factor: what the agreement of a code is multiplied by in the score; None where codes have a distance only.
    """

    clauses: Sequence[Clause] = ()
    typed: Sequence[str] = ()
    word_factor: float = 1.0
    direction: Direction | None = None
    code_factor: float | None = None


@dataclass(frozen=True, slots=True)
class Matched:
    """The matches that are explained.

    Attributes:
        keys: `(n,)`.
        contents: what the documents hold; None where it is not known.
        codes: `(n, n_bytes)`; None where codes have no part.
        has_code: `(n,)` which of them have one; all if not given.
    """

    keys: Keys
    contents: Sequence[Content | None]
    codes: Codes | None = None
    has_code: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class BitReasons:
    """The words behind some bits, as `Encoder.explain` gave them for `strongest_bits`.

    Attributes:
        bits: their numbers.
        query: of the query; None where it has none of its own.
        documents: of the matches, in their order.
        space: what bits mean in the collection, where it is known.
    """

    bits: Sequence[int] = ()
    query: WordContributions | None = None
    documents: Sequence[WordContributions | None] = ()
    space: SpaceBits | None = None


@dataclass(frozen=True, slots=True)
class WordShare:
    """A word of the query that a document has.

    Attributes:
        typed: the word of the query.
        found: as the document writes it.
        bm25: what it adds to the BM25 of the document.
        score: what it adds to the score.
    """

    typed: str
    found: str
    bm25: float
    score: float


@dataclass(frozen=True, slots=True)
class BitShare:
    """A bit of a document's code.

    Attributes:
        bit: its number, from 0.
        value: 0 or 1, in the document.
        confidence: how sure the search was of the value that it looked for, 0 to 1; 1 is the surest bit.
        score: what it adds to the score: below 0 if it differs. None where codes have a distance only.
    """

    bit: int
    value: int
    confidence: float
    score: float | None


@dataclass(frozen=True, slots=True)
class BitWords:
    """One of the strongest bits of a search, and the words behind it.

    Attributes:
        bit, value, confidence, score: as in `BitShare`.
        agrees: whether the document has the value that was looked for.
        query: the words of the query that speak for the value that was looked for, and what its logit loses without.
        document: the words of the document that speak for the value that it has.
        ones: words of the collection's documents in which the bit is one, and few others; none if they are not known.
        zeros: the same of those in which it is zero.
    """

    bit: int
    value: int
    confidence: float
    score: float | None
    agrees: bool
    query: Words
    document: Words
    ones: Sequence[str]
    zeros: Sequence[str]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a match is where it is.

    Attributes:
        parts: what `words` and `code` add to the score; they add up to it. Left out where they have no part.
        words: the words of the query that it has, by descending share; they add up to `parts["words"]`.
        agreeing: bits that are as the search looked for them, the surest first.
        differing: the others; with the agreeing they add up to `parts["code"]`. Both empty if it has no code.
        strongest: the bits that weigh most in the search, the same for all matches, with their words.
    """

    parts: Mapping[str, float] = field(default_factory=dict)
    words: Sequence[WordShare] = ()
    agreeing: Sequence[BitShare] = ()
    differing: Sequence[BitShare] = ()
    strongest: Sequence[BitWords] = ()


def strongest_bits(direction: Direction, n: int = STRONGEST_BITS) -> list[int]:
    """The bits that weigh most in a search, those that weigh nothing left out."""
    order = np.argsort(-np.abs(direction), kind="stable")[:n].tolist()
    return [bit for bit in order if direction[bit]]


def typed_words(query: str, clauses: Sequence[Clause], analyzer: Analyzer, corrected: Mapping[str, str]) -> list[str]:
    """What was typed for each clause of a query.

    Args:
        query: as it was typed.
        clauses: of the query.
        analyzer: made them.
        corrected: what was typed, and the term that was looked for in its place.
    """
    firsts = [clause.alternatives[0][0] if clause.alternatives else "" for clause in clauses]
    written = analyzer.written(query, firsts)
    for typed, term in corrected.items():
        written.setdefault(term, typed)
    return [written.get(term, term) for term in firsts]


def explanations(
    scoring: Scoring, matched: Matched, words: DocumentReplica | None, reasons: BitReasons | None = None
) -> list[Explanation]:
    """Why each match is where it is. Blocks.

    Args:
        scoring: what they were ranked by.
        matched: the matches.
        words: the index that gave their BM25; None where words have no part.
        reasons: the words behind the strongest bits.

    Cost: a millisecond for ten matches.
    """
    n = len(matched.keys)
    of_words = _word_shares(scoring, matched, words) if words is not None and scoring.clauses else None
    of_bits = _bit_shares(scoring, matched)
    of_query: list[_Sides] = []
    if reasons is not None:
        places = range(len(reasons.bits))
        of_query = [(_speaking(reasons.query, i, False), _speaking(reasons.query, i, True)) for i in places]
    explained = []
    for row in range(n):
        parts: dict[str, float] = {}
        shares: list[WordShare] = []
        if of_words is not None:
            shares = of_words[row]
            parts["words"] = round(sum(share.score for share in shares), _DIGITS_OF_PARTS)
        agreeing, differing = of_bits[row]
        if scoring.direction is not None and scoring.code_factor is not None:
            has_code = bool(agreeing or differing)
            code = sum(bit.score or 0.0 for bit in (*agreeing, *differing)) if has_code else -scoring.code_factor
            parts["code"] = round(code, _DIGITS_OF_PARTS)
        strongest = _strongest(agreeing, differing, reasons, of_query, row) if reasons is not None else []
        explained.append(Explanation(parts, shares, agreeing, differing, strongest))
    return explained


def _word_shares(scoring: Scoring, matched: Matched, words: DocumentReplica) -> list[list[WordShare]]:
    """Of each match the words that it has."""
    found = words.words.shares(scoring.clauses, matched.keys)
    all_shares = []
    for row, content in enumerate(matched.contents):
        has = np.flatnonzero(found.alternatives[row] >= 0).tolist()
        terms = {i: scoring.clauses[i].alternatives[found.alternatives[row, i]][0] for i in has}
        written = words.analyzer.written(text_of(content)[:_READ_CHARS], terms.values())
        shares = [
            WordShare(
                scoring.typed[i],
                written.get(term, term),
                round(float(found.scores[row, i]), _DIGITS_OF_PARTS),
                round(float(found.scores[row, i]) * scoring.word_factor, _DIGITS),
            )
            for i, term in terms.items()
        ]
        all_shares.append(sorted(shares, key=lambda share: -share.bm25))
    return all_shares


def _bit_shares(scoring: Scoring, matched: Matched) -> list[tuple[list[BitShare], list[BitShare]]]:
    """Of each match the agreeing and the differing bits."""
    direction, codes = scoring.direction, matched.codes
    if direction is None or codes is None:
        return [([], [])] * len(matched.keys)
    size = np.abs(direction.astype(np.float64))
    confidence = np.round(size / (size.max(initial=0) or 1.0), 4).tolist()
    order = np.argsort(-size, kind="stable").tolist()
    shares = fuse.signs(codes) * direction / (size.sum() or 1.0) * (scoring.code_factor or 0.0)  # (n, n_bits)
    agrees = (unpack(codes) == (direction > 0)).tolist()
    values, scores = unpack(codes).tolist(), (np.round(shares.astype(np.float64), _DIGITS) + 0.0).tolist()  # no -0
    all_shares: list[tuple[list[BitShare], list[BitShare]]] = []
    for row in range(len(codes)):
        sides: tuple[list[BitShare], list[BitShare]] = ([], [])
        if matched.has_code is None or matched.has_code[row]:
            for bit in order:
                score = None if scoring.code_factor is None else scores[row][bit]
                sides[not agrees[row][bit]].append(BitShare(bit, values[row][bit], confidence[bit], score))
        all_shares.append(sides)
    return all_shares


def _strongest(
    agreeing: Sequence[BitShare],
    differing: Sequence[BitShare],
    reasons: BitReasons,
    of_query: Sequence[_Sides],
    row: int,
) -> list[BitWords]:
    """The words behind the bits that reasons were asked for."""
    shares = {share.bit: (share, True) for share in agreeing} | {share.bit: (share, False) for share in differing}
    of_document = reasons.documents[row] if reasons.documents else None
    told = []
    for place, bit in enumerate(reasons.bits):
        if bit not in shares:
            continue
        share, agrees = shares[bit]
        meaning = None if reasons.space is None else reasons.space.bits[bit]
        told.append(
            BitWords(
                bit,
                share.value,
                share.confidence,
                share.score,
                agrees,
                of_query[place][share.value if agrees else 1 - share.value],
                _speaking(of_document, place, bool(share.value)),
                () if meaning is None else meaning.ones.words[:_WORDS_OF_BIT],
                () if meaning is None else meaning.zeros.words[:_WORDS_OF_BIT],
            )
        )
    return told


def _speaking(words: WordContributions | None, place: int, value: bool) -> Words:
    found = [] if words is None else words.speaking_for(place, value, _WORDS_OF_BIT)
    return [(word, round(gain, 4)) for word, gain in found]
