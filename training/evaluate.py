"""How good a hash function is on documents it never saw: retrieval quality and health of its codes, as a Report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from service.hashing.codes import Codes, substrings, unpack
from service.hashing.content import Contents
from service.hashing.featurizers.text import HashedTextFeaturizer, TextFeaturizer
from service.hashing.function import HashFunction, n_known
from service.hashing.network import EncoderNetwork
from service.hashing.untrained import SEED, untrained_hash_function
from training.data.split import first_by_id, split
from training.fit.run import SATURATED_WITHIN
from training.neighbors.exact import SimilaritySpace, nearest
from training.vectors import unit_features

MAX_QUERIES = 1_000
MAX_DATABASE = 50_000
TRUE_NEIGHBORS = 10
SHORTLIST = 100
DEAD_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class BucketLoad:
    """How evenly documents fill the buckets of a hash table, worst table of several.

    Attributes:
        n_tables: tables, each addressed by one substring of the code.
        largest: documents in the fullest bucket.
        mean: documents in a bucket that is not empty.
        ratio: largest / mean; 1 is perfectly even.
    """

    n_tables: int
    largest: int
    mean: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a hash function; every figure names its part of the documents.

    Attributes:
        n_queries: held-out documents asked with.
        n_database: training and validation documents searched.
        shortlist: nearest by code among which the true neighbors are looked for.
        recall: by function ("this", "untrained", "active" ...): expected share of the 10 true nearest, by the cosine of
            this function's features, in the shortlist; ties in distance are broken at random.
        saturated: share of the held-out code units within 0.05 of 0 or 1.
        reconstruction_loss: of the held-out documents from hard bits, in nats per document; None if not given.
        bit_entropy: of each bit over the database, in bits (1 is best).
        bit_balance: share of ones of each bit over the database (0.5 is best).
        dead_bits: positions of bits with the same value in at least 99.5 % of the database.
        code_load: the whole code as one address.
        substring_load: substrings of about 16 bits as addresses.
        share_of_shared_codes: share of the database whose code another document has too.
        without_features: share of the held-out documents that hold no known word.
    """

    n_queries: int
    n_database: int
    shortlist: int
    recall: dict[str, float]
    saturated: float
    reconstruction_loss: float | None
    bit_entropy: list[float]
    bit_balance: list[float]
    dead_bits: list[int]
    code_load: BucketLoad
    substring_load: BucketLoad
    share_of_shared_codes: float
    without_features: float

    def to_dict(self) -> dict[str, object]:
        """The report for JSON."""
        return asdict(self)


def evaluate(
    function: HashFunction,
    contents: Contents,
    ids: Sequence[str],
    *,
    others: Mapping[str, HashFunction] | None = None,
    reconstruction_loss: float | None = None,
) -> Report:
    """Measure a hash function on the held-out documents; beside it the untrained one, and others, on the same ones.

    The part of each document follows from its id as in `fit`. At most 1,000 queries and 50,000 database documents are
    used, chosen by id, so that the cost is bounded and two reports on one collection compare.

    Args:
        function: the hash function judged; its features say which neighbors are true.
        contents: documents of the collection, or a sample.
        ids: theirs.
        others: further hash functions by name, judged on the same queries by the same truth.
        reconstruction_loss: of the fit, for the report.

    Raises:
        InvalidInput: fewer than three documents.
    """
    parts = split(ids)
    queries = [contents[i] for i in first_by_id(parts.held_out, ids, MAX_QUERIES)]
    stored = np.concatenate([parts.train, parts.validation])
    database = [contents[i] for i in first_by_id(stored, ids, MAX_DATABASE)]
    query_features, features = function.featurizer.transform(queries), function.featurizer.transform(database)
    codes = function.codes_of(features)
    shortlist = min(SHORTLIST, max(TRUE_NEIGHBORS, len(database) // 10))
    asked, searched = (SimilaritySpace(unit_features(rows)) for rows in (query_features, features))
    truth = nearest(asked, searched, TRUE_NEIGHBORS).rows  # (n_queries, TRUE_NEIGHBORS)
    recall = {"this": expected_recall(function.codes_of(query_features), codes, truth, shortlist)}
    for name, other in {"untrained": _untrained(function), **(others or {})}.items():
        query_codes, other_codes = other.encode(queries).codes, other.encode(database).codes
        recall[name] = expected_recall(query_codes, other_codes, truth, shortlist)
    balance = unpack(codes).mean(axis=0)
    occupancy = _occupancy(np.ascontiguousarray(codes).view(f"V{codes.shape[1]}").ravel())
    return Report(
        n_queries=len(queries),
        n_database=len(database),
        shortlist=shortlist,
        recall=recall,
        saturated=saturated_share(function.logits(query_features)),
        reconstruction_loss=reconstruction_loss,
        bit_entropy=[round(float(h), 4) for h in entropy(balance)],
        bit_balance=[round(float(share), 4) for share in balance],
        dead_bits=[int(i) for i in np.flatnonzero(np.minimum(balance, 1 - balance) <= DEAD_SHARE)],
        code_load=_load([occupancy]),
        substring_load=_load([_occupancy(table) for table in substrings(codes, -(-function.n_bits // 16)).T]),
        share_of_shared_codes=float(occupancy[occupancy > 1].sum() / len(database)),
        without_features=float(np.mean(n_known(query_features) == 0)),
    )


def expected_recall(query_codes: Codes, codes: Codes, truth: NDArray[np.int32], shortlist: int) -> float:
    """Expected share of the true neighbors `(n, k)` among the `shortlist` nearest by code, ties broken at random.

    Source: McSherry, Najork (2008), "Computing information retrieval performance measures efficiently in the presence
    of tied scores".
    """
    shares = [
        inclusion(distances, shortlist)[true].mean()
        for distances, true in zip(all_distances(query_codes, codes), truth, strict=True)
    ]
    return float(np.mean(shares))


def inclusion(distances: NDArray[np.int64], shortlist: int) -> NDArray[np.float64]:
    """Probability of each of `(n,)` documents to be among the nearest `shortlist`, ties broken at random."""
    counts = np.bincount(distances)
    before = np.cumsum(counts) - counts
    chance = np.clip((shortlist - before) / np.maximum(counts, 1), 0, 1)
    taken: NDArray[np.float64] = chance[distances]
    return taken


def all_distances(query_codes: Codes, codes: Codes) -> NDArray[np.int64]:
    """Hamming distances `(n_queries, n)`, by a matrix product of signs."""
    signs = unpack(codes).astype(np.float32) * 2 - 1
    query_signs = unpack(query_codes).astype(np.float32) * 2 - 1
    distances: NDArray[np.int64] = np.rint((signs.shape[1] - query_signs @ signs.T) / 2).astype(np.int64)
    return distances


def entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy in bits of coins that show one with those shares."""
    p = np.clip(shares, 1e-12, 1 - 1e-12)
    bits: NDArray[np.float64] = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return bits


def saturated_share(logits: NDArray[np.float32]) -> float:
    """Share of the code units whose sigmoid lies within 0.05 of 0 or 1."""
    edge = np.log((1 - SATURATED_WITHIN) / SATURATED_WITHIN)
    return float(np.mean(np.abs(logits) > edge))


def _untrained(function: HashFunction) -> HashFunction:
    """What a new collection of texts begins with; for other contents random hyperplanes over the same features."""
    if isinstance(function.featurizer, TextFeaturizer | HashedTextFeaturizer):
        return untrained_hash_function(function.n_bits)
    network = EncoderNetwork(function.featurizer.n_features, (), function.n_bits)
    network.draw_signs(SEED)
    return HashFunction(function.featurizer, network.eval(), np.zeros(function.n_bits, dtype=np.float32), SEED)


def _occupancy(addresses: NDArray[np.generic]) -> NDArray[np.int64]:
    """Documents in each bucket that is not empty."""
    counts: NDArray[np.int64] = np.unique(addresses, return_counts=True)[1].astype(np.int64)
    return counts


def _load(tables: list[NDArray[np.int64]]) -> BucketLoad:
    worst = max(tables, key=lambda counts: counts.max() / counts.mean())
    mean = float(worst.mean())
    return BucketLoad(len(tables), int(worst.max()), round(mean, 3), round(float(worst.max()) / mean, 2))
