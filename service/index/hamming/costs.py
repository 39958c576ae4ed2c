"""What the ways of a search cost on this processor, in nanoseconds; they choose a way and never change an answer.

`kernels.calibration` measures those that matter where compiled loops run; until then, and where that fails, the ones
below serve. Only their ratios matter.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import NamedTuple, Self
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from service.index.hamming import layout
from service.index.hamming.layout import Words

MOST = 16.0
"""A measured cost is at most so many times the one below, and at least one such part of it."""


class Costs(NamedTuple):
    """Nanoseconds, each twice where it matters whether what is read lies in a cache or in memory.

    Attributes:
        probe, probe_memory: to look into one bucket.
        candidate, candidate_memory: to compare one word of a code in a bucket.
        scan, scan_memory: to compare one word of a code in a scan.
        gather, gather_memory: to find the code of one allowed key and to compare it.
        keep: to keep one code that lies within the bound.
        scan_test, probe_test: to ask the key mask for one code that a scan met, or a probe.
    """

    probe: float
    probe_memory: float
    candidate: float
    candidate_memory: float
    scan: float
    scan_memory: float
    gather: float
    gather_memory: float
    keep: float
    scan_test: float
    probe_test: float

    def clamped(self) -> Self:
        """These costs, as far from the usual ones as a processor can be, but no farther."""
        pairs = zip(self, USUAL, strict=True)
        return type(self)(*(min(max(cost, usual / MOST), usual * MOST) for cost, usual in pairs))

    def rounded(self) -> dict[str, float]:
        """Each by its name, for a log."""
        return {name: round(cost, 3) for name, cost in self._asdict().items()}

    @property
    def is_sane(self) -> bool:
        """Whether every cost is one that a processor can have."""
        return all(isfinite(cost) for cost in self) and self.clamped() == self

    def save(self, path: Path, processor: str) -> None:
        """Write them to a file, in one step.

        Raises:
            OSError: the folder cannot be written.
        """
        draft = path.with_suffix(f".{uuid4().hex}")
        try:
            draft.write_text(json.dumps({"processor": processor, "ns": self._asdict()}))
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path, processor: str) -> Self | None:
        """Those that a file holds for this processor; None if there are none, or if they cannot be true."""
        try:
            about = json.loads(path.read_bytes())
            if not isinstance(about, Mapping) or about.get("processor") != processor:
                return None
            costs = cls(**{name: float(value) for name, value in about["ns"].items()})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return costs if costs.is_sane else None


USUAL = Costs(
    probe=14.0,
    probe_memory=25.0,
    candidate=0.5,
    candidate_memory=1.1,
    scan=0.09,
    scan_memory=0.24,
    gather=5.0,
    gather_memory=19.0,
    keep=15.0,
    scan_test=25.0,
    probe_test=60.0,
)
"""Of a Zen 4 core with AVX-512, for where nothing can be measured."""

PLACE = Costs(*range(len(USUAL)))
"""Where each stands in the array that the loops read."""

in_use: NDArray[np.float64] = np.tile(USUAL, (5, 1))
"""What the loops read, a row for each number of words in a code; all tables of a process share its processor."""


def use(costs: Costs, n_planes: int) -> None:
    """Choose by these from now on, in all tables of that width in words; queries that run may see some of the old."""
    in_use[n_planes] = costs


def is_probed(words: Words, radius: int) -> bool:
    """Whether all within a radius are found by probes more cheaply than by a scan."""
    header, floats = words.view(np.int64), words.view(np.float64)
    if radius >= header[layout.N_STEPS]:
        return False
    n, n_planes, n_tables = header[[layout.N_CODES, layout.N_PLANES, layout.N_TABLES]].tolist()
    costs, n_words = Costs(*in_use[n_planes].tolist()), n * n_planes
    in_memory = 1 - layout.CACHED_BYTES / max(1, n_tables * (8 * n_words + 4 * n))
    probe = between(costs.probe, costs.probe_memory, in_memory)
    candidate = n_planes * between(costs.candidate, costs.candidate_memory, in_memory)
    n_probes, n_candidates = (header[place] + radius + 1 for place in (layout.PROBES_AT, layout.CANDIDATES_AT))
    scan = n_words * between(costs.scan, costs.scan_memory, 8 * n_words / layout.CACHED_BYTES - 1)
    return bool(floats[n_probes] * probe + floats[n_candidates] * candidate < scan)


def between(cached: float, memory: float, share: float) -> float:
    """A cost where a share of what is read lies in memory; below 0 stands for none, above 1 for all."""
    return cached + min(1.0, max(0.0, share)) * (memory - cached)
