"""Which loops run the inverted index: the compiled ones, if they are there and answer as numpy does; else numpy."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from service.index import bits
from service.index.bits import Bitmap
from service.index.engines import Loops
from service.index.words.kernels import reference
from service.index.words.layout import Bytes, Ints, Segment, allocate
from service.index.words.part import Docs, Postings, Totals
from service.index.words.plan import Plan, Settings, make, terms_of
from service.index.words.query import Clause


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
def loops() -> Loops[Engine]:
    """The loops of the words: numpy's until the compiled ones are there, if they answer as numpy does.

    Where they cannot be loaded, cannot be compiled or are wrong, numpy goes on to answer the same, many times slower;
    the log says why, and `service.index.engines.reasons` does.

    Raises:
        ConfigurationError: NEARBIT_KERNEL is neither "numba" nor "numpy".
    """
    return Loops("words", cast(Engine, reference), _compiled, answers_alike, ("words",))


def _compiled() -> Engine:
    from service.index.words.kernels import compiled

    return cast(Engine, compiled)


def answers_alike(loops: Engine) -> bool:
    """Whether loops do as numpy does: same segments, same merges, same answers to the bit, same neighbors of words."""
    mine, theirs = _sample(loops), _sample(cast(Engine, reference))
    if not all(np.array_equal(one.words, other.words) for one, other in zip(mine, theirs, strict=True)):
        return False
    segment = theirs[-1]
    names = [segment.text(number) for number in range(0, segment.n_terms, 3)]
    words = [name.encode() for name in [*names, "", "w", "zz", "ü"]]
    if loops.find(segment, words) != reference.find(segment, words):
        return False
    for name in names[:20]:
        typed = name[1:] + name[:1]
        signature = reference.signature_of(typed)
        if loops.near_terms(segment, typed, signature, 2) != reference.near_terms(segment, typed, signature, 2):
            return False
    return all(_answer_alike(loops, segment, names, n) for n in range(4))


def _sample(loops: Engine) -> list[Segment]:
    """Two small segments and what they are merged to, without one in five documents."""
    rng = np.random.default_rng(0)
    segments = []
    for n_docs, n_terms in ((150, 60), (90, 80)):
        term, doc = rng.integers(0, [[n_terms], [n_docs]], (2, 3000)).astype(np.int32)
        in_body = rng.integers(0, 3, 3000).astype(np.uint16)
        in_title = (in_body == 0).astype(np.uint8)
        starts, docs, tf_body, tf_title = loops.ordered(term, doc, in_body, in_title, n_terms, n_docs)
        names = sorted(f"{'wü学'[i % 3]}{i * i}" for i in range(n_terms))
        segment = allocate(n_docs, n_terms, len(docs), sum(len(name.encode()) for name in names))
        segment.starts[:], segment.docs[:], segment.tf_body[:], segment.tf_title[:] = starts, docs, tf_body, tf_title
        segment.text_starts[1:] = np.cumsum([len(name.encode()) for name in names])
        segment.texts[:] = np.frombuffer("".join(names).encode(), np.uint8)
        segment.n_chars[:] = [len(name) for name in names]
        segment.signatures[:] = [reference.signature_of(name) for name in names]
        segments.append(segment)
    new_docs = [np.arange(first, last, 2, dtype=np.int32) for first, last in ((0, 300), (1, 181))]
    for moved in new_docs:
        moved[::5] = -1
    merged = loops.merged(segments, new_docs, 300)
    merged.keys[:] = np.arange(300) * 3 - 100
    merged.body_lengths[:], merged.title_lengths[:] = rng.integers(0, 60, 300), rng.integers(0, 9, 300)
    return [*segments, merged]


def _answer_alike(loops: Engine, segment: Segment, names: list[str], n: int) -> bool:
    """Whether one of some queries is answered alike: alternatives, required, excluded; masked or not."""
    terms = [names[(7 * i + n) % len(names)] for i in range(6)]
    options = [(False, False), (n == 1, False), (False, n == 2)]
    clauses = [
        Clause(tuple((term, 1 + i / 2) for term in terms[i : 2 * i + 1]), is_required, is_excluded, 1 + i)
        for i, (is_required, is_excluded) in enumerate(options)
    ]
    numbers = np.array(reference.find(segment, [term.encode() for term in terms_of(clauses)]))
    sizes = segment.starts[numbers + 1] - segment.starts[numbers]
    totals = Totals().plus(segment.body_lengths, segment.title_lengths)
    plan = make(clauses, sizes.tolist(), totals, Settings(1.2, 0.75, 2.0))
    if plan is None:
        return False
    starts, ends = segment.starts[numbers][plan.kept], segment.starts[numbers + 1][plan.kept]
    lengths = segment.body_lengths, segment.title_lengths
    shown = bits.of(segment.n_docs, np.arange(n, segment.n_docs, n + 1))
    postings = Postings(segment.docs, segment.tf_body, segment.tf_title, starts, ends, segment.keys, *lengths, shown)
    allowed = bits.of(400, np.arange(0, 400, 2)) if n % 2 else None
    for k in (10, 1000):
        one, other = (each.search(postings, plan, k, 0, allowed) for each in (loops, cast(Engine, reference)))
        if one[2] != other[2] or not (np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])):
            return False
    docs = np.arange(segment.n_docs, dtype=np.int32)
    return np.array_equal(loops.scores_of(postings, plan, docs), reference.scores_of(postings, plan, docs))
