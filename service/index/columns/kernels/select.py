"""Which loops run the columns: the compiled ones, if they are there and answer as numpy does; else numpy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from service.index.bits import Bitmap
from service.index.columns.kernels import reference
from service.index.columns.kernels.reference import Rows
from service.index.engines import chosen

_TYPES = ("u1", "u2", "u4", "i1", "i2", "i4", "i8", "f8", "?")
"""The types of values that columns have."""
_CODES = ("u1", "u2", "u4", "i4")
"""Those of the codes of texts."""


class Engine(Protocol):
    """The loops, compiled or not; `service.index.columns.kernels.reference` says what each does."""

    def between(self, values: NDArray[Any], least: float, most: float) -> Bitmap:
        """The places of the values between two."""

    def chosen(self, values: NDArray[Any], first: int, table: NDArray[np.bool_]) -> Bitmap:
        """The places of the integers of which a table says so."""

    def spread(self, rows: Rows, places: Bitmap, n_rows: int) -> Bitmap:
        """The rows of some places."""

    def tally(self, codes: NDArray[np.integer], rows: Rows | None, shown: Bitmap, n: int) -> NDArray[np.int64]:
        """How often each code occurs in some rows."""


fallback: list[str] = []
"""Why numpy runs in place of the compiled loops, once it does; `engine` finds out."""


@lru_cache
def engine() -> Engine:
    """The fastest loops that answer as numpy does.

    The first call of a process loads the compiled loops; on a machine that never ran them they are compiled first, some
    seconds. Where they cannot be loaded, cannot be compiled or are wrong, numpy answers the same, some times slower;
    the log says why, and `fallback` does.

    Raises:
        ConfigurationError: NEARBIT_KERNEL is neither "numba" nor "numpy".
    """
    loops, reason = chosen("columns", cast(Engine, reference), _compiled, answers_alike)
    fallback[:] = [] if reason is None else [reason]
    return loops


def _compiled() -> Engine:
    from service.index.columns.kernels import compiled

    return cast(Engine, compiled)


def answers_alike(loops: Engine) -> bool:
    """Whether loops do as numpy does, for each type of values, in whole blocks of them and some more."""
    return all(
        np.array_equal(found, expected)
        for found, expected in zip(_sample(loops), _sample(cast(Engine, reference)), strict=True)
    )


def _sample(loops: Engine) -> Iterator[NDArray[Any]]:
    """Some answers of each loop."""
    rng, n = np.random.default_rng(0), 20_003
    shown, table = np.packbits(rng.random(n) < 0.3, bitorder="little"), rng.random(60) < 0.5
    rows = np.unique(rng.integers(0, n, 9_001)).astype(np.uint32)
    yield loops.spread(rows, shown[: (len(rows) + 7) // 8], n)
    for type in _TYPES:
        values = rng.integers(0 if type[0] == "u" else -40, 90, n).astype(type)
        least, most = sorted(values[:2].tolist())
        yield loops.between(values, least, most)
        yield loops.between(values, most, most)
        if values.dtype.kind in "ui":
            yield loops.chosen(values, int(values[2]), table)
        if type in _CODES:
            codes = np.abs(values)
            yield loops.tally(codes, None, shown, 50)
            yield loops.tally(codes[: len(rows)], rows, shown, 50)
