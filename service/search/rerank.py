"""The second stage of a search: the cosine of features between a query and the documents of a shortlist.

Features are not stored: they follow from a document's text and the space's featurizer, so they are computed when they
are asked for, and the vectors of the latest documents are kept in memory. A document whose text changed has another
revision, and a new space another hash function: what is kept is never stale.

Source: Salakhutdinov, Hinton (2009), "Semantic hashing", section 4, where TF-IDF re-ranks what the codes have found.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from service.encoding import Encoder
from service.hashing.content import Content, Contents, size_of
from service.hashing.featurizers import Features
from service.search.candidates import Shortlist

_ENTRY_BYTES = 500
"""What a kept vector takes beside its numbers: two arrays, a tuple, its place in the order."""
_CONTENTS_AT_ONCE, _CHARS_AT_ONCE = 256, 1_000_000

Revisions = Mapping[int, int]
"""The revision of each of some documents, by key."""


class Vector(NamedTuple):
    """The features of a content that are not zero, scaled to unit length: `indices` (n,) and `values` (n,) float32."""

    indices: NDArray[np.int32]
    values: NDArray[np.float32]


class VectorCache:
    """The vectors of the documents used last.

    Args:
        max_bytes: memory they may take.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self._kept: OrderedDict[tuple[str, int], tuple[int, Vector]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, digest: str, key: int, revision: int) -> Vector | None:
        """The vector of that revision of a document by the featurizer of that hash function, if it is kept."""
        found = self._kept.get((digest, key))
        if found is None or found[0] != revision:
            return None
        self._kept.move_to_end((digest, key))
        return found[1]

    def put(self, digest: str, key: int, revision: int, vector: Vector) -> None:
        """Keep a vector, in place of one of another revision; those used longest ago make room."""
        self._drop(self._kept.pop((digest, key), None))
        self._kept[digest, key] = revision, vector
        self.n_bytes += _size(vector)
        while self.n_bytes > self.max_bytes:
            self._drop(self._kept.popitem(last=False)[1])

    def _drop(self, entry: tuple[int, Vector] | None) -> None:
        if entry is not None:
            self.n_bytes -= _size(entry[1])


class Reranker:
    """Gives the vectors of contents, those of documents from its cache where it can; used by one event loop.

    Args:
        encoder: makes features.
        max_bytes: memory of the cache.
    """

    def __init__(self, encoder: Encoder, max_bytes: int) -> None:
        self.encoder = encoder
        self.cache = VectorCache(max_bytes)
        self._history = 0

    def begin(self, history: int) -> None:
        """Forget what is kept if the database is another than before: its revisions number other texts."""
        if history != self._history:
            self._history, self.cache = history, VectorCache(self.cache.max_bytes)

    def kept(self, digest: str, revisions: Revisions) -> dict[int, Vector]:
        """The vectors of those documents that the cache has, by key."""
        found = ((key, self.cache.get(digest, key, revision)) for key, revision in revisions.items())
        return {key: vector for key, vector in found if vector is not None}

    async def vectors(
        self, digest: str, queries: Contents, stored: Mapping[int, tuple[int, Content]]
    ) -> tuple[list[Vector], dict[int, Vector]]:
        """The vectors of queries, in order, and of documents, by key, which are kept.

        Args:
            digest: of the hash function whose featurizer it is.
            queries: their contents.
            stored: revision and content of each document.

        Raises:
            NearbitError: what the encoder raises.
        """
        made: list[Vector] = []
        for part in _parts([*queries, *(content for _, content in stored.values())]):
            made += _vectors(await self.encoder.features(digest, part))
        found = dict(zip(stored, made[len(queries) :], strict=True))
        for key, vector in found.items():
            self.cache.put(digest, key, stored[key][0], vector)
        return made[: len(queries)], found


@dataclass(frozen=True, slots=True)
class ScoredDocument:
    """A document of a shortlist with its distance and its score."""

    key: int
    distance: int
    score: float


def rank_shortlist(query: Vector, shortlist: Shortlist[int], vectors: Mapping[int, Vector]) -> list[ScoredDocument]:
    """A shortlist by descending cosine; equal ones as they were. A document that is gone by now has no vector."""
    near = [(key, distance) for key, distance, _ in shortlist.entries if key in vectors]
    scores = cosines(query, [vectors[key] for key, _ in near])
    order = np.argsort(-scores, kind="stable").tolist()
    return [ScoredDocument(near[place][0], near[place][1], float(scores[place])) for place in order]


def cosines(query: Vector, documents: Sequence[Vector]) -> NDArray[np.float64]:
    """The cosine of a query with each of `n` documents, `(n,)` to six decimals; 0 where one of them has no feature.

    Rounded, because the order of a sum shows in the digits behind: what shows as equal is a tie.
    """
    lengths = np.array([len(document.indices) for document in documents], dtype=np.int64)
    if not len(query.indices) or not lengths.any():
        return np.zeros(len(documents))
    indices = np.concatenate([document.indices for document in documents])
    values = np.concatenate([document.values for document in documents])
    dense = np.zeros(max(int(indices.max()), int(query.indices.max())) + 1, dtype=np.float32)
    dense[query.indices] = query.values
    row_of = np.repeat(np.arange(len(documents)), lengths)
    return np.round(np.bincount(row_of, weights=dense[indices] * values, minlength=len(documents)), 6)


def _vectors(features: Features) -> list[Vector]:
    """Rows as vectors of unit length, each with memory of its own: one that is kept must not hold its whole batch."""
    rows = csr_matrix(features)
    row_of = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    norms = np.sqrt(np.bincount(row_of, weights=np.square(rows.data, dtype=np.float64), minlength=rows.shape[0]))
    values = (rows.data / norms[row_of]).astype(np.float32)
    spans = zip(rows.indptr.tolist(), rows.indptr[1:].tolist(), strict=False)
    return [Vector(rows.indices[a:b].astype(np.int32), values[a:b].copy()) for a, b in spans]


def _parts(contents: Contents) -> Iterator[list[Content]]:
    """The contents in parts that an encoder takes in one call."""
    part: list[Content] = []
    n_chars = 0
    for content in contents:
        if part and (len(part) == _CONTENTS_AT_ONCE or n_chars + size_of(content) > _CHARS_AT_ONCE):
            yield part
            part, n_chars = [], 0
        part.append(content)
        n_chars += size_of(content)
    if part:
        yield part


def _size(vector: Vector) -> int:
    return vector.indices.nbytes + vector.values.nbytes + _ENTRY_BYTES
