"""Delta: the newest documents, added one by one; its postings lie in the order of arrival and a search scans them.

One thread writes. Arrays have room behind what is visible: the writer fills it, then publishes a view that shows more.
The dictionary of terms may know some that a reader's view does not show yet; they have no visible postings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.index import bits
from service.index.bits import Bitmap
from service.index.words.build import assembled
from service.index.words.kernels.select import Engine
from service.index.words.layout import MOST_IN_BODY, MOST_IN_TITLE, Bytes, Ints, Segment
from service.index.words.part import Docs, Postings

MOST_DOCS, MOST_POSTINGS = 256, 8192
_FEW = 4
"""Terms of which each is looked for; for more, all are counted."""


def fits(n_docs: int, n_postings: int) -> bool:
    """Whether an empty delta has room for so many documents and postings."""
    return n_docs <= MOST_DOCS and n_postings <= MOST_POSTINGS


class _Arrays:
    """Room for the documents and postings of one delta, and the terms there are."""

    def __init__(self) -> None:
        self.keys: Ints = np.zeros(MOST_DOCS, np.int64)
        self.body_lengths: NDArray[np.int32] = np.zeros(MOST_DOCS, np.int32)
        self.title_lengths: NDArray[np.int32] = np.zeros(MOST_DOCS, np.int32)
        self.terms: NDArray[np.int32] = np.zeros(MOST_POSTINGS, np.int32)
        self.docs: Docs = np.zeros(MOST_POSTINGS, np.int32)
        self.tf_body: NDArray[np.uint16] = np.zeros(MOST_POSTINGS, np.uint16)
        self.tf_title: Bytes = np.zeros(MOST_POSTINGS, np.uint8)
        self.numbers: dict[str, int] = {}
        self.names: list[str] = []


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """The first `n_docs` documents, `n_postings` postings and `n_terms` terms of the arrays; `alive` is a bitmap."""

    arrays: _Arrays = field(default_factory=_Arrays)
    n_docs: int = 0
    n_postings: int = 0
    n_terms: int = 0
    alive: Bitmap = field(default_factory=lambda: bits.of(MOST_DOCS, np.empty(0, np.int64)))

    @property
    def keys(self) -> Ints:
        """`(n_docs,)` keys, in the order of arrival; those of dead documents may come again."""
        return self.arrays.keys[: self.n_docs]

    def has_room(self, n_docs: int, n_postings: int) -> bool:
        """Whether so many documents with at most so many postings can be added."""
        return fits(self.n_docs + n_docs, self.n_postings + n_postings)

    def plus(self, key: int, body: Sequence[str], title: Sequence[str], body_length: int) -> Self:
        """With one document more, for which there must be room."""
        arrays, doc = self.arrays, self.n_docs
        in_body, in_title = Counter(body), Counter(title)
        terms = list(dict.fromkeys([*in_body, *in_title]))
        for term in terms:
            if term not in arrays.numbers:
                arrays.names.append(term)
                arrays.numbers[term] = len(arrays.names) - 1
        first, last = self.n_postings, self.n_postings + len(terms)
        arrays.keys[doc], arrays.body_lengths[doc], arrays.title_lengths[doc] = key, body_length, len(title)
        arrays.terms[first:last] = [arrays.numbers[term] for term in terms]
        arrays.docs[first:last] = doc
        arrays.tf_body[first:last] = [min(in_body[term], MOST_IN_BODY) for term in terms]
        arrays.tf_title[first:last] = [min(in_title[term], MOST_IN_TITLE) for term in terms]
        alive = self.alive.copy()
        bits.add(alive, np.array([doc]))
        return replace(self, n_docs=doc + 1, n_postings=last, n_terms=len(arrays.names), alive=alive)

    def without(self, docs: Docs) -> Self:
        """The same with some documents dead."""
        alive = self.alive.copy()
        bits.remove(alive, docs)
        return replace(self, alive=alive)

    @property
    def memory_bytes(self) -> int:
        """Bytes of the arrays and, about, of the terms."""
        arrays = self.arrays
        return MOST_DOCS * 16 + MOST_POSTINGS * 11 + 200 * len(arrays.names)

    def locate(self, keys: Ints) -> tuple[Docs, Ints]:
        """The numbers of those of some keys that are here and alive, and their places among the keys."""
        live = self.live()
        if not len(live):
            return live, np.empty(0, np.int64)
        live = live[np.argsort(self.keys[live])]
        ordered = self.keys[live]
        places = np.minimum(np.searchsorted(ordered, keys), len(live) - 1)
        is_here = ordered[places] == keys
        return live[places[is_here]], np.flatnonzero(is_here)

    def find(self, keys: Ints) -> Docs:
        """The numbers of the live documents of some keys, ascending."""
        found: Docs = np.flatnonzero(np.isin(self.keys, keys) & self._is_live()).astype(np.int32)
        return found

    def live(self) -> Docs:
        """The numbers of the live documents, ascending."""
        return np.flatnonzero(self._is_live()).astype(np.int32)

    def postings(self, terms: Sequence[str]) -> Postings:
        """Of those terms in live documents."""
        arrays, n = self.arrays, self.n_postings
        visible, docs = arrays.terms[:n], arrays.docs[:n]
        if not self.n_docs:
            visible = visible[:0]
        runs = []
        for term in terms:
            number = arrays.numbers.get(term)
            run = np.empty(0, np.int64) if number is None else np.flatnonzero(visible == number)
            runs.append(run[bits.are_in(self.alive, docs[run])] if len(run) else run)
        sizes = np.array([len(run) for run in runs], np.int64)
        ends = np.cumsum(sizes)
        places = np.concatenate(runs) if runs else np.empty(0, np.int64)
        return Postings(
            docs[places],
            arrays.tf_body[places],
            arrays.tf_title[places],
            ends - sizes,
            ends,
            self.keys,
            arrays.body_lengths[: self.n_docs],
            arrays.title_lengths[: self.n_docs],
            np.empty(0, np.uint8),
        )

    def frequencies(self) -> NDArray[np.int64]:
        """`(n_terms,)` how many live documents have each term."""
        arrays, n = self.arrays, self.n_postings
        terms = arrays.terms[:n]
        if not n:
            return np.zeros(self.n_terms, np.int64)
        return np.bincount(terms[bits.are_in(self.alive, arrays.docs[:n])], minlength=self.n_terms)

    def frequencies_of(self, terms: Sequence[str]) -> list[int]:
        """How many live documents have each of some terms; the dictionary may know terms that are not visible here."""
        arrays, n = self.arrays, self.n_postings
        numbers = [arrays.numbers.get(term, self.n_terms) for term in terms]
        n_known = sum(number < self.n_terms for number in numbers)
        if not n_known:
            return [0] * len(terms)
        if n_known > _FEW:
            return np.append(self.frequencies(), 0)[np.minimum(numbers, self.n_terms)].tolist()  # type: ignore[no-any-return]
        runs = [arrays.docs[:n][arrays.terms[:n] == number] for number in numbers]
        return [int(np.count_nonzero(bits.are_in(self.alive, run))) if len(run) else 0 for run in runs]

    def segment(self, engine: Engine) -> Segment:
        """The live documents as a segment."""
        arrays, n, live = self.arrays, self.n_postings, self.live()
        place = np.full(self.n_docs, -1, np.int32)
        place[live] = np.arange(len(live), dtype=np.int32)
        doc = place[arrays.docs[:n]]
        stays = doc >= 0
        numbers, term = np.unique(arrays.terms[:n][stays], return_inverse=True)
        return assembled(
            [arrays.names[number] for number in numbers.tolist()],
            term.astype(np.int32),
            doc[stays],
            arrays.tf_body[:n][stays],
            arrays.tf_title[:n][stays],
            self.keys[live],
            arrays.body_lengths[live],
            arrays.title_lengths[live],
            engine,
        )

    def _is_live(self) -> NDArray[np.bool_]:
        return np.unpackbits(self.alive, bitorder="little")[: self.n_docs].astype(bool)
