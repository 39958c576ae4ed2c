"""The inner loops of the inverted index, compiled by numba; `reference` says what each does.

A search goes through the documents in windows of `WINDOW`, whose sums stay in the fastest cache. In a window, the
postings of one clause after another are weighed and added; then each document that was met is compared with the k-th
best so far, and its sum set back to zero: where most documents were met by going through them, without a branch that
cannot be foreseen, and where few were by going through the postings again. No array is as long as the collection.

Sums are made in the order of the clauses in 64 bits, and rounded to 32 before they are compared: the same query gives
the same bits wherever a document lies, here and in numpy.

`service.index.words.kernels.select` refuses this module if it answers otherwise than `reference`.
"""

# numba infers the types of what it compiles
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.index import compiler
from service.index.bits import Bitmap
from service.index.words import layout, plan
from service.index.words.layout import MOST_IN_BODY, MOST_IN_TITLE, Bytes, Ints, Segment, allocate
from service.index.words.part import Docs, Postings
from service.index.words.plan import EXCLUDED, REQUIRED, Plan

COMPILED_IN = tuple(Path(str(module)) for module in (__file__, compiler.__file__, layout.__file__, plan.__file__))
"""Every file of ours that the loops take something from, this one first."""
WINDOW = 4096
DENSE = 4
"""A window is gone through document by document where at least one in so many has a posting."""
_HIT, _REQUIRED_HIT, _OUT = 1, 1 << 24, 1 << 60
_HITS = (1 << 24) - 1

_CACHE = compiler.cache_folder(COMPILED_IN)
jit, inlined = compiler.compiling(_CACHE), compiler.compiling(_CACHE, forceinline=True)

_NO_KEYS: Bitmap = np.empty(0, np.uint8)


@inlined
def is_in(bitmap, number):
    """Whether a number below 8 times the bitmap's length is in it."""
    return (bitmap[number >> 3] >> (number & 7)) & 1 != 0


@inlined
def weight(place, doc, tf_body, tf_title, body_lengths, title_lengths, norms):
    """The share of a term's weight that a document gets, 0 to 1."""
    in_body, in_title = np.float64(tf_body[place]), np.int64(tf_title[place])
    body_norm = norms[0] + norms[1] * body_lengths[doc]
    if in_title == 0:
        return in_body / (norms[5] * body_norm + in_body)
    title_norm = norms[2] + norms[3] * title_lengths[doc]  # read only here: each costs a cache miss
    weighted = norms[4] * in_title
    if in_body == 0:
        return weighted / (norms[5] * title_norm + weighted) if weighted > 0 else 0.0
    occurrences = in_body * title_norm + weighted * body_norm
    if occurrences > 0:
        return occurrences / (norms[5] * (body_norm * title_norm) + occurrences)
    return 0.0


@inlined
def is_worse(score, key, other_score, other_key):
    """Whether an answer comes after another."""
    return score < other_score or (score == other_score and key > other_key)


@inlined
def sift_down(scores, keys, at, n):
    """Put the entry at `at` in its place in a heap whose root is the worst."""
    score, key = scores[at], keys[at]
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and is_worse(scores[child + 1], keys[child + 1], scores[child], keys[child]):
            child += 1
        if not is_worse(scores[child], keys[child], score, key):
            break
        scores[at], keys[at] = scores[child], keys[child]
        at = child
    scores[at], keys[at] = score, key


@inlined
def keep(scores, keys, n, score, key):
    """Put an answer into a heap of the best so far; return how many it holds."""
    if n < len(scores):
        at = n
        while at > 0:
            parent = (at - 1) // 2
            if not is_worse(score, key, scores[parent], keys[parent]):
                break
            scores[at], keys[at] = scores[parent], keys[parent]
            at = parent
        scores[at], keys[at] = score, key
        return n + 1
    if is_worse(scores[0], keys[0], score, key):
        scores[0], keys[0] = score, key
        sift_down(scores, keys, 0, n)
    return n


@jit
def search_part(
    docs, tf_body, tf_title, starts, ends, all_keys, body_lengths, title_lengths, shown,
    factors, clause_starts, kinds, n_required, norms_given, first_key, allowed, is_masked, scores, keys,
):  # fmt: skip
    """The best of one part, as a sorted heap in `scores` and `keys`; return how many there are and how many match."""
    norms = (norms_given[0], norms_given[1], norms_given[2], norms_given[3], norms_given[4], norms_given[5])
    n_alternatives, n_clauses, n_docs = len(starts), len(kinds), len(all_keys)
    at, window_end = starts.copy(), starts.copy()
    width = n_docs if n_docs < WINDOW else WINDOW
    sums, states = np.zeros(width), np.zeros(width, np.int64)
    best = np.full(width if n_alternatives > n_clauses else 1, -1.0)  # of a clause with more than one alternative
    n, n_matching = 0, 0
    needed = n_required * _REQUIRED_HIT + 1  # a document matches whose state is this or up to _HITS - 1 more
    while True:
        low = n_docs
        for alternative in range(n_alternatives):
            if at[alternative] < ends[alternative] and docs[at[alternative]] < low:
                low = int(docs[at[alternative]])
        if low == n_docs:
            break
        high = low + WINDOW
        for clause in range(n_clauses):
            kind, first, last = kinds[clause], clause_starts[clause], clause_starts[clause + 1]
            hit = _OUT if kind == EXCLUDED else _REQUIRED_HIT + _HIT if kind == REQUIRED else _HIT
            if last - first == 1 and kind != EXCLUDED:
                place, end, factor = at[first], ends[first], factors[first]
                while place < end and docs[place] < high:
                    doc = np.int64(docs[place])
                    share = weight(place, doc, tf_body, tf_title, body_lengths, title_lengths, norms)
                    sums[doc - low] += factor * share
                    states[doc - low] += hit
                    place += 1
                window_end[first] = place
                continue
            for alternative in range(first, last):
                place, end, factor = at[alternative], ends[alternative], factors[alternative]
                while place < end and docs[place] < high:
                    doc = np.int64(docs[place])
                    if kind == EXCLUDED:
                        states[doc - low] |= _OUT
                    else:
                        share = weight(place, doc, tf_body, tf_title, body_lengths, title_lengths, norms)
                        best[doc - low] = max(best[doc - low], factor * share)
                    place += 1
                window_end[alternative] = place
            if kind != EXCLUDED:
                for alternative in range(first, last):
                    for place in range(at[alternative], window_end[alternative]):
                        cell = docs[place] - low
                        if best[cell] >= 0:
                            sums[cell] += best[cell]
                            states[cell] += hit
                            best[cell] = -1.0
        n_postings = 0
        for alternative in range(n_alternatives):
            n_postings += window_end[alternative] - at[alternative]
        size = n_docs - low if n_docs - low < WINDOW else WINDOW
        if n_postings * DENSE > size:
            if len(shown) > 0:
                for cell in range(size):
                    states[cell] *= is_in(shown, low + cell)
            if is_masked:
                for cell in range(size):
                    bit = all_keys[low + cell] - first_key
                    states[cell] *= 0 <= bit < 8 * len(allowed) and is_in(allowed, bit)
            for cell in range(size):  # without branches, so that it takes several at a time
                is_match = np.uint64(states[cell] - needed) < np.uint64(_HITS)
                n_matching += int(is_match)
                sums[cell] = sums[cell] if is_match else -1.0
            worst = scores[0] if n == len(scores) else np.float32(0.0)
            for cell in range(size):
                score = np.float32(sums[cell])
                if score >= worst:
                    n = keep(scores, keys, n, score, all_keys[low + cell])
                    worst = scores[0] if n == len(scores) else np.float32(0.0)
            states[:size] = 0
            sums[:size] = 0.0
            for alternative in range(n_alternatives):
                at[alternative] = window_end[alternative]
            continue
        for alternative in range(n_alternatives):
            for place in range(at[alternative], window_end[alternative]):
                doc = np.int64(docs[place])
                state = states[doc - low]
                if state == 0:
                    continue
                score = np.float32(sums[doc - low])
                states[doc - low], sums[doc - low] = 0, 0.0
                if np.uint64(state - needed) >= np.uint64(_HITS):
                    continue
                if len(shown) > 0 and not is_in(shown, doc):
                    continue
                if is_masked:
                    bit = all_keys[doc] - first_key
                    if bit < 0 or bit >= 8 * len(allowed) or not is_in(allowed, bit):
                        continue
                n_matching += 1
                if n < len(scores) or score >= scores[0]:
                    n = keep(scores, keys, n, score, all_keys[doc])
            at[alternative] = window_end[alternative]
    for last in range(n - 1, 0, -1):
        score, key = scores[last], keys[last]
        scores[last], keys[last] = scores[0], keys[0]
        scores[0], keys[0] = score, key
        sift_down(scores, keys, 0, last)
    return n, n_matching


@inlined
def lower_bound(docs, low, high, doc):
    """The first place from `low` to `high` whose document is not below `doc`."""
    while low < high:
        middle = (low + high) >> 1
        if docs[middle] < doc:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def score_docs(
    docs, tf_body, tf_title, starts, ends, body_lengths, title_lengths,
    factors, clause_starts, kinds, n_required, norms_given, wanted, scores,
):  # fmt: skip
    """Write the score of each wanted document that matches into `scores`."""
    norms = (norms_given[0], norms_given[1], norms_given[2], norms_given[3], norms_given[4], norms_given[5])
    for i in range(len(wanted)):
        doc = np.int64(wanted[i])
        total, n_hits, n_met, is_out = 0.0, 0, 0, False
        for clause in range(len(kinds)):
            best = -1.0
            for alternative in range(clause_starts[clause], clause_starts[clause + 1]):
                end = ends[alternative]
                place = lower_bound(docs, starts[alternative], end, doc)
                if place < end and docs[place] == doc:
                    share = weight(place, doc, tf_body, tf_title, body_lengths, title_lengths, norms)
                    best = max(best, factors[alternative] * share)
            if best >= 0:
                if kinds[clause] == EXCLUDED:
                    is_out = True
                    break
                total += best
                n_hits += 1
                if kinds[clause] == REQUIRED:
                    n_met += 1
        if n_hits > 0 and n_met == n_required and not is_out:
            scores[i] = np.float32(total)


@inlined
def compare(texts, first, last, others, other_first, other_last):
    """Less than, equal to or greater than 0 as one run of bytes comes before, equals or comes after another."""
    n = min(last - first, other_last - other_first)
    for i in range(n):
        difference = np.int64(texts[first + i]) - np.int64(others[other_first + i])
        if difference != 0:
            return difference
    return (last - first) - (other_last - other_first)


@jit
def find_words(texts, text_starts, words, word_starts, numbers):
    """Write the number of each word, or -1 less the number of the term it would be before."""
    n_terms = len(text_starts) - 1
    for i in range(len(numbers)):
        low, high, is_there = 0, n_terms, False
        while low < high:
            middle = (low + high) >> 1
            order = compare(
                texts, text_starts[middle], text_starts[middle + 1], words, word_starts[i], word_starts[i + 1]
            )
            if order < 0:
                low = middle + 1
            else:
                high = middle
                is_there = is_there or order == 0
        numbers[i] = low if is_there else -1 - low


@jit
def order_postings(term, doc, in_body, in_title, n_terms, n_docs, starts, docs, tf_body, tf_title):
    """Sort by counting, by document, then by term; return how many pairs there are."""
    n = len(term)
    by_doc, places = np.empty(n, np.int64), np.zeros(n_docs + 1, np.int64)
    for i in range(n):
        places[doc[i] + 1] += 1
    for i in range(n_docs):
        places[i + 1] += places[i]
    for i in range(n):
        by_doc[places[doc[i]]] = i
        places[doc[i]] += 1
    ordered, ends = np.empty(n, np.int64), np.zeros(n_terms + 1, np.int64)
    for i in range(n):
        ends[term[i] + 1] += 1
    for i in range(n_terms):
        ends[i + 1] += ends[i]
    for i in range(n):
        token = by_doc[i]
        ordered[ends[term[token]]] = token
        ends[term[token]] += 1
    at, token = 0, 0
    for number in range(n_terms):
        starts[number] = at
        while token < ends[number]:
            mine, body, title = doc[ordered[token]], 0, 0
            while token < ends[number] and doc[ordered[token]] == mine:
                body += in_body[ordered[token]]
                title += in_title[ordered[token]]
                token += 1
            docs[at], tf_body[at], tf_title[at] = mine, min(body, MOST_IN_BODY), min(title, MOST_IN_TITLE)
            at += 1
    starts[n_terms] = at
    return at


@inlined
def next_live(docs, moved, place, end):
    """The first place from `place` to `end` whose document stays."""
    while place < end and moved[docs[place]] < 0:
        place += 1
    return place


@jit
def plan_merge(starts, docs, text_starts, texts, moved, starts_2, docs_2, text_starts_2, texts_2, moved_2, chosen):
    """Which terms of two dictionaries stay, in order; return how many, with how many postings and bytes.

    Row i of `chosen` holds the number of term i in the first and in the second, -1 where it is not.
    """
    n_1, n_2 = len(starts) - 1, len(starts_2) - 1
    one, two, n_terms, n_postings, n_bytes = 0, 0, 0, 0, 0
    while one < n_1 or two < n_2:
        order = -1 if two == n_2 else 1
        if one < n_1 and two < n_2:
            order = compare(
                texts, text_starts[one], text_starts[one + 1], texts_2, text_starts_2[two], text_starts_2[two + 1]
            )
        n_here, length = 0, 0
        chosen[n_terms, 0], chosen[n_terms, 1] = -1, -1
        if order <= 0:
            for place in range(starts[one], starts[one + 1]):
                n_here += moved[docs[place]] >= 0
            chosen[n_terms, 0], length = one, text_starts[one + 1] - text_starts[one]
            one += 1
        if order >= 0:
            for place in range(starts_2[two], starts_2[two + 1]):
                n_here += moved_2[docs_2[place]] >= 0
            chosen[n_terms, 1], length = two, text_starts_2[two + 1] - text_starts_2[two]
            two += 1
        if n_here > 0:
            n_terms += 1
            n_postings += n_here
            n_bytes += length
    return n_terms, n_postings, n_bytes


@inlined
def copy_term(number, text_starts, texts, signatures, n_chars, i, to_text_starts, to_texts, to_signatures, to_n_chars):
    """Copy a term to place i of another dictionary, whose texts before i are there."""
    at = to_text_starts[i]
    for place in range(text_starts[number], text_starts[number + 1]):
        to_texts[at] = texts[place]
        at += 1
    to_text_starts[i + 1] = at
    to_signatures[i], to_n_chars[i] = signatures[number], n_chars[number]


@jit
def copy_terms(
    chosen, starts, texts, signatures, n_chars, starts_2, texts_2, signatures_2, n_chars_2,
    to_starts, to_texts, to_signatures, to_n_chars,
):  # fmt: skip
    """Copy the chosen terms of two dictionaries."""
    for i in range(len(to_signatures)):
        if chosen[i, 0] >= 0:
            copy_term(
                chosen[i, 0], starts, texts, signatures, n_chars, i, to_starts, to_texts, to_signatures, to_n_chars
            )
        else:
            copy_term(
                chosen[i, 1],
                starts_2,
                texts_2,
                signatures_2,
                n_chars_2,
                i,
                to_starts,
                to_texts,
                to_signatures,
                to_n_chars,
            )


@jit
def merge_postings(
    starts, docs, tf_body, tf_title, moved, starts_2, docs_2, tf_body_2, tf_title_2, moved_2,
    chosen, to_starts, to_docs, to_tf_body, to_tf_title,
):  # fmt: skip
    """Write the postings of the chosen terms, by their documents' new numbers."""
    at = 0
    for i in range(len(to_starts) - 1):
        to_starts[i] = at
        one, end_1, two, end_2 = 0, 0, 0, 0
        if chosen[i, 0] >= 0:
            one, end_1 = starts[chosen[i, 0]], starts[chosen[i, 0] + 1]
        if chosen[i, 1] >= 0:
            two, end_2 = starts_2[chosen[i, 1]], starts_2[chosen[i, 1] + 1]
        one, two = next_live(docs, moved, one, end_1), next_live(docs_2, moved_2, two, end_2)
        while one < end_1 or two < end_2:
            if two == end_2 or (one < end_1 and moved[docs[one]] < moved_2[docs_2[two]]):
                to_docs[at], to_tf_body[at], to_tf_title[at] = moved[docs[one]], tf_body[one], tf_title[one]
                one = next_live(docs, moved, one + 1, end_1)
            else:
                to_docs[at], to_tf_body[at], to_tf_title[at] = moved_2[docs_2[two]], tf_body_2[two], tf_title_2[two]
                two = next_live(docs_2, moved_2, two + 1, end_2)
            at += 1
    to_starts[len(to_starts) - 1] = at


@inlined
def decode(texts, first, last, points):
    """Write the code points of UTF-8 bytes; return how many."""
    n, at = 0, first
    while at < last:
        byte = np.int64(texts[at])
        extra = 0 if byte < 0x80 else 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
        point = byte if extra == 0 else byte & (0x3F >> extra)
        for i in range(extra):
            point = point << 6 | (np.int64(texts[at + 1 + i]) & 0x3F)
        points[n] = point
        n += 1
        at += 1 + extra
    return n


@jit
def find_near(signatures, n_chars, text_starts, texts, word, signature, max_edits, numbers, edits):
    """Write the number and the distance of the terms within so many edits; return how many."""
    length, n_near = len(word), 0
    for number in range(len(signatures)):
        if abs(np.int64(n_chars[number]) - length) > max_edits:
            continue
        theirs = signatures[number] & ~signature
        mine = signature & ~signatures[number]
        for _ in range(max_edits):  # takes the lowest bit away, if there is one
            theirs &= theirs - np.uint64(1)
            mine &= mine - np.uint64(1)
        if (theirs | mine) == 0:
            numbers[n_near] = number
            n_near += 1
    other = np.empty(length + max_edits + 1, np.int64)
    before, last, row = (
        np.empty(len(other) + 1, np.int64),
        np.empty(len(other) + 1, np.int64),
        np.empty(len(other) + 1, np.int64),
    )
    n_found = 0
    for candidate in range(n_near):
        number = numbers[candidate]
        n_other = decode(texts, text_starts[number], text_starts[number + 1], other)
        for j in range(n_other + 1):
            last[j] = j
        least_before = 0
        is_far = False
        for i in range(length):
            row[0] = i + 1
            least = i + 1
            for j in range(n_other):
                cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (word[i] != other[j]))
                if i > 0 and j > 0 and word[i] == other[j - 1] and word[i - 1] == other[j]:
                    cost = min(cost, before[j - 1] + 1)
                row[j + 1] = cost
                least = min(least, cost)
            before, last, row = last, row, before
            if least > max_edits and least_before > max_edits:
                is_far = True
                break
            least_before = least
        if not is_far and last[n_other] <= max_edits:
            numbers[n_found], edits[n_found] = number, last[n_other]
            n_found += 1
    return n_found


def ordered(
    term: NDArray[np.int32], doc: Docs, in_body: NDArray[np.uint16], in_title: Bytes, n_terms: int, n_docs: int
) -> tuple[Ints, Docs, NDArray[np.uint16], Bytes]:
    """Postings by (term, document)."""
    n, starts = len(term), np.empty(n_terms + 1, np.int64)
    docs, tf_body, tf_title = np.empty(n, np.int32), np.empty(n, np.uint16), np.empty(n, np.uint8)
    n = order_postings(term, doc, in_body, in_title, n_terms, n_docs, starts, docs, tf_body, tf_title)
    return starts, docs[:n], tf_body[:n], tf_title[:n]


def merged(segments: list[Segment], new_docs: list[Docs], n_docs: int) -> Segment:
    """Terms and postings of several segments in one, two at a time, the smallest first."""
    by_size = sorted(zip(segments, new_docs, strict=True), key=lambda pair: pair[0].n_postings)
    if len(by_size) == 1:
        by_size.append((allocate(0, 0, 0, 0), np.empty(0, np.int32)))
    segment, moved = by_size[0]
    for place, (other, other_moved) in enumerate(by_size[1:], 1):
        segment = _merged(segment, moved, other, other_moved, n_docs if place == len(by_size) - 1 else 0)
        if place == 1:
            moved = np.arange(n_docs, dtype=np.int32)
    return segment


def _merged(one: Segment, moved: Docs, two: Segment, moved_2: Docs, n_docs: int) -> Segment:
    chosen = np.empty((one.n_terms + two.n_terms + 1, 2), np.int64)
    n_terms, n_postings, n_bytes = plan_merge(
        one.starts, one.docs, one.text_starts, one.texts, moved,
        two.starts, two.docs, two.text_starts, two.texts, moved_2, chosen,
    )  # fmt: skip
    to = allocate(n_docs, n_terms, n_postings, n_bytes)
    copy_terms(
        chosen, one.text_starts, one.texts, one.signatures, one.n_chars,
        two.text_starts, two.texts, two.signatures, two.n_chars,
        to.text_starts, to.texts, to.signatures, to.n_chars,
    )  # fmt: skip
    merge_postings(
        one.starts, one.docs, one.tf_body, one.tf_title, moved, two.starts, two.docs, two.tf_body, two.tf_title,
        moved_2, chosen, to.starts, to.docs, to.tf_body, to.tf_title,
    )  # fmt: skip
    return to


def find(segment: Segment, words: list[bytes]) -> list[int]:
    """The number of each of some terms."""
    starts, at = [0], 0
    for word in words:
        at += len(word)
        starts.append(at)
    numbers = np.empty(len(words), np.int64)
    texts = np.frombuffer(bytearray(b"".join(words)), np.uint8)
    find_words(segment.texts, segment.text_starts, texts, np.array(starts, np.int64), numbers)
    found: list[int] = numbers.tolist()
    return found


def search(
    postings: Postings, plan: Plan, k: int, first_key: int, allowed: Bitmap | None
) -> tuple[Ints, NDArray[np.float32], int]:
    """The `k` best of one part."""
    room = min(k, len(postings.keys), int((postings.ends - postings.starts).sum()))
    keys, scores = np.empty(room, np.int64), np.empty(room, np.float32)
    n, n_matching = search_part(
        postings.docs, postings.tf_body, postings.tf_title, postings.starts, postings.ends, postings.keys,
        postings.body_lengths, postings.title_lengths, postings.shown, plan.factors, plan.clause_starts, plan.kinds,
        plan.n_required, plan.norms, first_key, _NO_KEYS if allowed is None else allowed, allowed is not None,
        scores, keys,
    )  # fmt: skip
    return keys[:n], scores[:n], n_matching


def scores_of(postings: Postings, plan: Plan, docs: Docs) -> NDArray[np.float32]:
    """The score of each of some documents of one part."""
    scores = np.zeros(len(docs), np.float32)
    score_docs(
        postings.docs, postings.tf_body, postings.tf_title, postings.starts, postings.ends, postings.body_lengths,
        postings.title_lengths, plan.factors, plan.clause_starts, plan.kinds, plan.n_required, plan.norms, docs, scores,
    )  # fmt: skip
    return scores


def near_terms(segment: Segment, word: str, signature: int, max_edits: int) -> list[tuple[int, int]]:
    """Number and distance of the terms within some edits of a word."""
    points = np.array([ord(character) for character in word], np.int64)
    numbers, edits = np.empty(segment.n_terms, np.int64), np.empty(segment.n_terms, np.int64)
    n = find_near(
        segment.signatures, segment.n_chars, segment.text_starts, segment.texts, points, np.uint64(signature),
        max_edits, numbers, edits,
    )  # fmt: skip
    return list(zip(numbers[:n].tolist(), edits[:n].tolist(), strict=True))
