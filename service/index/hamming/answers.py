"""What a search gives back: neighbors and the work that they took, rows of one array until someone looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from service.index.hamming.layout import ANSWER_WORDS, CANDIDATES, FOUND, PATH, PROBES, RADIUS
from service.index.hamming.view import Keys

PATHS = ("scan", "probe", "probe, then scan", "gather", "probe, then gather")


class Stats(NamedTuple):
    """The work one query took: why it was fast, or not.

    `path` is one of `PATHS`, where "gather" looks at the allowed codes one by one; `probes` counts buckets looked into,
    `candidates` codes that were compared, and within `radius` bits of the query nothing was left unseen.
    """

    path: str
    probes: int
    candidates: int
    radius: int


class Neighbors(NamedTuple):
    """One query's answer, ascending by (distance, key): `keys` `(n,)` int64, `distances` `(n,)` int64 in bits."""

    keys: Keys
    distances: NDArray[np.int64]
    stats: Stats


class Answers(Sequence[Neighbors]):
    """The answers to a batch of queries, in their order; each is made into `Neighbors` when it is asked for.

    `rows` `(q, ANSWER_WORDS + 2 * room)` int64 are as the loops write them (`kernels.reference.answer`), with as much
    room as each answer needs.
    """

    __slots__ = ("rows",)

    def __init__(self, rows: NDArray[np.int64]) -> None:
        self.rows = rows

    @property
    def keys(self) -> NDArray[np.int64]:
        """`(q, k)` keys; -1 behind the last of an answer that a radius or a key mask cut short."""
        rows = self.rows
        return rows[:, ANSWER_WORDS : (rows.shape[1] + ANSWER_WORDS) // 2]

    @property
    def distances(self) -> NDArray[np.int64]:
        """`(q, k)` distances in bits; -1 where there is no key."""
        rows = self.rows
        return rows[:, (rows.shape[1] + ANSWER_WORDS) // 2 :]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Neighbors: ...
    @overload
    def __getitem__(self, place: slice) -> Answers: ...
    def __getitem__(self, place: int | slice) -> Neighbors | Answers:
        row = self.rows[place]
        if isinstance(place, slice):
            return Answers(row)
        half = (len(row) + ANSWER_WORDS) // 2
        about: list[int] = row[:ANSWER_WORDS].tolist()
        found = about[FOUND]
        stats = Stats(PATHS[about[PATH]], about[PROBES], about[CANDIDATES], about[RADIUS])
        return Neighbors(row[ANSWER_WORDS : ANSWER_WORDS + found], row[half : half + found], stats)
