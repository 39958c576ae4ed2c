"""ColumnValues: the values of a metadata field of all documents as an array, to color points by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.index.columns.filters import Scalar
from service.index.columns.order import Gathered
from service.index.columns.values import BOOLEAN, FLOAT, INTEGER
from service.index.columns.view import ColumnView
from service.index.replicas import Follower
from service.search.column_reader import ColumnReader
from service.store import collections, expiry
from service.store.database import Database
from service.threads import run_in_large_thread

MAX_VALUES = 255
OTHER = 255
"""What stands for a value that is not among the commonest."""
_COUNTED = 4_096
"""Values that are counted: the commonest of those that came lately, and of those before."""


@dataclass(frozen=True, slots=True)
class FieldValues:
    """The values of a field.

    Attributes:
        seq: every change up to it is in them.
        tag: names this state of them.
        keys: `(n,)` the documents that have a value, increasing.
        values: `(n,)` float32 where all are numbers; else uint8, places in `legend`, or `OTHER`.
        legend: the values, the commonest first; None of numbers.
    """

    seq: int
    tag: str
    keys: NDArray[np.int64]
    values: NDArray[np.float32] | NDArray[np.uint8]
    legend: Sequence[Scalar] | None


class ColumnValues:
    """Reads metadata as arrays, from memory where it is there."""

    def __init__(self, database: Database, follower: Follower) -> None:
        self.database = database
        self.follower = follower
        self._reader = ColumnReader(follower)

    async def of(self, collection: str, field: str, is_known: Callable[[str], bool]) -> FieldValues | str:
        """The values of a field of all documents, of a list the first; or only their tag, if the caller has them.

        Args:
            collection: its name.
            field: of the metadata.
            is_known: whether the caller has what that tag names.

        Raises:
            NotFound: no such collection.

        Cost: linear; a few tenths of a second for a million documents in memory, ten seconds from SQL.
        """
        return await run_in_large_thread(self._read, collection, field, is_known)

    def _read(self, name: str, field: str, is_known: Callable[[str], bool]) -> FieldValues | str:
        with self.database.read() as connection:
            collection = collections.get(connection, name)
            replica = self.follower.documents(collection.id)
            seq = collection.last_seq if replica is None else replica.columns_seq  # as they are in memory, if they are
            tag = f"column-{collection.id}-{seq}"
            if is_known(tag) and not collection.has_expired:
                return tag
            view = self._reader.read(connection, collection.id, seq, [field])
            keys = view.all_keys().allowed_keys()
            if collection.has_expired:
                keys = keys[~np.isin(keys, expiry.expired_keys(connection, collection.id))]
        return _values(view, np.sort(keys), field, seq, tag)


def _values(view: ColumnView, keys: NDArray[np.int64], field: str, seq: int, tag: str) -> FieldValues:
    gathered = [one for one in view.gathered(keys, field) if len(one[1])]
    has_value = np.zeros(len(keys), np.bool_)
    for _, places, _, _ in gathered:
        has_value[places] = True
    if gathered and all(kind[0] in (INTEGER, FLOAT) for kind, *_ in gathered):
        numbers = np.zeros(len(keys), np.float32)
        with np.errstate(over="ignore"):  # beyond float32 it is infinite
            for _, places, values, _ in gathered:
                numbers[places[::-1]] = values[::-1]  # of a list the first value is written last
        return FieldValues(seq, tag, keys[has_value], numbers[has_value], None)
    classes, legend = _classes(len(keys), gathered)
    return FieldValues(seq, tag, keys[has_value], classes[has_value], legend)


def _classes(n: int, gathered: Sequence[Gathered]) -> tuple[NDArray[np.uint8], list[Scalar]]:
    """For each of `n` documents the place of its value in the list of the commonest values, and that list."""
    counts: Counter[tuple[bool, Scalar]] = Counter()
    found = []
    for (type, _), places, values, texts in gathered:
        codes, numbers, n_each = np.unique(values, return_inverse=True, return_counts=True)
        commonest = np.argsort(-n_each, kind="stable")[:_COUNTED]
        scalars = [texts[code] if texts is not None else code for code in codes[commonest].tolist()]
        names = [(type == BOOLEAN, scalar) for scalar in scalars]  # True equals 1, and is another value
        counts.update(dict(zip(names, n_each[commonest].tolist(), strict=True)))
        found.append((places, numbers, len(codes), commonest, names))
    shown = sorted(counts, key=lambda name: (-counts[name], str(name[1])))[:MAX_VALUES]
    place_of = {name: place for place, name in enumerate(shown)}
    classes = np.full(n, OTHER, np.uint8)
    for places, numbers, n_codes, commonest, names in found:
        class_of = np.full(n_codes, OTHER, np.uint8)
        class_of[commonest] = [place_of.get(name, OTHER) for name in names]
        classes[places[::-1]] = class_of[numbers[::-1]]  # of a list the first value is written last
    return classes, [value for _, value in shown]
