"""Selected: some codes of a dictionary, as a range of codes or as a table that says of each; and some values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Selected = range | NDArray[np.bool_]
"""Codes from one to another, or whether each code is among them: `(n_texts,)`."""


class Interval(NamedTuple):
    """The values of a column from one to another, both included."""

    least: float
    most: float


class Table(NamedTuple):
    """The integers of a column of which a table, `(m,)`, says so, at their distance from the first."""

    first: int
    table: NDArray[np.bool_]


Wanted = Interval | Table | NDArray[np.bool_]
"""Some values of a column; as an array it says whether each is wanted, `(n,)`."""


def of_codes(n: int, codes: NDArray[np.integer]) -> Selected:
    """Some of `n` codes."""
    if not len(codes):
        return range(0)
    first, last = int(codes.min()), int(codes.max())
    if last - first < len(codes) and len(np.unique(codes)) == last - first + 1:
        return range(first, last + 1)
    table = np.zeros(n, bool)
    table[codes] = True
    return table


def wanted(selected: Selected) -> Interval | Table | None:
    """The codes as values of a column; None for none."""
    if not isinstance(selected, range):
        return Table(0, selected)
    return Interval(selected.start, selected.stop - 1) if selected else None
