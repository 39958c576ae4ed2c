"""What the bits of a code space mean in a collection: shares of ones, words and documents of each side, correlations.

One file, though a long one: what is read, what is made of it, and how long it is kept belong together.

Read from a sample of the documents as SQL has them, so that every process says the same whatever it has in memory.

The words of a side are those whose log-odds between the two sides are the surest, with the frequencies in the sample as
the prior: rare words need more of a difference than common ones. A word that separates every bit, as the largest topics
do, says little of one: what it does here is divided by what it does on the average.

Source: Monroe, Colaresi, Quinn (2008), "Fightin' words", equations 15, 20, 22; here for documents that have a word.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.hashing.analysis import Analyzer
from service.hashing.codes import Codes, unpack
from service.hashing.content import text_of
from service.search.sources import SqlSource
from service.store import collections, document_samples, document_summaries, documents, spaces, words
from service.store.database import Database
from service.store.document_summaries import DocumentSummary, Shown
from service.store.overviews import SpaceReference
from service.threads import run_in_large_thread, run_read

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

log = structlog.get_logger(__name__)

_SAMPLE, _SEED = 5_000, 12
_READ_TOGETHER, _READ_CHARS = 64, 20_000_000
"""Documents read at a time, and characters after which no more are."""
_CHARS_OF_DOCUMENT = 5_000
"""Characters of a document whose words are counted."""
_WORDS_OF_SIDE, _DOCUMENTS_OF_SIDE, _CORRELATED = 8, 3, 3
_LEAST_DOCUMENTS = 3
"""Documents that a word must be in."""
_PRIOR_DOCUMENTS = 10.0
"""Documents that the prior weighs."""
_SEEN_IN = 3
"""Documents in which it is looked up how a word is written."""
_TITLE_CHARS = 80
_BITS_TOGETHER = 32
_KEPT = 16
_STALE_SHARE = 10
"""Descriptions are renewed when more than one of so many documents has changed."""


@dataclass(frozen=True, slots=True)
class TypicalDocument:
    """A document that stands for a side: its title, or how its text begins."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class BitSide:
    """The documents that have one value of a bit.

    Attributes:
        words: those that separate them from the other side, the surest first.
        documents: those whose codes are most like the other codes of this side, and unlike those of the other.
    """

    words: Sequence[str] = ()
    documents: Sequence[TypicalDocument] = ()


@dataclass(frozen=True, slots=True)
class BitDescription:
    """What one bit means.

    Attributes:
        bit: its number, from 0.
        share: of ones among the documents; None if there are none.
        ones, zeros: the two sides.
        correlated: the bits that go with it most, with the correlation, which is below 0 where they go against it.
    """

    bit: int
    share: float | None
    ones: BitSide
    zeros: BitSide
    correlated: Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class SpaceBits:
    """All bits of a code space.

    Attributes:
        space: the code space.
        n_documents: of the collection.
        n_sampled: those that this was read from.
        seq: the last change of the collection when it was read.
        bits: `(n_bits,)`.
    """

    space: SpaceReference
    n_documents: int
    n_sampled: int
    seq: int
    bits: Sequence[BitDescription]


class BitDescriptions:
    """Describes the bits of active spaces, once for each until a tenth of the documents have changed.

    Args:
        database: where documents and codes are.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._described: OrderedDict[int, SpaceBits] = OrderedDict()
        self._running: dict[int, asyncio.Task[SpaceBits]] = {}

    async def of(self, collection: str) -> SpaceBits:
        """The bits of the active space, read in a thread if they are not known; of those that are known and too old
        the next call gives new ones.

        Raises:
            NotFound: no such collection.
        """
        space_id, seq = await run_read(self.database, self._active, collection)
        known = self._at_hand(collection, space_id, seq)
        return known if known is not None else await asyncio.shield(self._started(collection, space_id))

    def at_hand(self, collection: str, space: SpaceReference, seq: int) -> SpaceBits | None:
        """What is known of the bits of a space, at once; where nothing is, or it is too old, it is read from now on.

        Args:
            collection: its name.
            space: its active space.
            seq: the last change of the collection that the caller knows.
        """
        known = self._at_hand(collection, space.id, seq)
        if known is None:
            self._started(collection, space.id)
        return known

    async def close(self) -> None:
        """Wait for what is being read; a second call does nothing."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _active(self, collection: str) -> tuple[int, int]:
        with self.database.read() as connection:
            found = collections.get(connection, collection)
            return spaces.active(connection, found.id).id, found.last_seq

    def _at_hand(self, collection: str, space_id: int, seq: int) -> SpaceBits | None:
        known = self._described.get(space_id)
        if known is not None:
            self._described.move_to_end(space_id)
            if (seq - known.seq) * _STALE_SHARE > known.n_documents:
                self._started(collection, space_id)
        return known

    def _started(self, collection: str, space_id: int) -> asyncio.Task[SpaceBits]:
        """The task that reads them, one for all who ask."""
        task = self._running.get(space_id)
        if task is None:
            task = self._running[space_id] = asyncio.create_task(self._described_anew(collection, space_id))
            task.add_done_callback(lambda done: self._ended(space_id, done))
        return task

    async def _described_anew(self, collection: str, space_id: int) -> SpaceBits:
        described = await run_in_large_thread(read_bits, self.database, collection)
        self._described.pop(space_id, None)  # it was of another space, if there was a promotion meanwhile
        self._described[described.space.id] = described
        while len(self._described) > _KEPT:
            self._described.popitem(last=False)
        return described

    def _ended(self, space_id: int, task: asyncio.Task[SpaceBits]) -> None:
        self._running.pop(space_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("bits could not be described", space=space_id, error=repr(error))


def read_bits(database: Database, collection: str) -> SpaceBits:
    """The bits of the active space of a collection, of a sample of its documents. Blocks.

    Raises:
        NotFound: no such collection.

    Cost: reads the keys of the collection, and the texts of the sample: one or two seconds for 5,000 documents.
    """
    with database.read() as connection:
        found = collections.get(connection, collection)
        source = SqlSource.of(connection, found.id)
        settings, _ = words.get(connection, found.id)
        keys = document_samples.sample_keys(connection, found.id, _SAMPLE, _SEED)
        read = _read(connection, keys)
        codes, has_code = source.codes(connection, np.array([one.key for one in read], dtype=np.int64))
        n_documents = documents.count(connection, found.id)
    sampled = [one for one, has in zip(read, has_code.tolist(), strict=True) if has]
    bits = describe(codes[has_code], sampled, Analyzer(settings.analyzer_language))
    return SpaceBits(source.space, n_documents, len(sampled), found.last_seq, bits)


def _read(connection: Connection, keys: NDArray[np.int64]) -> list[DocumentSummary]:
    """Documents of those keys, as many as may be read."""
    read: list[DocumentSummary] = []
    n_chars = 0
    shown = Shown(text=True, metadata=False, title=True)
    order = np.random.default_rng(_SEED).permutation(keys)  # where it ends early, it is still a sample
    for start in range(0, len(order), _READ_TOGETHER):
        found = document_summaries.summaries(connection, order[start : start + _READ_TOGETHER], None, shown)
        read += found.values()
        n_chars += sum(one.n_chars for one in found.values())
        if n_chars > _READ_CHARS:
            break
    return sorted(read, key=lambda one: one.key)


def describe(codes: Codes, sampled: Sequence[DocumentSummary], analyzer: Analyzer) -> list[BitDescription]:
    """What each bit means in some documents. Blocks.

    Args:
        codes: `(n, n_bytes)` of the documents.
        sampled: the documents, with their contents, by ascending key.
        analyzer: makes words of texts.
    """
    ones = unpack(codes).astype(np.float32)  # (n, n_bits)
    n, n_bits = ones.shape
    if not n:
        return [BitDescription(bit, None, BitSide(), BitSide(), ()) for bit in range(n_bits)]
    texts = [text_of(one.content)[:_CHARS_OF_DOCUMENT] for one in sampled]
    terms, has_term = _terms_of(texts, analyzer)
    separation = _specific(_separation(has_term, ones))  # (n_terms, n_bits) float32
    n_words = min(_WORDS_OF_SIDE, len(terms))
    first = np.argsort(-separation, axis=0, kind="stable")[:n_words].T.tolist()
    last = np.argsort(separation, axis=0, kind="stable")[:n_words].T.tolist()
    written = _written(sorted({*np.ravel(first).tolist(), *np.ravel(last).tolist()}), terms, has_term, texts, analyzer)
    typical = _typical(ones)
    correlations = _correlations(ones)

    def side(bit: int, value: int) -> BitSide:
        places = [i for i in (first if value else last)[bit] if (separation[i, bit] > 0) == bool(value)]
        found = dict.fromkeys(written[i] for i in places if separation[i, bit])
        return BitSide(tuple(found), [_shown(sampled[i], texts[i]) for i in typical[value][bit]])

    shares = ones.mean(axis=0, dtype=np.float64)
    return [
        BitDescription(bit, round(float(shares[bit]), 4), side(bit, 1), side(bit, 0), correlations[bit])
        for bit in range(n_bits)
    ]


def _shown(document: DocumentSummary, text: str) -> TypicalDocument:
    title = document.title or " ".join(text[: 4 * _TITLE_CHARS].split())
    return TypicalDocument(document.id, title[:_TITLE_CHARS])


def _terms_of(texts: Sequence[str], analyzer: Analyzer) -> tuple[list[str], csr_matrix]:
    """The terms of enough documents, and which document has which: `(n, n_terms)` of ones.

    Stop words and terms without a letter are left out: they name nothing.
    """
    from scipy.sparse import csr_matrix  # a quarter of a second, which only those who ask for bits wait

    of_texts = [set(analyzer.terms(text)) for text in texts]
    frequencies = Counter(term for terms in of_texts for term in terms)
    least = min(_LEAST_DOCUMENTS, max(1, len(texts) // 10))
    terms = sorted(term for term, n in frequencies.items() if n >= least and any(map(str.isalpha, term)))
    number = {term: i for i, term in enumerate(terms)}
    places = [sorted(number[term] for term in one if term in number) for one in of_texts]
    starts = np.cumsum([0, *map(len, places)])
    columns = np.fromiter((i for one in places for i in one), np.int64, int(starts[-1]))
    return terms, csr_matrix((np.ones(len(columns), np.float32), columns, starts), shape=(len(texts), len(terms)))


def _separation(has_term: csr_matrix, ones: NDArray[np.float32]) -> NDArray[np.float32]:
    """How surely each term separates ones from zeros of each bit, `(n_terms, n_bits)`: z-scores, above 0 for ones.

    A few bits at a time, so that no call is long and no table large.
    """
    n, n_bits = ones.shape
    z = np.zeros((has_term.shape[1], n_bits), np.float32)
    by_term = has_term.T.tocsr()
    frequency = np.asarray(has_term.sum(axis=0), dtype=np.float64).reshape(-1, 1)
    prior = _PRIOR_DOCUMENTS * frequency / n
    for start in range(0, n_bits, _BITS_TOGETHER):
        bits = slice(start, start + _BITS_TOGETHER)
        n_ones = ones[:, bits].sum(axis=0, dtype=np.float64)
        in_ones = np.asarray(by_term @ ones[:, bits], dtype=np.float64)
        with_one, with_zero = in_ones + prior, frequency - in_ones + prior
        odds = np.log(with_one / (n_ones + _PRIOR_DOCUMENTS - with_one + 1e-9))
        odds -= np.log(with_zero / (n - n_ones + _PRIOR_DOCUMENTS - with_zero + 1e-9))
        z[:, bits] = np.where((n_ones > 0) & (n_ones < n), odds / np.sqrt(1 / with_one + 1 / with_zero), 0)
    return z


def _specific(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same, times what each is of its term's usual one: `z |z| / (1 + rms z)`."""
    usual = np.sqrt(np.mean(z**2, axis=1, keepdims=True))  # (n_terms, 1)
    specific: NDArray[np.float32] = z * np.abs(z) / (1 + usual)
    return specific


def _written(
    places: Sequence[int], terms: Sequence[str], has_term: csr_matrix, texts: Sequence[str], analyzer: Analyzer
) -> dict[int, str]:
    """How some terms are mostly written in the first documents that have them."""
    by_term = has_term.tocsc()
    wanted: dict[int, list[str]] = {}
    for i in places:
        for row in by_term.indices[by_term.indptr[i] : by_term.indptr[i + 1]][:_SEEN_IN].tolist():
            wanted.setdefault(row, []).append(terms[i])
    seen: dict[str, Counter[str]] = {}
    for row, here in wanted.items():
        for term, surface in analyzer.written(texts[row], here).items():
            seen.setdefault(term, Counter())[surface] += 1
    return {i: seen[terms[i]].most_common(1)[0][0] if terms[i] in seen else terms[i] for i in places}


def _typical(ones: NDArray[np.float32]) -> tuple[list[list[int]], list[list[int]]]:
    """Of each bit the most typical documents with a zero, and with a one."""
    signs = 2 * ones - 1  # (n, n_bits)
    n_ones = ones.sum(axis=0)
    of_ones = (ones.T @ signs) / np.maximum(n_ones, 1)[:, None]  # (n_bits, n_bits): the mean code of each side
    of_zeros = ((1 - ones).T @ signs) / np.maximum(len(ones) - n_ones, 1)[:, None]
    likeness = signs @ (of_ones - of_zeros).T  # (n, n_bits)
    found: tuple[list[list[int]], list[list[int]]] = ([], [])
    for bit in range(ones.shape[1]):
        order = np.argsort(-likeness[:, bit], kind="stable")
        has_one = ones[order, bit] > 0
        found[1].append(order[has_one][:_DOCUMENTS_OF_SIDE].tolist())
        found[0].append(order[~has_one][::-1][:_DOCUMENTS_OF_SIDE].tolist())
    return found


def _correlations(ones: NDArray[np.float32]) -> list[list[tuple[int, float]]]:
    """Of each bit those that go with it most; none with a bit that never changes."""
    centered = ones - ones.mean(axis=0)
    deviation = np.sqrt((centered**2).sum(axis=0))
    scaled = centered / np.where(deviation > 0, deviation, np.inf)
    correlation = scaled.T @ scaled  # (n_bits, n_bits)
    np.fill_diagonal(correlation, 0)
    order = np.argsort(-np.abs(correlation), axis=1, kind="stable")[:, :_CORRELATED].tolist()
    return [
        [(other, round(float(row[other]), 3)) for other in near if row[other]]
        for near, row in zip(order, correlation, strict=True)
    ]
