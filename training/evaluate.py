"""Quality of a hash function on held-out documents, as a Report: recall of true neighbors, and health of the codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from service.hashing.analysis import NO_LANGUAGE
from service.hashing.codes import Codes, substrings, unpack
from service.hashing.content import Contents
from service.hashing.featurizers import Features
from service.hashing.featurizers.text import HashedTextFeaturizer, TextFeaturizer
from service.hashing.function import HashFunction, n_known_features
from service.hashing.network import EncoderNetwork
from service.hashing.untrained import SEED, untrained_hash_function
from training.advice import Advice, Findings
from training.data.split import Split, first_by_id, split
from training.data.supervision import Supervision
from training.fit.run import SATURATED_WITHIN
from training.judging import Questions
from training.neighbors.exact import SimilaritySpace, latent, nearest
from training.neighbors.latent import LatentSpace
from training.recall import Difference, recalls
from training.vectors import unit_features

MAX_QUERIES = 1_000
MAX_DATABASE = 50_000
TRUE_NEIGHBORS = 10
SHORTLIST = 100
TOPIC_DIMS, RARITY = 32, 1.0
"""Latent axes of the similarity by which documents are of one topic, and their power of the idf."""
DEAD_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class BucketLoad:
    """How evenly documents fill the buckets of a hash table; of several tables, the least even one.

    Attributes:
        n_tables: number of tables, each addressed by one substring of the code.
        largest: documents in the fullest bucket.
        mean: mean number of documents in the buckets that are not empty.
        ratio: largest / mean; 1 is perfectly even.
    """

    n_tables: int
    largest: int
    mean: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Report:
    """Figures about a hash function.

    Attributes:
        n_queries: number of held-out documents used as queries.
        n_database: number of training and validation documents searched.
        shortlist: number of documents nearest by code in which the true neighbors are searched.
        recall: by function ("this", "untrained", "active" ...): expected share of the 10 true nearest, by the cosine of
            this function's features, in the shortlist; ties in distance are broken at random.
        topic: by function: expected share of the shortlist that is among as many documents nearest by topic, which is
            the cosine of this function's features plus that of their latent axes.
        label: by function, where labels were given: expected share of the shortlist that shares a label with the query.
        pairs: by function, where pairs were given: share of the documents that are farther from a document than the
            one that is said to be like it, or nearer than one that is said to be unlike it.
        n_asked: number of queries with a label that others have too, `label`, and of pairs, `pairs`; what a training
            learned from is not asked about.
        found: for `recall`, `topic`, `both`, `label` and `pairs`: what this function finds, with 95 % of the bootstrap
            samples of the queries.
        gain: by other function: for the same, what this one finds more.
        saturated: share of the held-out code units within 0.05 of 0 or 1.
        reconstruction_loss: of the held-out documents from hard bits, in nats per document; None if unknown.
        bit_entropy: entropy of each bit over the database, in bits (1 is best).
        bit_balance: share of ones of each bit over the database (0.5 is best).
        bit_correlation: mean over the pairs of bits of how far they correlate, 0 to 1 (0 is best).
        dead_bits: positions of bits with the same value in at least 99.5 % of the database.
        code_load: bucket load with the whole code as the address.
        substring_load: bucket load with substrings of about 16 bits as addresses.
        share_of_shared_codes: share of the database documents whose code another document has too.
        n_distinct_codes: number of codes that the database documents have.
        without_features: share of the held-out documents without any known word.
        language: of the analyzer of texts, "none" for one without stems and stop words; None: not of texts.
        word_parts: whether parts of words are features.
        agreement: share of the neighbors that two halves of the vocabulary both find, chance is about .01; None if
            unknown.
        advice: what to know of the codes, and what to do.
    """

    n_queries: int
    n_database: int
    shortlist: int
    recall: dict[str, float]
    topic: dict[str, float]
    label: dict[str, float]
    pairs: dict[str, float]
    n_asked: dict[str, int]
    found: dict[str, Difference]
    gain: dict[str, dict[str, Difference]]
    saturated: float
    reconstruction_loss: float | None
    bit_entropy: list[float]
    bit_balance: list[float]
    bit_correlation: float
    dead_bits: list[int]
    code_load: BucketLoad
    substring_load: BucketLoad
    share_of_shared_codes: float
    n_distinct_codes: int
    without_features: float
    language: str | None
    word_parts: bool
    agreement: float | None
    advice: list[Advice]

    def to_dict(self) -> dict[str, object]:
        """The report as values that JSON can hold."""
        return asdict(self)


def evaluate(
    function: HashFunction,
    contents: Contents,
    ids: Sequence[str],
    *,
    others: Mapping[str, HashFunction] | None = None,
    reconstruction_loss: float | None = None,
    is_binary: bool = False,
    agreement: float | None = None,
    said: Supervision | None = None,
) -> Report:
    """A report on a hash function, with the recall of the untrained function and of others on the same queries.

    Documents are split by id as in `fit`. At most 1,000 queries and 50,000 database documents are used, chosen by id,
    so that the cost is bounded and two reports on one collection can be compared.

    Args:
        function: the hash function; the true neighbors are the nearest by the cosine of its features.
        contents: documents of the collection, or a sample of them.
        ids: ids of the documents.
        others: other hash functions by name, measured with the same queries and the same true neighbors.
        reconstruction_loss: held-out loss of the fit, copied into the report.
        is_binary: the training was to drive its units to 0 and 1; if they do not lie there, the report says so.
        agreement: of the fit, copied into the report.
        said: what people said of the documents, to judge by too.

    Raises:
        InvalidInput: fewer than three documents.
    """
    parts = split(ids)
    query_rows, database_rows = _rows(parts, ids)
    queries, database = ([contents[i] for i in rows] for rows in (query_rows, database_rows))
    query_features, features = function.featurizer.transform(queries), function.featurizer.transform(database)
    codes = function.codes_of(features)
    shortlist = min(SHORTLIST, max(TRUE_NEIGHBORS, len(database) // 10))
    truths = _truths(query_features, features, shortlist)
    questions = None if said is None else questions_of(said, ids)

    def found_by(function: HashFunction, query_codes: Codes, codes: Codes) -> dict[str, NDArray[np.float64]]:
        found = _found(query_codes, codes, truths, shortlist)
        if questions is not None:
            named = function.encode([contents[i] for i in questions.named]).codes
            found |= questions.answers(query_codes, codes, named, shortlist)
        return found

    found = {"this": found_by(function, function.codes_of(query_features), codes)}
    for name, other in {"untrained": _untrained(function), **(others or {})}.items():
        found[name] = found_by(other, other.encode(queries).codes, other.encode(database).codes)
    balance = unpack(codes).mean(axis=0)  # (n_bits,)
    occupancy = _occupancy(np.ascontiguousarray(codes).view(f"V{codes.shape[1]}").ravel())
    gain = {
        name: {aim: Difference.of(ours, figures[aim]) for aim, ours in found["this"].items()}
        for name, figures in found.items()
        if name != "this"
    }
    saturated = saturated_share(function.logits(query_features))
    dead_bits = [int(i) for i in np.flatnonzero(np.minimum(balance, 1 - balance) <= DEAD_SHARE)]
    without_features = float(np.mean(n_known_features(query_features) == 0))
    findings = Findings(
        n_bits=function.n_bits,
        n_documents=len(database),
        n_distinct_codes=len(occupancy),
        saturated=saturated if is_binary else None,
        agreement=agreement,
        without_features=without_features,
        n_dead_bits=len(dead_bits),
        is_better=gain["untrained"]["both"].high > 0,
    )
    return Report(
        n_queries=len(queries),
        n_database=len(database),
        shortlist=shortlist,
        recall=_means(found, "recall"),
        topic=_means(found, "topic"),
        label=_means(found, "label"),
        pairs=_means(found, "pairs"),
        n_asked={name: len(found["this"][name]) for name in ("label", "pairs") if name in found["this"]},
        found={name: Difference.of(figure, np.zeros(len(figure))) for name, figure in found["this"].items()},
        gain=gain,
        saturated=saturated,
        reconstruction_loss=reconstruction_loss,
        bit_entropy=[round(float(h), 4) for h in entropy(balance)],
        bit_balance=[round(float(share), 4) for share in balance],
        bit_correlation=round(correlation(codes), 4),
        dead_bits=dead_bits,
        code_load=_load([occupancy]),
        substring_load=_load([_occupancy(table) for table in substrings(codes, -(-function.n_bits // 16)).T]),
        share_of_shared_codes=float(occupancy[occupancy > 1].sum() / len(database)),
        n_distinct_codes=len(occupancy),
        without_features=without_features,
        language=_language(function),
        word_parts=isinstance(function.featurizer, TextFeaturizer) and function.featurizer.uses_parts,
        agreement=agreement,
        advice=findings.advice(),
    )


def questions_of(said: Supervision, ids: Sequence[str]) -> Questions:
    """What `evaluate` asks by what people said of the documents of these ids.

    Raises:
        InvalidInput: fewer than three documents.
    """
    parts = split(ids)
    return Questions.of(said, parts, *_rows(parts, ids))


def _rows(parts: Split, ids: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the queries, and of the documents that they search."""
    stored = np.concatenate([parts.train, parts.validation])
    return first_by_id(parts.held_out, ids, MAX_QUERIES), first_by_id(stored, ids, MAX_DATABASE)


@dataclass(frozen=True, slots=True)
class _Truths:
    """What codes should find: rows of the nearest `(n_queries, 10)` and of the same topic `(n_queries, shortlist)`."""

    recall: NDArray[np.int32]
    topic: NDArray[np.int32]


def _truths(queries: Features, database: Features, shortlist: int) -> _Truths:
    held_out, searched = unit_features(queries), unit_features(database)
    by_features = nearest(SimilaritySpace(held_out), SimilaritySpace(searched), TRUE_NEIGHBORS).rows
    if min(database.shape) <= 2:
        return _Truths(by_features, by_features)
    axes = LatentSpace.of(searched, TOPIC_DIMS, RARITY, SEED).axes
    asked, stored = (SimilaritySpace(rows, latent(rows, axes), 1.0) for rows in (held_out, searched))
    return _Truths(by_features, nearest(asked, stored, shortlist).rows)


def _found(query_codes: Codes, codes: Codes, truths: _Truths, shortlist: int) -> dict[str, NDArray[np.float64]]:
    """Expected share of each query's true neighbors in the shortlist, `(n_queries,)` by aim."""
    recall, topic = (recalls(query_codes, codes, truth, shortlist) for truth in (truths.recall, truths.topic))
    return {"recall": recall, "topic": topic, "both": (recall + topic) / 2}


def _means(found: Mapping[str, Mapping[str, NDArray[np.float64]]], figure: str) -> dict[str, float]:
    """The mean of a figure by function; nothing of one that was not asked for."""
    return {name: float(figures[figure].mean()) for name, figures in found.items() if figure in figures}


def correlation(codes: Codes) -> float:
    """Mean absolute correlation of two bits of codes `(n, n_bits // 8)`; bits that never change count as 0."""
    bits = unpack(codes).astype(np.float32)  # (n, n_bits)
    bits -= bits.mean(axis=0)
    bits /= np.maximum(np.sqrt(np.square(bits).sum(axis=0)), 1e-6)
    found = np.abs(bits.T @ bits)  # (n_bits, n_bits)
    n_bits = len(found)
    return float((found.sum() - np.trace(found)) / (n_bits * (n_bits - 1)))


def entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy in bits of bits that are 1 with probabilities `shares`, of their shape."""
    p = np.clip(shares, 1e-12, 1 - 1e-12)
    bits: NDArray[np.float64] = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return bits


def saturated_share(logits: NDArray[np.float32]) -> float:
    """Share of the code units whose sigmoid lies within 0.05 of 0 or 1."""
    edge = np.log((1 - SATURATED_WITHIN) / SATURATED_WITHIN)
    return float(np.mean(np.abs(logits) > edge))


def _language(function: HashFunction) -> str | None:
    if not isinstance(function.featurizer, TextFeaturizer | HashedTextFeaturizer):
        return None
    analyzer = function.featurizer.analyzer
    return NO_LANGUAGE if analyzer is None else analyzer.language


def _untrained(function: HashFunction) -> HashFunction:
    """The untrained function of a new collection of texts; for other contents random hyperplanes over features."""
    if isinstance(function.featurizer, TextFeaturizer | HashedTextFeaturizer):
        return untrained_hash_function(function.n_bits)
    network = EncoderNetwork(function.featurizer.n_features, (), function.n_bits)
    network.draw_signs(SEED)
    return HashFunction(function.featurizer, network.eval(), np.zeros(function.n_bits, dtype=np.float32), SEED)


def _occupancy(addresses: NDArray[np.generic]) -> NDArray[np.int64]:
    """Number of documents in each bucket that is not empty."""
    counts: NDArray[np.int64] = np.unique(addresses, return_counts=True)[1].astype(np.int64)
    return counts


def _load(tables: list[NDArray[np.int64]]) -> BucketLoad:
    worst = max(tables, key=lambda counts: counts.max() / counts.mean())
    mean = float(worst.mean())
    return BucketLoad(len(tables), int(worst.max()), round(mean, 3), round(float(worst.max()) / mean, 2))
