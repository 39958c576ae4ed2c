"""Ranges of numbers: exact comparisons of 64-bit integers and floats with bounds of either type and any size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.index.columns.selected import Interval
from service.index.columns.values import nearest_float

Bound = int | float | None


def integers_between(kind: np.dtype[Any], gt: Bound, gte: Bound, lt: Bound, lte: Bound) -> Interval | None:
    """The integers of a type that lie between these; None for none."""
    limits = np.iinfo(kind)
    least, most = int(limits.min), int(limits.max)
    for bound, is_open in ((gt, True), (gte, False)):
        if bound is not None:
            least = max(least, _floor(bound) + 1 if is_open else _ceil(bound))
    for bound, is_open in ((lt, True), (lte, False)):
        if bound is not None:
            most = min(most, _ceil(bound) - 1 if is_open else _floor(bound))
    return Interval(least, most) if least <= most else None


def _floor(bound: float) -> int:
    return math.floor(bound) if math.isfinite(nearest_float(bound)) else _beyond(bound)  # type: ignore[arg-type]


def _ceil(bound: float) -> int:
    return math.ceil(bound) if math.isfinite(nearest_float(bound)) else _beyond(bound)  # type: ignore[arg-type]


def _beyond(bound: float) -> int:
    return 1 << 70 if bound > 0 else -(1 << 70)


def floats_between(gt: Bound, gte: Bound, lt: Bound, lte: Bound) -> Interval | None:
    """The floats that lie between these; None for none."""
    least, most = -math.inf, math.inf
    if gt is not None:
        below = _rounded(gt, up=False)
        if below == math.inf:
            return None
        least = math.nextafter(below, math.inf)
    if gte is not None:
        least = max(least, _rounded(gte, up=True))
    if lt is not None:
        above = _rounded(lt, up=True)
        if above == -math.inf:
            return None
        most = math.nextafter(above, -math.inf)
    if lte is not None:
        most = min(most, _rounded(lte, up=False))
    return Interval(least, most) if least <= most else None


def _rounded(bound: float, up: bool) -> float:
    """The least float that is not less than a number, or the greatest that is not greater."""
    near = nearest_float(bound) if isinstance(bound, int) else bound
    if up:
        return near if near >= bound else math.nextafter(near, math.inf)
    return near if near <= bound else math.nextafter(near, -math.inf)
