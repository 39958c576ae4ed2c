"""Part: a segment and which of its documents are dead; what one part has for a query; totals of the live documents."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from service.index import bits
from service.index.bits import Bitmap
from service.index.words.layout import Bytes, Ints, Segment

NONE_DEAD: Bitmap = np.empty(0, np.uint8)
Docs = NDArray[np.int32]
_COUNTS_KEPT = 20_000


class Postings(NamedTuple):
    """What one part has for the terms of a query, in their order.

    The postings of term i are those from `starts[i]` to `ends[i]` of `docs`, `tf_body` and `tf_title`; keys and lengths
    are those of all documents of the part. `shown` is the bitmap of documents that an answer may hold; empty for all.
    """

    docs: Docs
    tf_body: NDArray[np.uint16]
    tf_title: Bytes
    starts: Ints
    ends: Ints
    keys: Ints
    body_lengths: NDArray[np.int32]
    title_lengths: NDArray[np.int32]
    shown: Bitmap


class Totals(NamedTuple):
    """Of the live documents: how many, how many with a body and with a title, and the terms in these."""

    n_docs: int = 0
    n_bodies: int = 0
    n_titles: int = 0
    body_terms: int = 0
    title_terms: int = 0

    def plus(self, body_lengths: NDArray[np.integer], title_lengths: NDArray[np.integer], sign: int = 1) -> Totals:
        """With documents of those lengths, or without them if `sign` is -1."""
        return Totals(
            self.n_docs + sign * len(body_lengths),
            self.n_bodies + sign * int(np.count_nonzero(body_lengths)),
            self.n_titles + sign * int(np.count_nonzero(title_lengths)),
            self.body_terms + sign * int(body_lengths.sum(dtype=np.int64)),
            self.title_terms + sign * int(title_lengths.sum(dtype=np.int64)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A segment and which of its documents are dead.

    Attributes:
        segment: documents and postings.
        alive: bitmap of the documents that are not dead; empty while none is.
        dead: `(n_dead,)` int32 numbers of the dead, in the order of their deaths.
        counts: for terms that were asked for, by number: the first so many deaths, and in how many of these documents
            the term is. All parts of one segment share it, so a search looks at the deaths since the last one only.
    """

    segment: Segment
    alive: Bitmap = field(default_factory=lambda: NONE_DEAD)
    dead: Docs = field(default_factory=lambda: np.empty(0, np.int32))
    counts: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def n_docs(self) -> int:
        """Documents, alive or dead."""
        return self.segment.n_docs

    @property
    def n_live(self) -> int:
        """Documents that are not dead."""
        return self.segment.n_docs - len(self.dead)

    def locate(self, keys: Ints) -> tuple[Docs, Ints]:
        """The numbers of those of some keys that are here and alive, and their places among the keys."""
        ordered = self.segment.keys
        if not len(ordered):
            return np.empty(0, np.int32), np.empty(0, np.int64)
        docs = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
        is_here = ordered[docs] == keys
        if len(self.dead):
            is_here &= bits.are_in(self.alive, docs)
        return docs[is_here].astype(np.int32), np.flatnonzero(is_here)

    def find(self, keys: Ints) -> Docs:
        """The numbers of those of some keys that are here and alive, in the order of the keys."""
        return self.locate(keys)[0]

    def without(self, docs: Docs) -> Self:
        """The same with some live documents dead."""
        alive = self.alive.copy() if len(self.alive) else bits.full(self.segment.n_docs)
        bits.remove(alive, docs)
        return replace(self, alive=alive, dead=np.concatenate([self.dead, docs]))

    def live(self) -> Docs:
        """The numbers of the documents that are not dead, ascending."""
        if not len(self.dead):
            return np.arange(self.segment.n_docs, dtype=np.int32)
        marks = np.unpackbits(self.alive, bitorder="little")[: self.segment.n_docs]
        return np.flatnonzero(marks).astype(np.int32)

    def frequency(self, term: int) -> int:
        """How many live documents have a term."""
        segment = self.segment
        first, last = int(segment.starts[term]), int(segment.starts[term + 1])
        n_dead = len(self.dead)
        if not n_dead:
            return last - first
        n_seen, n_gone = self.counts.get(term, (0, 0))
        if n_seen > n_dead:  # a newer view than this one counted further
            n_seen, n_gone = 0, 0
        if n_seen < n_dead:
            n_gone += _n_common(segment.docs[first:last], self.dead[n_seen:])
            if len(self.counts) > _COUNTS_KEPT:
                self.counts.clear()
            self.counts[term] = n_dead, n_gone
        return last - first - n_gone


def _n_common(ascending: Docs, others: Docs) -> int:
    """How many numbers are in both."""
    if not len(ascending):
        return 0
    others = np.sort(others)
    few, many = (others, ascending) if len(others) < len(ascending) else (ascending, others)
    places = np.minimum(np.searchsorted(many, few), len(many) - 1)
    return int(np.count_nonzero(many[places] == few))
