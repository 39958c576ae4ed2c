"""Rankings: candidates of one query, best first, and the contract of whatever finds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.index.hamming.answers import Stats
from service.index.key_mask import KeyMask, Keys

_DIGITS = 6

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Documents in an order, and what is known of each.

    Attributes:
        keys: `(n,)` int64.
        distances: `(n,)` int64, in bits from the query's code; -1 where a document has no code. None: not asked for.
        scores: `(n,)` what they are ranked by; None where that is the distance.
        words: `(n,)` BM25; None: not asked for.
        agreements: `(n,)` how far the codes agree with where the search looked, -1 to 1, NaN where there is no code;
            None: not asked for.
    """

    keys: Keys
    distances: NDArray[np.int64] | None = None
    scores: Values | None = None
    words: Values | None = None
    agreements: Values | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, rows: Any) -> Ranking:
        """The same of some rows, by a slice, a mask or places."""
        return Ranking(self.keys[rows], *(None if column is None else column[rows] for column in self._columns))

    @property
    def _columns(self) -> tuple[NDArray[Any] | None, ...]:
        return self.distances, self.scores, self.words, self.agreements

    def followed_by(self, other: Ranking) -> Ranking:
        """One ranking after another of the same columns."""
        pairs = zip(self._columns, other._columns, strict=True)
        columns = [None if one is None or two is None else np.concatenate([one, two]) for one, two in pairs]
        return Ranking(np.concatenate([self.keys, other.keys]), *columns)

    def by_score(self) -> Ranking:
        """By descending score, then in the order of arrival, which is that of keys."""
        assert self.scores is not None
        return self[np.lexsort((self.keys, -self.scores))]

    def relevance(self, n_bits: int) -> Values:
        """`(n,)` from 0 to 1: the share of the best score, or of bits that agree with the query's."""
        if self.scores is None:
            assert self.distances is not None
            return np.asarray(1 - self.distances / n_bits, dtype=np.float64)
        best = float(self.scores.max(initial=0))
        shares: Values = np.minimum(np.maximum(self.scores / (best or 1.0), 0.0), 1.0)
        return shares


class Ranker(Protocol):
    """One query's way to find documents and to score them; its methods block."""

    @property
    def stats(self) -> Stats | None:
        """The work of the search by code."""

    @property
    def is_exact(self) -> bool:
        """Whether no better match can have been missed."""

    def best(self, connection: Connection, n: int) -> tuple[Ranking, bool]:
        """The `n` best or more, and whether these are all; the first n of a greater number are the same."""

    def scored(self, connection: Connection, keys: Keys) -> Ranking:
        """These documents, in that order, as `best` scores them."""

    def matching(self, connection: Connection) -> KeyMask | None:
        """Every document that matches, for counts and for other orders; None if all that may be matches do."""


def rounded(values: NDArray[np.floating]) -> Values:
    """Values as they are shown, so that what shows as equal is a tie."""
    shown: Values = np.asarray(np.round(values.astype(np.float64), _DIGITS), dtype=np.float64)
    return shown


class SortedRanker:
    """Matches in another order than the ranker's own.

    Args:
        ranker: knows how they score.
        n_matching: how many matches there are.
        first: gives the keys of the first of them, as many as it is asked for, in the order wanted.
        needs_scores: matches of too low a score are to be left out.
    """

    def __init__(self, ranker: Ranker, n_matching: int, first: Callable[[int], Keys], *, needs_scores: bool) -> None:
        self.ranker = ranker
        self.n_matching = n_matching
        self.first = first
        self.needs_scores = needs_scores

    @property
    def stats(self) -> Stats | None:
        """The work of the search by code."""
        return self.ranker.stats

    @property
    def is_exact(self) -> bool:
        """Whether no match can have been missed."""
        return self.ranker.is_exact

    def best(self, connection: Connection, n: int) -> tuple[Ranking, bool]:
        """The first `n` in that order; not scored unless scores tell which are left."""
        keys = self.first(n)
        ranking = self.ranker.scored(connection, keys) if self.needs_scores else Ranking(keys)
        return ranking, n >= self.n_matching

    def scored(self, connection: Connection, keys: Keys) -> Ranking:
        """As the ranker scores them."""
        return self.ranker.scored(connection, keys)

    def matching(self, connection: Connection) -> KeyMask | None:
        """All of them."""
        return self.ranker.matching(connection)
