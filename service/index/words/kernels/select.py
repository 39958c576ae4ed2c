"""Which loops run the inverted index: the compiled ones, if they are there and answer as numpy does; else numpy."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.index.words.bits import Bitmap
from service.index.words.kernels import reference
from service.index.words.layout import Bytes, Ints, Segment
from service.index.words.part import Docs, Postings
from service.index.words.plan import Plan


class Engine(Protocol):
    """The loops, compiled or not; `service.index.words.kernels.reference` says what each does."""

    def ordered(
        self,
        term: NDArray[np.int32],
        doc: Docs,
        in_body: NDArray[np.uint16],
        in_title: Bytes,
        n_terms: int,
        n_docs: int,
    ) -> tuple[Ints, Docs, NDArray[np.uint16], Bytes]:
        """Postings by (term, document)."""

    def merged(self, segments: list[Segment], new_docs: list[Docs], n_docs: int) -> Segment:
        """Terms and postings of several segments in one."""

    def find(self, segment: Segment, words: list[bytes]) -> list[int]:
        """The number of each of some terms."""

    def search(
        self, postings: Postings, plan: Plan, k: int, first_key: int, allowed: Bitmap | None
    ) -> tuple[Ints, NDArray[np.float32], int]:
        """The `k` best of one part."""

    def scores_of(self, postings: Postings, plan: Plan, docs: Docs) -> NDArray[np.float32]:
        """The score of each of some documents of one part."""

    def near_terms(self, segment: Segment, word: str, signature: int, max_edits: int) -> list[tuple[int, int]]:
        """Number and distance of the terms within some edits of a word."""


@lru_cache
def engine() -> Engine:
    """The fastest loops that answer as numpy does."""
    return reference
