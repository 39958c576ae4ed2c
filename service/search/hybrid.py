"""The best documents of a query by its words, by its code, or by both together (`service.search.fuse`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.hashing.codes import Codes, hamming_distance
from service.index.document_replica import DocumentReplica
from service.index.hamming.answers import Stats
from service.index.key_mask import KeyMask, Keys
from service.index.words import Clause, WordMatches
from service.search import fuse
from service.search.fuse import Direction
from service.search.ranking import Ranking, rounded
from service.search.sources import QueryCodes, SearchSource

CANDIDATES = 100
"""Best documents by words, and as many by codes, that are scored by both; ten times as many where more are wanted."""
PHRASE_CANDIDATES = 2_000
"""Best documents by words whose texts are read to find a phrase."""
_NOTHING = WordMatches(np.empty(0, np.int64), np.empty(0, np.float32), 0)


@dataclass(slots=True)
class HybridRanker:
    """Documents by descending score, then in the order of arrival.

    Of a query by words and code, only so many candidates are scored: the first hundred places are those of a hundred
    candidates of each kind, the places up to the thousandth those of a thousand, and so on, so that pages agree.

    Attributes:
        source: where codes are found.
        replica: has the words; None where they are not asked for, or not at hand.
        clauses: what the words are asked; empty where only the code is.
        own: where the query's own code tells to look, before what the words have found; None where codes are not asked.
        code: `(n_bytes,)` of the query, for the distances.
        allowed: the documents that may be found; None for all.
        leave_out: keys that must not be found: of the documents that ask.
        n_by_words: fewest candidates by words.
        direction: where codes are looked for.
    """

    source: SearchSource
    replica: DocumentReplica | None
    clauses: Sequence[Clause]
    own: Direction | None
    code: Codes | None
    allowed: KeyMask | None = None
    leave_out: frozenset[int] = frozenset()
    n_by_words: int = CANDIDATES
    is_exact: bool = field(default=True, init=False)
    stats: Stats | None = field(default=None, init=False)
    n_scored: int = field(default=0, init=False)
    direction: Direction | None = field(default=None, init=False)
    _found: WordMatches | None = field(default=None, init=False)
    _n_asked: int = field(default=0, init=False)
    _rankings: list[tuple[Ranking, bool]] = field(default_factory=list, init=False)

    @property
    def n_matching(self) -> int | None:
        """Documents that match by words; None where words are not asked for, or not at hand."""
        if self.replica is None:
            return None
        found = self.found(1)
        return 0 if found is None else found.n_matching

    @property
    def best_word_score(self) -> float:
        """The greatest BM25 of a document, to which others are compared."""
        found = self.found(1)
        return 0.0 if found is None else float(found.scores.max(initial=0))

    @property
    def is_trained(self) -> bool:
        """Whether the codes have learned something."""
        return self.source.space.version > 1

    @property
    def code_weight(self) -> float:
        """What the agreement of codes counts beside the share of the best score by words."""
        return fuse.code_weight(self.source.space.n_bits, self.is_trained)

    def found(self, n: int) -> WordMatches | None:
        """At least the `n` best by words, and never fewer than the first page needs; None where none are asked."""
        if self.replica is None and self.own is not None:
            return None
        if self.replica is None or not self.clauses:
            return None
        if self._found is None or self._n_asked < n:
            self._n_asked = max(n, self.n_by_words)
            left_out = np.array(sorted(self.leave_out), np.int64) if self.leave_out else None
            self._found = self.replica.words.search(self.clauses, self._n_asked, self.allowed, left_out)
        return self._found

    def best(self, connection: Connection, n: int) -> tuple[Ranking, bool]:
        """The `n` best or more."""
        if self.own is None:
            found = self.found(n) or _NOTHING
            scores = rounded(found.scores)
            self.n_scored = len(found.keys)
            return Ranking(found.keys, None, scores, scores), found.n_matching <= len(found.keys)
        level = 0
        while True:
            if level == len(self._rankings):
                self._rankings.append(self._longer(connection, CANDIDATES * 10**level))
            ranking, is_all = self._rankings[level]
            if is_all or n <= CANDIDATES * 10**level:
                return ranking, is_all
            level += 1

    def _longer(self, connection: Connection, n: int) -> tuple[Ranking, bool]:
        """A ranking of `n` candidates of each kind, after the first places of the shorter one."""
        ranking, is_all = self._ranked(connection, n)
        if self._rankings:
            shorter = self._rankings[-1][0][: n // 10]
            ranking = shorter.followed_by(ranking[~np.isin(ranking.keys, shorter.keys)])
        self.n_scored = len(ranking)
        return ranking, is_all

    def _ranked(self, connection: Connection, n: int) -> tuple[Ranking, bool]:
        found = self.found(n)
        direction = self.looked_for(connection)
        assert direction is not None
        near: Keys = np.empty(0, dtype=np.int64)
        if self.is_trained or found is None:  # codes that learned nothing find words alone, and fewer than the index
            near = self._near(connection, direction, n)
        by_words = np.empty(0, dtype=np.int64) if found is None else found.keys
        keys = self._required(np.unique(np.concatenate([by_words, near])))
        is_all = (found is None or found.n_matching <= len(found.keys)) and len(near) < n
        return self.scored(connection, keys).by_score(), is_all

    def looked_for(self, connection: Connection) -> Direction | None:
        """Where codes are looked for: what the query's own says, and what the best documents by words do."""
        if self.direction is None and self.own is not None:
            direction = self.own
            found = self.found(fuse.FEEDBACK_DOCUMENTS)
            if found is not None and len(found.keys):
                best, has_code = self.source.codes(connection, found.keys[: fuse.FEEDBACK_DOCUMENTS])
                scores = found.scores[: fuse.FEEDBACK_DOCUMENTS][has_code]
                direction = fuse.blend(direction, fuse.feedback(best[has_code], scores))
            self.direction = direction
        return self.direction

    def _near(self, connection: Connection, direction: Direction, n: int) -> Keys:
        """Keys of the `n` documents whose codes lie nearest to a direction; none where nothing is known."""
        if not direction.any():
            return np.empty(0, dtype=np.int64)
        code, confidence = fuse.code_to_search(direction)
        query = QueryCodes(code[None], confidence[None])
        (found,) = self.source.nearest(connection, query, n + len(self.leave_out), None, self.allowed)
        self.stats = found.stats
        keys = np.asarray(found.keys, dtype=np.int64)
        return keys[~np.isin(keys, list(self.leave_out))] if self.leave_out else keys

    def _required(self, keys: Keys) -> Keys:
        """The documents that have every required word and no excluded one."""
        for clause in self.clauses if self.replica is not None else ():
            if clause.is_required or clause.is_excluded:
                assert self.replica is not None
                has_it = self.replica.words.scores([Clause(clause.alternatives)], keys) > 0
                keys = keys[~has_it if clause.is_excluded else has_it]
        return keys

    def scored(self, connection: Connection, keys: Keys) -> Ranking:
        """These documents with their scores and the parts of them, and their distances from the query's own code."""
        self.n_scored = max(self.n_scored, len(keys))
        has_words = self.replica is not None and bool(self.clauses)
        words = np.zeros(len(keys), dtype=np.float32)
        if has_words:
            assert self.replica is not None
            words = self.replica.words.scores(self.clauses, keys)
        shown = rounded(words) if has_words else None
        direction = self.looked_for(connection)
        if direction is None:
            return Ranking(keys, None, shown, shown)
        codes, has_code = self.source.codes(connection, keys)
        agreements = np.where(has_code, fuse.agreement(direction, codes), np.float32(-1))
        best = self.best_word_score
        scores = agreements if not best else words / np.float32(best) + np.float32(self.code_weight) * agreements
        return Ranking(
            keys,
            None if self.code is None else self._distances(codes, has_code),
            rounded(scores),
            shown,
            np.where(has_code, rounded(agreements), np.nan),
        )

    def _distances(self, codes: Codes, has_code: NDArray[np.bool_]) -> NDArray[np.int64]:
        assert self.code is not None
        return np.where(has_code, hamming_distance(codes, self.code[None]), -1)

    def matching(self, connection: Connection) -> KeyMask | None:
        """The documents that match by words; None, for all, where only the code says what is wanted."""
        if self.replica is None and self.own is not None:
            return None
        if self.replica is None or not self.clauses:
            return None if self.own is not None and self.own.any() else KeyMask.of_keys(_NOTHING.keys)
        return self.replica.words.matching(self.clauses, self.allowed, self.leave_out)
