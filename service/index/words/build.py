"""Segments: made of documents, and made of other segments without their dead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, count

import numpy as np
from numpy.typing import NDArray

from service.index.words.kernels import reference
from service.index.words.kernels.select import Engine
from service.index.words.layout import MOST_CHARS, Bytes, Ints, Segment, allocate
from service.index.words.part import Docs, Part

Texts = Sequence[Sequence[str]]


def lengths_of(texts: Texts) -> NDArray[np.int32]:
    """How many terms each text has."""
    return np.fromiter(map(len, texts), np.int32, len(texts))


def of_documents(keys: Ints, bodies: Texts, titles: Texts, body_lengths: NDArray[np.int32], engine: Engine) -> Segment:
    """A segment of `(n,)` unique keys in any order, with the terms of their bodies and titles.

    `body_lengths` `(n,)` are what counts as the length of each body.
    """
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    title_lengths = lengths_of(titles)
    n_body, n_title = sum(map(len, bodies)), int(title_lengths.sum(dtype=np.int64))
    tokens = map(numbers.__getitem__, chain(chain.from_iterable(bodies), chain.from_iterable(titles)))
    term = np.fromiter(tokens, np.int32, n_body + n_title)
    docs = np.arange(len(keys), dtype=np.int32)
    doc = np.concatenate([np.repeat(docs, lengths_of(bodies)), np.repeat(docs, title_lengths)])
    in_body = np.repeat(np.array([1, 0], np.uint16), [n_body, n_title])
    in_title = np.repeat(np.array([0, 1], np.uint8), [n_body, n_title])
    return assembled(list(numbers), term, doc, in_body, in_title, keys, body_lengths, title_lengths, engine)


def of_names(names: list[str], engine: Engine) -> Segment:
    """A segment of different terms that no document has: a dictionary."""
    none = np.empty(0, np.int32)
    nowhere = np.empty(0, np.uint16), np.empty(0, np.uint8), np.empty(0, np.int64)
    return assembled(names, none, none, *nowhere, none, none, engine)


def assembled(
    names: list[str],
    term: NDArray[np.int32],
    doc: Docs,
    in_body: NDArray[np.uint16],
    in_title: Bytes,
    keys: Ints,
    body_lengths: NDArray[np.int32],
    title_lengths: NDArray[np.int32],
    engine: Engine,
) -> Segment:
    """A segment of occurrences, in any order: of term `names[term[i]]` in document `doc[i]`; equal pairs add up."""
    by_key = np.argsort(keys, kind="stable")
    by_text = sorted(range(len(names)), key=names.__getitem__)  # code points order as their UTF-8 bytes do
    new_doc, new_term = _inverse(by_key), _inverse(np.array(by_text, np.int64))
    postings = engine.ordered(new_term[term], new_doc[doc], in_body, in_title, len(names), len(keys))
    ordered = [names[i] for i in by_text]
    texts = "".join(ordered)
    ends = np.append(0, np.cumsum(np.fromiter(map(len, ordered), np.int64, len(ordered))))
    points = np.frombuffer(texts.encode("utf-32-le", "surrogatepass"), np.uint32)
    n_bytes = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    text_starts = np.append(0, np.cumsum(n_bytes))[ends]
    segment = allocate(len(keys), len(names), len(postings[1]), int(text_starts[-1]))
    segment.keys[:] = keys[by_key]
    segment.body_lengths[:], segment.title_lengths[:] = body_lengths[by_key], title_lengths[by_key]
    segment.starts[:], segment.docs[:], segment.tf_body[:], segment.tf_title[:] = postings
    segment.text_starts[:] = text_starts
    segment.texts[:] = np.frombuffer(texts.encode("utf-8", "surrogatepass"), np.uint8)
    segment.n_chars[:] = np.minimum(np.diff(ends), MOST_CHARS)
    segment.signatures[:] = reference.signatures_of(points, ends)
    return segment


def _inverse(order: NDArray[np.integer]) -> NDArray[np.int32]:
    places = np.empty(len(order), np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    return places


def merged(parts: Sequence[Part], engine: Engine) -> Segment:
    """One segment of the live documents of some parts; no key is alive in two of them.

    Cost: linear in the postings and the bytes of the dictionaries.
    """
    live = [part.live() for part in parts]
    keys = np.concatenate([part.segment.keys[docs] for part, docs in zip(parts, live, strict=True)])
    place = _inverse(np.argsort(keys, kind="stable"))
    new_docs, at = [], 0
    for part, docs in zip(parts, live, strict=True):
        moved = np.full(part.segment.n_docs, -1, np.int32)
        moved[docs] = place[at : at + len(docs)]
        new_docs.append(moved)
        at += len(docs)
    segment = engine.merged([part.segment for part in parts], new_docs, len(keys))
    segment.keys[place] = keys
    for part, docs, moved in zip(parts, live, new_docs, strict=True):
        segment.body_lengths[moved[docs]] = part.segment.body_lengths[docs]
        segment.title_lengths[moved[docs]] = part.segment.title_lengths[docs]
    return segment
