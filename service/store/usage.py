"""Usage: what queries and new documents were like, as counts for each code space; neither is kept itself.

An API process counts in memory, which takes a microsecond a query, and adds its counts to SQL now and then.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

from sqlalchemy import Connection, bindparam, func, select

from service.store import schema
from service.store.statements import insert, is_one_of

TABLE = schema.usage_counts
SPACES = schema.code_spaces

REFERENCE = 1_000
"""Queries of a space after which the later ones are counted apart, to be compared with these first."""

Figure = Literal["documents", "unknown_documents", "queries", "unknown_queries", "first_nearest", "nearest"]
"""What is counted. Of the last two, a bucket is the distance in bits of a query's nearest document; of others 0."""


class UsageCounter:
    """Counts in memory; safe to use from several threads.

    Attributes:
        keeps: by name, how many of the last text queries of a collection are kept; of others none are.
    """

    def __init__(self) -> None:
        self.keeps: Mapping[str, int] = {}
        self._kept: dict[str, deque[str]] = {}
        self._lock = Lock()
        self._counts: defaultdict[tuple[int, Figure, int], int] = defaultdict(int)

    def add_documents(self, space_id: int, n: int, n_unknown: int) -> None:
        """Count documents that were encoded, and those of them of which the space's function knows nothing."""
        with self._lock:
            self._counts[space_id, "documents", 0] += n
            self._counts[space_id, "unknown_documents", 0] += n_unknown

    def add_query(self, space_id: int, known: bool, nearest: int | None) -> None:
        """Count a query: whether its words are known, and the bits to the nearest of all documents, if it is known."""
        with self._lock:
            self._counts[space_id, "queries" if known else "unknown_queries", 0] += 1
            if nearest is not None and known:
                self._counts[space_id, "nearest", nearest] += 1

    def keep(self, collection: str, texts: Sequence[str]) -> None:
        """Keep text queries of a collection that is one of `keeps`."""
        with self._lock:
            self._kept.setdefault(collection, deque(maxlen=self.keeps.get(collection, 0))).extend(texts)

    def take_queries(self) -> Mapping[str, Sequence[str]]:
        """The queries that were kept since the last call, by collection, the latest last."""
        with self._lock:
            taken, self._kept = self._kept, {}
        return {name: list(texts) for name, texts in taken.items()}

    def take(self) -> Mapping[tuple[int, Figure, int], int]:
        """What was counted since the last call."""
        with self._lock:
            taken, self._counts = self._counts, defaultdict(int)
        return taken


@dataclass(frozen=True, slots=True)
class UsageCounts:
    """What was counted of a space.

    Attributes:
        n_documents, n_unknown_documents: documents that were put, and those without a known word.
        n_queries, n_unknown_queries: queries with and without a known word.
        first_nearest, nearest: by distance, the number of queries whose nearest document was that far; of the first
            queries of the space, and of all later ones.
    """

    n_documents: int = 0
    n_unknown_documents: int = 0
    n_queries: int = 0
    n_unknown_queries: int = 0
    first_nearest: Mapping[int, int] = field(default_factory=dict)
    nearest: Mapping[int, int] = field(default_factory=dict)


def add(connection: Connection, counted: Mapping[tuple[int, Figure, int], int]) -> None:
    """Add what was counted; of spaces that are gone it is dropped."""
    existing = {*connection.scalars(_EXISTING, {"ids": sorted({space for space, _, _ in counted})})}
    nearest = {space: _nearest_as(connection, space) for space in existing}
    summed: Counter[tuple[int, Figure, int]] = Counter()
    for (space, figure, bucket), n in counted.items():
        if space in existing:
            summed[space, nearest[space] if figure == "nearest" else figure, bucket] += n
    rows = [
        {"space_id": space, "figure": figure, "bucket": bucket, "n": n}
        for (space, figure, bucket), n in sorted(summed.items())
        if n
    ]
    if rows:
        statement = insert(connection, TABLE)
        more = {"n": TABLE.c.n + statement.excluded.n}
        key = ["space_id", "figure", "bucket"]
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=more), rows)


def get(connection: Connection, space_id: int) -> UsageCounts:
    """What was counted of a space."""
    by_figure: dict[str, dict[int, int]] = {}
    for figure, bucket, n in connection.execute(_GET, {"space": space_id}):
        by_figure.setdefault(figure, {})[bucket] = n
    first, later = by_figure.pop("first_nearest", {}), by_figure.pop("nearest", {})
    return UsageCounts(
        **{f"n_{figure}": counts[0] for figure, counts in by_figure.items()}, first_nearest=first, nearest=later
    )


def _nearest_as(connection: Connection, space_id: int) -> Figure:
    """What the distances that are counted now belong to: the first queries of a space, or the later ones."""
    n_first = connection.execute(_N_FIRST, {"space": space_id}).scalar() or 0
    return "first_nearest" if n_first < REFERENCE else "nearest"


_OF_SPACE = TABLE.c.space_id == bindparam("space")
_EXISTING = select(SPACES.c.id).where(is_one_of(SPACES.c.id, "ids"))
_GET = select(TABLE.c.figure, TABLE.c.bucket, TABLE.c.n).where(_OF_SPACE)
_N_FIRST = select(func.sum(TABLE.c.n)).where(_OF_SPACE, TABLE.c.figure == "first_nearest")
