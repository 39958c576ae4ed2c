"""The loops of the inverted index in plain numpy: what `compiled` must equal, bit by bit, and its stand-in.

Source: Robertson, Zaragoza (2009), "The probabilistic relevance framework: BM25 and beyond", sections 3.4 to 3.6: with
the occurrences of a term in body and title, each divided by the norm 1 - b + b * length / average of its field,
A = tf_body / norm_body + w * tf_title / norm_title, a document scores A / (k1 + A) of the term's weight. Both sides are
multiplied by the norms here, which leaves one division.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from service.index import bits
from service.index.bits import Bitmap
from service.index.words.layout import MOST_IN_BODY, MOST_IN_TITLE, Bytes, Ints, Segment, Words, allocate
from service.index.words.part import Docs, Postings
from service.index.words.plan import EXCLUDED, REQUIRED, Plan

Found = tuple[Ints, NDArray[np.float32], int]
"""Keys, scores and the number of documents that match."""


def ordered(
    term: NDArray[np.int32], doc: Docs, in_body: NDArray[np.uint16], in_title: Bytes, n_terms: int, n_docs: int
) -> tuple[Ints, Docs, NDArray[np.uint16], Bytes]:
    """Postings by (term, document), the occurrences of equal pairs added up.

    Returns:
        starts `(n_terms + 1,)`, documents, occurrences in bodies and in titles.
    """
    pairs = term.astype(np.int64) * max(1, n_docs) + doc
    order = np.argsort(pairs, kind="stable")
    pairs = pairs[order]
    first = np.flatnonzero(np.append(True, pairs[1:] != pairs[:-1])) if len(pairs) else np.empty(0, np.int64)
    pairs = pairs[first]
    sums = [
        np.add.reduceat(counts[order], first, dtype=np.int64) if len(first) else counts
        for counts in (in_body, in_title)
    ]
    starts = np.searchsorted(pairs, np.arange(n_terms + 1, dtype=np.int64) * max(1, n_docs))
    return (
        starts,
        (pairs % max(1, n_docs)).astype(np.int32),
        np.minimum(sums[0], MOST_IN_BODY).astype(np.uint16),
        np.minimum(sums[1], MOST_IN_TITLE).astype(np.uint8),
    )


def find(segment: Segment, words: list[bytes]) -> list[int]:
    """The number of each of some terms; -1 - i where a term is not there but would be before term i."""
    return [_find(segment, word) for word in words]


def _find(segment: Segment, word: bytes) -> int:
    low, high, starts, texts = 0, segment.n_terms, segment.text_starts, segment.texts
    while low < high:
        middle = (low + high) // 2
        if texts[starts[middle] : starts[middle + 1]].tobytes() < word:
            low = middle + 1
        else:
            high = middle
    is_there = low < segment.n_terms and texts[starts[low] : starts[low + 1]].tobytes() == word
    return low if is_there else -1 - low


def search(postings: Postings, plan: Plan, k: int, first_key: int, allowed: Bitmap | None) -> Found:
    """The `k` best of one part, descending by score and ascending by key, and how many documents match.

    Args:
        postings: of the terms of the plan.
        plan: weights and clauses.
        k: how many.
        first_key: the key of the first bit of `allowed`.
        allowed: bitmap of keys that an answer may hold, or None.
    """
    docs, scores = _scored(postings, plan)
    if len(postings.shown):
        is_shown = bits.are_in(postings.shown, docs)
        docs, scores = docs[is_shown], scores[is_shown]
    keys = postings.keys[docs]
    if allowed is not None:
        places = keys - first_key
        inside = (places >= 0) & (places < 8 * len(allowed))
        inside[inside] = bits.are_in(allowed, places[inside])
        keys, scores = keys[inside], scores[inside]
    best = _best(keys, scores, k)
    return keys[best], scores[best], len(keys)


def _best(keys: Ints, scores: NDArray[np.float32], k: int) -> Ints:
    """The places of the `k` best, descending by score and ascending by key."""
    if 0 < k < len(keys):
        few = np.flatnonzero(scores >= np.partition(scores, len(scores) - k)[len(scores) - k])
        return few[np.lexsort((keys[few], -scores[few]))[:k]]
    return np.lexsort((keys, -scores))[:k]


def scores_of(postings: Postings, plan: Plan, docs: Docs) -> NDArray[np.float32]:
    """The score of each of some documents of one part; 0 for those that do not match.

    Cost: a binary search for each document in the postings of each alternative.
    """
    state = _State(len(docs), plan)
    for clause, runs in _clauses(postings, plan):
        found = []
        for run, factor in runs:
            mine = postings.docs[run]
            places = np.minimum(np.searchsorted(mine, docs), max(len(mine), 1) - 1)
            is_there = np.flatnonzero(mine[places] == docs) if len(mine) else np.empty(0, np.int64)
            found.append((is_there, weights(postings, run.start + places[is_there], factor, plan.norms)))
        state.add(clause, found)
    scores = np.zeros(len(docs), np.float32)
    matching = state.matching()
    scores[matching] = state.total[matching].astype(np.float32)
    return scores


def _scored(postings: Postings, plan: Plan) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """All documents of one part that match, ascending, and their scores."""
    state = _State(len(postings.keys), plan)
    for clause, runs in _clauses(postings, plan):
        state.add(clause, [(postings.docs[run], weights(postings, run, factor, plan.norms)) for run, factor in runs])
    matching = state.matching()
    return matching, state.total[matching].astype(np.float32)


def _clauses(postings: Postings, plan: Plan) -> Iterator[tuple[int, list[tuple[slice, float]]]]:
    """Each clause with where the postings of its alternatives are, and with their factors."""
    starts, ends, factors = postings.starts.tolist(), postings.ends.tolist(), plan.factors.tolist()
    for clause, (first, last) in enumerate(pairwise(plan.clause_starts.tolist())):
        yield clause, [(slice(starts[i], ends[i]), factors[i]) for i in range(first, last)]


class _State:
    """The sums of some documents, and which clauses they have: filled clause by clause, only where documents have one.

    Attributes:
        total: `(n,)` the sums, each in the order of the clauses.
    """

    def __init__(self, n: int, plan: Plan) -> None:
        self.plan = plan
        self.total = np.zeros(n)
        self._is_hit, self._is_out = np.zeros(n, bool), np.zeros(n, bool)
        self._n_met = np.zeros(n if plan.n_required else 0, np.int64)

    def add(self, clause: int, found: Sequence[tuple[NDArray[np.integer], NDArray[np.float64]]]) -> None:
        """What each alternative of a clause gives which documents; of a document the most counts."""
        kind = self.plan.kinds[clause]
        docs = found[0][0]
        if kind == EXCLUDED:
            for docs, _ in found:
                self._is_out[docs] = True
            return
        if len(found) == 1:
            self.total[docs] += found[0][1]
        else:
            docs, places = np.unique(np.concatenate([docs for docs, _ in found]), return_inverse=True)
            best = np.zeros(len(docs))
            np.maximum.at(best, places, np.concatenate([added for _, added in found]))
            self.total[docs] += best
        self._is_hit[docs] = True
        if kind == REQUIRED:
            self._n_met[docs] += 1

    def matching(self) -> NDArray[np.int64]:
        """The documents that have a clause, every required one and no excluded one, ascending."""
        docs = np.flatnonzero(self._is_hit)
        if self.plan.n_required:
            docs = docs[self._n_met[docs] == self.plan.n_required]
        return docs[~self._is_out[docs]]


def weights(
    postings: Postings, run: slice | Ints, factor: float | NDArray[np.float64], norms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What terms of that weight add to the scores of the documents of some postings, one or each its own."""
    body_fixed, body_slope, title_fixed, title_slope, title_weight, k1 = norms.tolist()
    docs = postings.docs[run]
    in_body, in_title = postings.tf_body[run].astype(np.float64), postings.tf_title[run].astype(np.float64)
    body_norm = body_fixed + body_slope * postings.body_lengths[docs]
    title_norm = title_fixed + title_slope * postings.title_lengths[docs]
    weighted = title_weight * in_title
    occurrences = in_body * title_norm + weighted * body_norm
    product = body_norm * title_norm
    numerator = np.where(in_title == 0, in_body, np.where(in_body == 0, weighted, occurrences))
    norm = np.where(in_title == 0, body_norm, np.where(in_body == 0, title_norm, product))
    share = np.zeros(len(docs))
    np.divide(numerator, k1 * norm + numerator, out=share, where=numerator > 0)
    added: NDArray[np.float64] = factor * share
    return added


def near_terms(segment: Segment, word: str, signature: int, max_edits: int) -> list[tuple[int, int]]:
    """Number and distance of the terms within some edits of a word, in the order of their numbers."""
    n_chars = segment.n_chars.astype(np.int64)
    near = np.abs(n_chars - len(word)) <= max_edits
    mine, theirs = np.uint64(signature), segment.signatures
    near &= (np.bitwise_count(theirs & ~mine) <= max_edits) & (np.bitwise_count(mine & ~theirs) <= max_edits)
    numbers = np.flatnonzero(near)
    edits = n_edits(word, [segment.text(number) for number in numbers.tolist()], max_edits)
    few = edits <= max_edits
    return list(zip(numbers[few].tolist(), edits[few].tolist(), strict=True))


def n_edits(word: str, others: list[str], most: int) -> Ints:
    """Insertions, deletions, replacements and swaps of neighbors between a word and each other; or more than `most`.

    Source: the optimal string alignment distance: Boytsov (2011), "Indexing methods for approximate dictionary
    searching", section 2.2: no part of a word is edited twice.

    Cost: the length of the word times that of the longest other, each a few operations on arrays of all others.
    """
    longest = min(max(map(len, others), default=0), len(word) + most + 1)  # what is longer is too far in any case
    lengths = np.array([min(len(other), longest) for other in others], np.int64)
    padded = "".join(other[:longest].ljust(longest) for other in others)
    points = np.frombuffer(padded.encode("utf-32-le", "surrogatepass"), np.uint32)
    columns = np.ascontiguousarray(points.reshape(len(others), longest).T)  # (longest, n)
    typed = [ord(character) for character in word]
    before = last = [np.full(len(others), j, np.int64) for j in range(longest + 1)]
    for i, mine in enumerate(typed):
        row = [np.full(len(others), i + 1, np.int64)]
        for j, theirs in enumerate(columns):
            cost = np.minimum(np.minimum(last[j + 1], row[j]) + 1, last[j] + (theirs != mine))
            if i and j:
                is_swapped = (columns[j - 1] == mine) & (theirs == typed[i - 1])
                cost = np.where(is_swapped, np.minimum(cost, before[j - 1] + 1), cost)
            row.append(cost)
        before, last = last, row
    found: Ints = np.array(last)[lengths, np.arange(len(others))]
    return found


def signature_of(term: str) -> int:
    """The code points of a term as a set, modulo 64."""
    signature = 0
    for character in term:
        signature |= 1 << (ord(character) & 63)
    return signature


def signatures_of(points: NDArray[np.uint32], starts: Ints) -> Words:
    """The code points of each term as a set, modulo 64; the term i is from `starts[i]` to `starts[i + 1]`."""
    marks = np.uint64(1) << (points & 63).astype(np.uint64)
    signatures = np.zeros(len(starts) - 1, np.uint64)
    has = starts[1:] > starts[:-1]
    if has.any():
        signatures[has] = np.bitwise_or.reduceat(marks, starts[:-1][has])
    return signatures


def merged(segments: list[Segment], new_docs: list[Docs], n_docs: int) -> Segment:
    """Terms and postings of several segments in one; keys and lengths stay zero.

    Args:
        segments: at least one.
        new_docs: for each, the new number of each document, -1 for those that are dropped.
        n_docs: how many there are in the end.
    """
    texts = [texts_of(segment) for segment in segments]
    numbers = {text: number for number, text in enumerate(sorted(set().union(*texts)))}
    terms = [np.array([numbers[text] for text in mine], np.int32) for mine in texts]
    signatures, n_chars = np.zeros(len(numbers), np.uint64), np.zeros(len(numbers), np.uint8)
    for segment, mine in zip(segments, terms, strict=True):
        signatures[mine], n_chars[mine] = segment.signatures, segment.n_chars
    term = np.concatenate(
        [np.repeat(mine, np.diff(segment.starts)) for segment, mine in zip(segments, terms, strict=True)]
    )
    doc = np.concatenate([moved[segment.docs] for segment, moved in zip(segments, new_docs, strict=True)])
    in_body = np.concatenate([segment.tf_body for segment in segments])
    in_title = np.concatenate([segment.tf_title for segment in segments])
    stays = doc >= 0
    starts, docs, tf_body, tf_title = ordered(
        term[stays], doc[stays], in_body[stays], in_title[stays], len(numbers), n_docs
    )
    used = np.flatnonzero(np.diff(starts))
    names = list(numbers)
    kept = [names[i] for i in used.tolist()]
    segment = allocate(n_docs, len(kept), len(docs), sum(map(len, kept)))
    segment.starts[:] = np.append(starts[:-1][used], starts[-1])
    segment.docs[:], segment.tf_body[:], segment.tf_title[:] = docs, tf_body, tf_title
    segment.signatures[:], segment.n_chars[:] = signatures[used], n_chars[used]
    segment.text_starts[1:] = np.cumsum(np.array(list(map(len, kept)), np.int64))
    segment.texts[:] = np.frombuffer(b"".join(kept), np.uint8)
    return segment


def texts_of(segment: Segment) -> list[bytes]:
    """The UTF-8 bytes of each term."""
    all_bytes, starts = segment.texts.tobytes(), segment.text_starts.tolist()
    return [all_bytes[first:last] for first, last in pairwise(starts)]
