"""Ranges of numbers: exact comparisons of 64-bit integers and floats with bounds of either type and any size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.index.columns.values import nearest_float

Bound = int | float | None
_MIN_INTEGER, _MAX_INTEGER = -(1 << 63), (1 << 63) - 1


def integers_between(values: NDArray[Any], gt: Bound, gte: Bound, lt: Bound, lte: Bound) -> NDArray[np.bool_] | None:
    """Which of some integers lie between these; None for none."""
    least, most = _MIN_INTEGER, _MAX_INTEGER
    for bound, is_open in ((gt, True), (gte, False)):
        if bound is not None:
            least = max(least, _floor(bound) + 1 if is_open else _ceil(bound))
    for bound, is_open in ((lt, True), (lte, False)):
        if bound is not None:
            most = min(most, _ceil(bound) - 1 if is_open else _floor(bound))
    if least > most:
        return None
    if least == _MIN_INTEGER:
        hits: NDArray[np.bool_] = values <= most
        return hits
    hits = values >= least
    if most < _MAX_INTEGER:
        hits &= values <= most
    return hits


def _floor(bound: float) -> int:
    return math.floor(bound) if math.isfinite(nearest_float(bound)) else _beyond(bound)  # type: ignore[arg-type]


def _ceil(bound: float) -> int:
    return math.ceil(bound) if math.isfinite(nearest_float(bound)) else _beyond(bound)  # type: ignore[arg-type]


def _beyond(bound: float) -> int:
    return 1 << 70 if bound > 0 else -(1 << 70)


def floats_between(values: NDArray[Any], gt: Bound, gte: Bound, lt: Bound, lte: Bound) -> NDArray[np.bool_]:
    """Which of some floats lie between these."""
    hits = np.ones(len(values), bool)
    if gt is not None:
        hits &= values > _rounded(gt, up=False)
    if gte is not None:
        hits &= values >= _rounded(gte, up=True)
    if lt is not None:
        hits &= values < _rounded(lt, up=True)
    if lte is not None:
        hits &= values <= _rounded(lte, up=False)
    return hits


def _rounded(bound: float, up: bool) -> float:
    """The least float that is not less than a number, or the greatest that is not greater."""
    near = nearest_float(bound) if isinstance(bound, int) else bound
    if up:
        return near if near >= bound else math.nextafter(near, math.inf)
    return near if near <= bound else math.nextafter(near, -math.inf)
