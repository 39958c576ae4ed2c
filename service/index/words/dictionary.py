"""The terms of an index: how many documents have them, which begin so, which are nearly written so."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nsmallest

import numpy as np

from service.index.words import build
from service.index.words.kernels import reference
from service.index.words.kernels.select import Engine
from service.index.words.part import Part
from service.index.words.view import View

MOST_CHARS = 200
"""Longer terms have no corrections."""
_FIRST_LOOK = 32
"""Terms of each segment that are looked at before it is known that more are needed."""


def n_terms(view: View, engine: Engine) -> int:
    """Different terms, those of dead documents among them."""
    names, counts = view.delta.arrays.names[: view.delta.n_terms], view.delta.frequencies().tolist()
    texts = [_encoded(name) for name, n in zip(names, counts, strict=True) if n]
    total = 0
    for place in range(len(view.parts), -1, -1):  # the smallest first, each compared with those larger than it
        larger = view.parts[:place]
        is_new = np.ones(len(texts), bool)
        for part in larger:
            is_new &= np.array(engine.find(part.segment, texts), np.int64) < 0
        total += int(np.count_nonzero(is_new))
        if place == 1:
            return total + view.parts[0].segment.n_terms
        if place:
            texts = reference.texts_of(view.parts[place - 1].segment)
    return total


def frequencies(view: View, terms: Sequence[str], engine: Engine) -> list[int]:
    """How many live documents have each of some terms."""
    encoded = [_encoded(term) for term in terms]
    counts = view.delta.frequencies_of(terms)
    for part in view.parts:
        for place, number in enumerate(engine.find(part.segment, encoded)):
            if number >= 0:
                counts[place] += part.frequency(number)
    return counts


def completions(view: View, prefix: str, limit: int, engine: Engine) -> list[str]:
    """The terms that begin so, those of most documents first, then in the order of their code points.

    Of each segment the most frequent are looked at, more and more of them, until no other can be among the best: what a
    term not looked at can have is bounded by what the last one looked at has in each segment, its dead included.
    """
    ranges = [(part, *_range(part, prefix, engine)) for part in view.parts]
    newest = [
        name
        for name, n in zip(
            view.delta.arrays.names[: view.delta.n_terms], view.delta.frequencies().tolist(), strict=True
        )
        if n and name.startswith(prefix)
    ]
    n_looked_at = max(_FIRST_LOOK, 2 * limit)
    while True:
        names, bound, is_all = set(newest), 0, True
        for part, first, last in ranges:
            sizes = np.diff(part.segment.starts[first : last + 1])
            if len(sizes) > n_looked_at:
                top = np.argpartition(-sizes, n_looked_at)[: n_looked_at + 1]
                bound += int(sizes[top[-1]])
                top, is_all = top[:-1], False
            else:
                top = np.arange(len(sizes))
            names.update(part.segment.text(first + number) for number in top.tolist())
        ordered = sorted(names)
        counts = frequencies(view, ordered, engine)
        best = nsmallest(limit, ((-n, name) for n, name in zip(counts, ordered, strict=True) if n))
        if is_all or (len(best) == limit and -best[-1][0] > bound):
            return [name for _, name in best]
        n_looked_at *= 4


def corrections(view: View, term: str, max_edits: int, limit: int, engine: Engine) -> list[tuple[str, int]]:
    """The terms within some edits of a term, the nearest first, then those of most documents, then by code points."""
    if len(term) > MOST_CHARS:
        return []
    signature = reference.signature_of(term)
    near: dict[str, int] = {}
    for part in view.parts:
        for number, edits in engine.near_terms(part.segment, term, signature, max_edits):
            near[part.segment.text(number)] = edits
    characters = set(term)
    newest = [
        name
        for name in view.delta.arrays.names[: view.delta.n_terms]
        if abs(len(name) - len(term)) <= max_edits and len(characters.symmetric_difference(name)) <= 2 * max_edits
    ]
    if newest:
        segment = build.of_names(newest, engine)
        for number, edits in engine.near_terms(segment, term, signature, max_edits):
            near[segment.text(number)] = edits
    names = list(near)
    found = zip(names, frequencies(view, names, engine), strict=True)
    best = nsmallest(limit, ((near[name], -n, name) for name, n in found if n))
    return [(name, edits) for edits, _, name in best]


def _encoded(term: str) -> bytes:
    return term.encode("utf-8", "surrogatepass")


def _range(part: Part, prefix: str, engine: Engine) -> tuple[int, int]:
    """The numbers of the terms of a segment that begin so, from the first to before the last."""
    if not prefix:
        return 0, part.segment.n_terms
    first, last = engine.find(part.segment, [_encoded(prefix), _encoded(prefix) + b"\xff"])
    return first if first >= 0 else -1 - first, last if last >= 0 else -1 - last
