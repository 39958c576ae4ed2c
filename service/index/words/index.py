"""WordIndex: exact BM25 over the words of titled documents, in memory; readers never wait for the writer.

A few immutable segments hold all but the newest documents, which a small delta holds that a search scans. When the
delta is full it becomes a segment, and segments are merged so that each is more than `RATIO` times as large as all
smaller ones: there are as many as the logarithm of the collection, and a document is merged about as often.
Source: Cutting, Pedersen (1990), "Optimizations for dynamic inverted index maintenance"; O'Neil et al. (1996), "The
log-structured merge-tree".

A document that is replaced or deleted is marked dead where it lies. What a search needs of the collection (how many
documents, how many have a term, their average lengths) is that of the live documents exactly, so scores do not depend
on the history: neither on the order of writes nor on what was merged.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidInput
from service.index import bits
from service.index.bits import Bitmap
from service.index.key_mask import KeyMask, Keys
from service.index.words import build, dictionary, plan, shares
from service.index.words.delta import MOST_DOCS, Delta, fits
from service.index.words.kernels import select
from service.index.words.kernels.select import Engine
from service.index.words.layout import Segment
from service.index.words.matching import matching_docs
from service.index.words.part import Docs, Part, Postings, Totals
from service.index.words.plan import Plan, Settings
from service.index.words.query import Clause, WordMatches
from service.index.words.shares import Shares
from service.index.words.view import View

RATIO = 3
"""A segment is more than so many times as large as all smaller ones together."""
DEAD_SHARE = 10
"""A segment is made anew when more than one of so many documents is dead."""
IN_A_THREAD = 1 << 21
"""Postings from which a merge runs beside the writer."""

Allowed = KeyMask | Keys | Collection[int] | None
"""The keys that an answer may hold; None allows all."""


class WordIndex:
    """Words of documents under unique int64 keys, searched exactly by BM25 over two fields, body and title.

    One thread may write while any number read: a reader takes one view and keeps it to the end, so a query sees a
    call of `put` or `delete` whole or not at all.

    Args:
        k1: how fast more occurrences of a term count less, at least 0.
        b: how much the length of a field counts, 0 to 1.
        title_weight: how many occurrences in the body one in the title counts as, at least 0.

    Raises:
        InvalidInput: a setting is out of its range.
    """

    def __init__(self, k1: float = 1.2, b: float = 0.75, title_weight: float = 3.0) -> None:
        self.configure(k1, b, title_weight)
        self._loops = select.loops()
        self._lock = threading.Lock()
        self._view = View()
        self._merging: tuple[Segment, ...] = ()
        self._merge: threading.Thread | None = None

    def configure(self, k1: float, b: float, title_weight: float) -> None:
        """Change the settings; the next search uses them.

        Raises:
            InvalidInput: a setting is out of its range.
        """
        if not (isfinite(k1) and k1 >= 0 and isfinite(title_weight) and title_weight >= 0 and 0 <= b <= 1):
            raise InvalidInput(
                f"k1 and title_weight must be at least 0 and b between 0 and 1, got {k1}, {title_weight}, {b}"
            )
        self.settings = Settings(float(k1), float(b), float(title_weight))

    def __len__(self) -> int:
        return self._view.totals.n_docs

    @property
    def _engine(self) -> Engine:
        return self._loops.now

    @property
    def n_terms(self) -> int:
        """Different terms; some of them may be of deleted documents only, until a merge drops them.

        Cost: a search in the dictionary of each segment for the terms of the smaller ones.
        """
        return dictionary.n_terms(self._view, self._engine)

    @property
    def n_segments(self) -> int:
        """Segments that a search goes through beside the newest documents."""
        return len(self._view.parts)

    @property
    def memory_bytes(self) -> int:
        """Bytes of documents, terms and postings; while a merge runs, up to twice that are in use."""
        return self._view.memory_bytes

    def put(
        self,
        keys: Keys,
        bodies: Sequence[Sequence[str]],
        titles: Sequence[Sequence[str]] | None = None,
        body_lengths: NDArray[np.integer] | None = None,
    ) -> None:
        """Add documents; one whose key is present is replaced, the last of equal keys wins.

        Args:
            keys: `(n,)` int64.
            bodies: the terms of each body, in any order, each as often as it occurs.
            titles: the terms of each title; None if no document has one.
            body_lengths: `(n,)` what counts as the length of each body; None counts its terms.

        Raises:
            InvalidInput: the arguments are not of one length.

        Cost: about 0.1 ms for one document, and from time to time a merge: of more than two million postings in a
        thread of its own.
        """
        keys = np.asarray(keys, np.int64)
        titles = [()] * len(keys) if titles is None else titles
        lengths = build.lengths_of(bodies) if body_lengths is None else np.asarray(body_lengths, np.int32)
        if keys.ndim != 1 or not len(keys) == len(bodies) == len(titles) == len(lengths):
            raise InvalidInput(
                f"keys, bodies, titles and body_lengths must be of one length, "
                f"got {keys.shape}, {len(bodies)}, {len(titles)}, {len(lengths)}"
            )
        _, last = np.unique(keys[::-1], return_index=True)
        if len(last) < len(keys):
            kept = np.sort(len(keys) - 1 - last)
            keys, lengths = keys[kept], lengths[kept]
            bodies, titles = [bodies[i] for i in kept], [titles[i] for i in kept]
        if len(keys):
            with self._lock:
                self._put(keys, bodies, titles, lengths)

    def delete(self, keys: Keys | Collection[int]) -> None:
        """Take documents out; keys that are absent are ignored."""
        gone = np.unique(_keys(keys))
        if len(gone):
            with self._lock:
                self._publish(self._view.without(gone))

    def search(
        self,
        clauses: Sequence[Clause],
        k: int,
        allowed: Allowed = None,
        leave_out: Keys | Collection[int] | None = None,
    ) -> WordMatches:
        """The exact `k` best documents, descending by score and, where scores are equal, ascending by key.

        A document matches if it has an alternative of each required clause and of no excluded one, and of any clause
        at all that is not excluded. Its score is the sum over the clauses that are not excluded.

        Args:
            clauses: the query; of those neither required nor excluded the 64 of the greatest weight times idf count.
            k: how many, at least 1.
            allowed: the keys an answer may hold; never fewer than k come back when k of them match.
            leave_out: keys an answer must not hold, a few.

        Raises:
            InvalidInput: k < 1, or a weight is negative.

        Cost: linear in the postings of the query's terms, does not hold the interpreter's lock.
        """
        if k < 1:
            raise InvalidInput(f"k must be at least 1, got {k}")
        asked = self._ask(clauses)
        if asked is None:
            return WordMatches(np.empty(0, np.int64), np.empty(0, np.float32), 0)
        mask = allowed if allowed is None or isinstance(allowed, KeyMask) else KeyMask.of_keys(allowed)
        left_out = None if leave_out is None else _keys(leave_out)
        first_key, bitmap = (0, None) if mask is None or mask.keys is not None else (mask.first_key, mask.bits)
        found = []
        for part, postings in asked.parts:
            if postings.starts is not postings.ends:
                shown = _shown(part, postings.shown, None if mask is None else mask.keys, left_out)
                shown_postings = postings._replace(shown=shown)
                found.append(self._engine.search(shown_postings, asked.plan, k, first_key, bitmap))
        if len(found) == 1:
            return WordMatches(*found[0], asked.plan.n_dropped)
        keys = np.concatenate([part_keys for part_keys, _, _ in found] or [np.empty(0, np.int64)])
        scores = np.concatenate([part_scores for _, part_scores, _ in found] or [np.empty(0, np.float32)])
        best = np.lexsort((keys, -scores))[:k]
        return WordMatches(keys[best], scores[best], sum(n for _, _, n in found), asked.plan.n_dropped)

    def matching(
        self, clauses: Sequence[Clause], allowed: KeyMask | None = None, leave_out: Keys | Collection[int] | None = None
    ) -> KeyMask:
        """Every document that `search` would find, were k large enough.

        Raises:
            InvalidInput: a weight is negative.

        Cost: linear in the postings of the query's terms, and a byte for each document.
        """
        asked = self._ask(clauses)
        if asked is None:
            return KeyMask.of_keys(())
        left_out = None if leave_out is None else _keys(leave_out)
        found = [np.empty(0, np.int64)]
        for part, postings in asked.parts:
            if postings.starts is not postings.ends:
                shown = _shown(part, postings.shown, None, left_out)
                found.append(postings.keys[matching_docs(postings._replace(shown=shown), asked.plan)])
        keys = np.concatenate(found)
        return KeyMask.of_keys(keys if allowed is None else keys[allowed.covers(keys)])

    def scores(self, clauses: Sequence[Clause], keys: Keys) -> NDArray[np.float32]:
        """What `search` gives each of `(n,)` keys: `(n,)` float32, 0 where a document is unknown or does not match.

        Raises:
            InvalidInput: a weight is negative.
        """
        keys = np.asarray(keys, np.int64)
        out = np.zeros(len(keys), np.float32)
        asked = self._ask(clauses)
        if asked is None:
            return out
        for part, postings in asked.parts:
            if postings.starts is not postings.ends:
                docs, places = part.locate(keys)
                out[places] = self._engine.scores_of(postings, asked.plan, docs)
        return out

    def shares(self, clauses: Sequence[Clause], keys: Keys) -> Shares:
        """What each clause adds to what `scores` gives each of `(n,)` keys, a few.

        Raises:
            InvalidInput: a weight is negative.

        Cost: some microseconds for each alternative that a document may have.
        """
        keys = np.asarray(keys, np.int64)
        found = Shares(np.zeros((len(keys), len(clauses))), np.full((len(keys), len(clauses)), -1, np.int64))
        asked = self._ask(clauses)
        if asked is None:
            return found
        clause_of = np.repeat(np.arange(len(clauses)), [len(clause.alternatives) for clause in clauses])
        place_of = np.concatenate([np.arange(len(clause.alternatives)) for clause in clauses])
        starts, kept = asked.plan.clause_starts.tolist(), asked.plan.kept
        for part, postings in asked.parts:
            if postings.starts is postings.ends:
                continue
            docs, rows = part.locate(keys)
            matches = self._engine.scores_of(postings, asked.plan, docs) > 0
            docs, rows = docs[matches], rows[matches]
            given = shares.of_alternatives(postings, asked.plan, docs)
            for first, last, kind in zip(starts, starts[1:], asked.plan.kinds.tolist(), strict=False):
                best = given[:, first:last].argmax(axis=1) + first
                score = given[np.arange(len(docs)), best]
                has = np.flatnonzero((score > 0) & (kind != plan.EXCLUDED))
                clause = clause_of[kept[first]]
                found.scores[rows[has], clause] = score[has]
                found.alternatives[rows[has], clause] = place_of[kept[best[has]]]
        return found

    def document_frequency(self, term: str) -> int:
        """How many documents have a term."""
        return self.document_frequencies([term])[0]

    def document_frequencies(self, terms: Sequence[str]) -> list[int]:
        """How many documents have each of some terms, all at one moment."""
        return dictionary.frequencies(self._view, terms, self._engine)

    def completions(self, prefix: str, limit: int) -> list[str]:
        """The terms that begin so, those of most documents first; among equals in the order of the alphabet.

        Cost: linear in the terms that begin so: half a millisecond for a letter of a dictionary of a million.
        """
        return dictionary.completions(self._view, prefix, limit, self._engine)

    def corrections(self, term: str, max_edits: int, limit: int) -> list[tuple[str, int]]:
        """The terms within some edits of a term, and how many edits: the nearest first, then those of most documents.

        An edit inserts, deletes or replaces a character, or swaps two neighbors; no part of a term is edited twice.
        The term itself comes first, with 0, if a document has it. Terms of more than 200 characters have none.

        Cost: a pass over the dictionary, some milliseconds for a million terms.
        """
        return dictionary.corrections(self._view, term, max_edits, limit, self._engine)

    def wait(self) -> None:
        """Until no merge runs."""
        while (merge := self._merge) is not None:
            merge.join()

    def base(self) -> Segment:
        """One segment that holds the documents as they are now and nothing else; safe in any thread.

        Cost: none if there is one segment without deaths, else that of a merge.
        """
        view = self._view
        parts = view.parts
        if view.delta.n_docs:
            parts = (*parts, Part(view.delta.segment(self._engine)))
        if len(parts) == 1 and not len(parts[0].dead):
            return parts[0].segment
        return build.merged(parts or (Part(build.of_documents(*_NOTHING, self._engine)),), self._engine)

    @classmethod
    def of_base(cls, segment: Segment, k1: float = 1.2, b: float = 0.75, title_weight: float = 3.0) -> WordIndex:
        """The index of a segment, of which every document is alive."""
        index = cls(k1, b, title_weight)
        totals = Totals().plus(segment.body_lengths, segment.title_lengths)
        index._view = View((Part(segment),) if segment.n_docs else (), Delta(), totals)
        return index

    def _ask(self, clauses: Sequence[Clause]) -> _Asked | None:
        """A query on the view of now; None if nothing can match."""
        view, terms = self._view, plan.terms_of(clauses)
        encoded = [term.encode("utf-8", "surrogatepass") for term in terms]
        numbers = [self._engine.find(part.segment, encoded) for part in view.parts]
        frequencies = view.delta.frequencies_of(terms)
        for part, mine in zip(view.parts, numbers, strict=True):
            for place, number in enumerate(mine):
                if number >= 0:
                    frequencies[place] += part.frequency(number)
        made = plan.make(clauses, frequencies, view.totals, self.settings)
        if made is None:
            return None
        kept = made.kept.tolist()
        found: list[tuple[Part | Delta, Postings]] = [
            (part, _postings(part, [mine[i] for i in kept])) for part, mine in zip(view.parts, numbers, strict=True)
        ]
        newest = view.delta.postings([terms[i] for i in kept])
        if not len(newest.docs):
            newest = newest._replace(starts=newest.ends)
        return _Asked(made, [*found, (view.delta, newest)])

    def _put(self, keys: Keys, bodies: build.Texts, titles: build.Texts, lengths: NDArray[np.int32]) -> None:
        view = self._view.without(np.sort(keys))
        title_lengths = build.lengths_of(titles)
        totals = view.totals.plus(lengths, title_lengths)
        n_postings = sum(map(len, bodies)) + int(title_lengths.sum(dtype=np.int64))
        if len(keys) > MOST_DOCS // 4 or not fits(len(keys), n_postings):
            segment = build.of_documents(keys, bodies, titles, lengths, self._engine)
            self._publish(replace(view, parts=(*view.parts, Part(segment)), totals=totals))
            return
        delta, parts = view.delta, view.parts
        if not delta.has_room(len(keys), n_postings):
            parts, delta = (*parts, Part(delta.segment(self._engine))), Delta()
        for key, body, title, length in zip(keys.tolist(), bodies, titles, lengths.tolist(), strict=True):
            delta = delta.plus(key, body, title, length)
        self._publish(View(parts, delta, totals))

    def _publish(self, view: View) -> None:
        """Let readers see a view, after the merges that have become due."""
        parts = tuple(part for part in view.parts if part.n_live)
        while due := _due([part for part in parts if part.segment not in self._merging]):
            if sum(part.segment.n_postings for part in due) > IN_A_THREAD:
                if not self._merging:
                    self._merging = tuple(part.segment for part in due)
                    merge = threading.Thread(target=self._renew, args=(due,), name="word-merge", daemon=True)
                    merge.start()
                    self._merge = merge  # the thread ends by taking it away, for which it needs the lock held here
                break
            parts = (*(part for part in parts if part not in due), Part(build.merged(due, self._engine)))
        self._view = replace(view, parts=tuple(sorted(parts, key=_size, reverse=True)))

    def _renew(self, due: list[Part]) -> None:
        """Merge parts, then put the result in their place, without what died meanwhile."""
        segment = None
        try:
            segment = build.merged(due, self._engine)
        finally:
            with self._lock:
                sources, self._merging, self._merge = self._merging, (), None
                if segment is not None:
                    self._swap(Part(segment), due, sources)

    def _swap(self, part: Part, due: list[Part], sources: tuple[Segment, ...]) -> None:
        view = self._view
        for now in view.parts:
            for then in due:
                if now.segment is then.segment and len(now.dead) > len(then.dead):
                    died = now.segment.keys[now.dead[len(then.dead) :]]
                    part = part.without(part.find(np.sort(died)))
        gone = {id(source) for source in sources}
        self._publish(replace(view, parts=(*(old for old in view.parts if id(old.segment) not in gone), part)))


_NOTHING = (np.empty(0, np.int64), (), (), np.empty(0, np.int32))


@dataclass(frozen=True, slots=True)
class _Asked:
    """The plan of a query on one view, and the parts of the view with their postings for it."""

    plan: Plan
    parts: list[tuple[Part | Delta, Postings]]


def _keys(keys: Keys | Collection[int]) -> Keys:
    return np.asarray(keys, np.int64) if isinstance(keys, np.ndarray) else np.fromiter(keys, np.int64, len(keys))


def _size(part: Part) -> int:
    return part.segment.n_postings


def _due(parts: list[Part]) -> list[Part]:
    """Parts that ought to be merged into one now; none if the last merge was enough."""
    for part in parts:
        if len(part.dead) * DEAD_SHARE > part.segment.n_docs:
            return [part]
    by_size = sorted(parts, key=_size)
    total, n = 0, 0
    for place, part in enumerate(by_size):
        if place and _size(part) <= RATIO * total:
            n = place + 1
        total += _size(part)
    return by_size[:n]


def _postings(part: Part, numbers: list[int]) -> Postings:
    """Those of some terms of a segment; starts and ends are one array if it has none of them."""
    segment = part.segment
    chosen = np.array(numbers, np.int64)
    has = chosen >= 0
    chosen[~has] = 0
    starts = np.where(has, segment.starts[chosen], 0)
    ends = np.where(has, segment.starts[chosen + 1], 0) if has.any() else starts
    return Postings(
        segment.docs,
        segment.tf_body,
        segment.tf_title,
        starts,
        ends,
        segment.keys,
        segment.body_lengths,
        segment.title_lengths,
        part.alive,
    )


def _shown(part: Part | Delta, alive: Bitmap, allowed: Keys | None, left_out: Keys | None) -> Bitmap:
    """The bitmap of documents that an answer may hold; empty for all."""
    n_docs = part.n_docs
    shown = alive
    if allowed is not None:
        shown = bits.of(n_docs, part.find(allowed))
    if left_out is not None:
        docs: Docs = part.find(np.unique(left_out))
        if len(docs):
            shown = shown.copy() if len(shown) else bits.full(n_docs)
            bits.remove(shown, docs)
    return shown
