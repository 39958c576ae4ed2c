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
from service.index.engines import Loops

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


@lru_cache
def loops() -> Loops[Engine]:
    """The loops of the columns: numpy's until the compiled ones are there, if they answer as numpy does.

    Where they cannot be loaded, cannot be compiled or are wrong, numpy goes on to answer the same, some times slower;
    the log says why, and `service.index.engines.reasons` does.

    Raises:
        ConfigurationError: NEARBIT_KERNEL is neither "numba" nor "numpy".
    """
    return Loops("columns", cast(Engine, reference), _compiled, answers_alike, ("columns",))


def _compiled() -> Engine:
    from service.index.columns.kernels import compiled

    return cast(Engine, compiled)


def answers_alike(engine: Engine) -> bool:
    """Whether loops do as numpy does, for each type of values, in whole blocks of them and some more."""
    return all(
        np.array_equal(found, expected)
        for found, expected in zip(_sample(engine), _sample(cast(Engine, reference)), strict=True)
    )


def _sample(engine: Engine) -> Iterator[NDArray[Any]]:
    """Some answers of each loop."""
    rng, n = np.random.default_rng(0), 20_003
    shown, table = np.packbits(rng.random(n) < 0.3, bitorder="little"), rng.random(60) < 0.5
    rows = np.unique(rng.integers(0, n, 9_001)).astype(np.uint32)
    yield engine.spread(rows, shown[: (len(rows) + 7) // 8], n)
    for type in _TYPES:
        values = rng.integers(0 if type[0] == "u" else -40, 90, n).astype(type)
        least, most = sorted(values[:2].tolist())
        yield engine.between(values, least, most)
        yield engine.between(values, most, most)
        if values.dtype.kind in "ui":
            yield engine.chosen(values, int(values[2]), table)
        if type in _CODES:
            codes = np.abs(values)
            yield engine.tally(codes, None, shown, 50)
            yield engine.tally(codes[: len(rows)], rows, shown, 50)
