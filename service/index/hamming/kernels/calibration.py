"""Calibration: what probes, scans and gathering cost on this processor, measured once and kept beside compiled loops.

The loops run over a base made up for it: random codes in every bucket, none of them near a query, so that nothing but
the way itself takes time. The least of a few times counts, for what else the machine does only adds to it. How large
the base is says whether it lies in a cache or in memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from math import comb
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import structlog
from numpy.typing import NDArray

from service.hashing.codes import Codes
from service.index.hamming import costs, layout
from service.index.hamming.costs import USUAL, Costs
from service.index.hamming.layout import ANSWER_WORDS, GATHER, PROBE, SCAN, Words
from service.index.hamming.view import View
from service.index.key_mask import KeyMask

log = structlog.get_logger(__name__)

Clock = Callable[[], int]
"""Nanoseconds since some time."""

LIMIT = 3
"""A distance from a random query within which no random code lies."""
CACHED, BETWEEN, MEMORY = 1 << 16, 1 << 20, 1 << 23
"""Words of codes that a cache near the core holds, that the last one before memory holds, and that none holds."""
FEW, MANY = 2, 5
"""Logarithms of the codes in a bucket."""
SPARSE, DENSE, NONE, N_MASKS = 0.01, 0.1, 1e-4, 7
"""Of the keys, how many are allowed where gathering is measured, in memory and in a cache; and so to say none."""
N_QUERIES, REPEATS = 4, {PROBE: 15, SCAN: 7}
"""Queries of one measurement, and measurements of which the least counts."""


_UNEVEN = np.random.default_rng(1).integers(0, 1 << 16, 4099, np.uint32)
"""So much, by 1 / 65,536, buckets begin late: a processor must not foresee how full they are."""


class Loops(Protocol):
    """Compiled loops, and where they are kept."""

    def answer(
        self,
        view: View,
        queries: Codes,
        k: int,
        limit: int,
        mode: int,
        out: NDArray[np.int64],
        allowed: KeyMask | None = None,
    ) -> None:
        """As of `kernels.select.Engine`."""

    def cost_folder(self) -> Path | None:
        """Where costs are kept for as long as the loops are these; None if nothing can be kept."""

    def processor(self) -> str:
        """What runs the loops, and for what they were compiled."""


_lock = threading.Lock()
_calibrated: set[int] = set()


def calibrate(loops: object, n_bits: int) -> None:
    """Have all tables of the process whose codes are as wide in words choose by what this processor takes; once.

    Costs are read from the file beside the compiled loops or, where it holds none of this processor, measured in less
    than .2 s and written to it; several processes may do so at once. Other loops than compiled ones choose nothing, so
    nothing is measured. Blocks; safe in any thread.
    """
    n_planes = layout.n_planes_of(n_bits)
    with _lock:
        if n_planes not in _calibrated and hasattr(loops, "cost_folder"):
            costs.use(measured_costs(cast(Loops, loops), n_planes), n_planes)
            _calibrated.add(n_planes)


def measured_costs(loops: Loops, n_planes: int, clock: Clock = time.perf_counter_ns) -> Costs:
    """For codes of so many words: what the file holds for this processor or, where it holds nothing, what it takes."""
    folder, processor = loops.cost_folder(), loops.processor()
    path = None if folder is None else folder / f"costs-{n_planes}.json"
    kept = None if path is None else Costs.load(path, processor)
    if kept is not None:
        return kept
    found = measure(loops, n_planes, clock)
    log.info("costs of searches measured, in ns", processor=processor, n_words=n_planes, **found.rounded())
    if path is not None:
        try:
            found.save(path, processor)
        except OSError as error:
            log.warning("costs of searches are not kept", path=str(path), error=str(error))
    return found


def measure(loops: Loops, n_planes: int, clock: Clock = time.perf_counter_ns) -> Costs:
    """Costs by a clock, none of them absurd. Cost: 0.1 s, and 200 MB for so long."""
    rng = np.random.default_rng(0)
    cached, between, memory = ((size // n_planes).bit_length() - 1 for size in (CACHED, BETWEEN, MEMORY))
    words = _base(1 << memory, n_planes, rng)
    took = partial(_took, loops, clock, rng)
    scan = took(_view(words, between, FEW), SCAN) / (n_planes << between)
    scan_memory = took(_view(words, memory, FEW), SCAN) / (n_planes << memory)
    probe, candidate = _buckets(took, words, between)
    probe_memory, candidate_memory = _buckets(took, words, memory)
    gather = _gathering(took, words, cached, DENSE, rng)
    gather_memory = _gathering(took, words, between, SPARSE, rng)
    speed = _full_bucket(probe, candidate) / _full_bucket(USUAL.probe, USUAL.candidate)
    return Costs(
        probe,
        max(probe, probe_memory),
        candidate,
        max(candidate, candidate_memory),
        scan,
        max(scan, scan_memory),
        gather,
        max(gather, gather_memory),
        *(speed * cost for cost in (USUAL.keep, USUAL.scan_test, USUAL.probe_test)),
    ).clamped()


def _base(n: int, n_planes: int, rng: np.random.Generator) -> Words:
    """A base of random codes, the same in its one table as beside it; the table's offsets are yet to be filled in."""
    words = layout.allocate(n, layout.WORD_BITS * n_planes, 1)
    header = words.view(np.int64)
    header[layout.CODES_AT] = header[layout.TABLES_AT + layout.TABLE_CODES]
    codes = words[header[layout.CODES_AT] :][: n * n_planes // CACHED * CACHED].reshape(-1, CACHED)
    codes[:] = rng.integers(0, 1 << 63, CACHED, np.uint64) << np.uint64(1)
    return words


def _view(words: Words, size: int, load: int) -> View:
    """The first `2**size` of the codes as a base with about `2**load` of them in each bucket of its one table."""
    header = words.view(np.int64)
    header[[layout.N_CODES, layout.TABLES_AT + layout.TABLE_WIDTH]] = 1 << size, size - load
    offsets = layout.tables_of(words)[0].offsets
    offsets[:] = np.arange(len(offsets), dtype=np.uint32) << load
    offsets[1:-1] += np.resize(_UNEVEN >> (16 - load), len(offsets) - 2)
    return View.of_base(words)


def _full_bucket(probe: float, candidate: float) -> float:
    return probe + candidate * (1 << MANY)


def _buckets(took: Callable[[View, int], float], words: Words, size: int) -> tuple[float, float]:
    """What a bucket costs, and what each word of a code in it, from the times of nearly empty ones and of full ones."""
    times = []
    for load in (FEW, MANY):
        n_probes = sum(comb(size - load, flips) for flips in range(LIMIT + 1))
        times.append(took(_view(words, size, load), PROBE) / n_probes)
    code = max(0.0, times[1] - times[0]) / ((1 << MANY) - (1 << FEW))
    return max(0.0, times[0] - code * (1 << FEW)), code / len(layout.planes_of(words))


def _gathering(
    took: Callable[[View, int, KeyMask], float], words: Words, size: int, share: float, rng: np.random.Generator
) -> float:
    """What a key costs that is gathered, each time others."""
    n = 1 << size
    layout.keys_of(_view(words, size, FEW).words)[:] = np.arange(n)
    view = _view(words, size, FEW)
    few, many = (
        [KeyMask.of_keys(np.flatnonzero(rng.random(n) < part)) for _ in range(N_MASKS)] for part in (NONE, share)
    )
    for mask in (*few, *many):
        len(mask)  # which is counted once
    call = min(took(view, GATHER, mask) for mask in few)
    return max(0.0, min((took(view, GATHER, mask) - call) / len(mask) for mask in many))


def _took(
    loops: Loops, clock: Clock, rng: np.random.Generator, view: View, mode: int, allowed: KeyMask | None = None
) -> float:
    """The least ns of a query; each time others ask, so that none finds in a cache what it brought there."""
    n_queries = N_QUERIES if mode == PROBE else 1
    out = np.zeros((n_queries, ANSWER_WORDS + 2), np.int64)
    taken = []
    for _ in range(REPEATS.get(mode, 1)):
        queries = rng.integers(0, 256, (n_queries, view.n_bits // 8), np.uint8)
        began = clock()
        loops.answer(view, queries, 1, LIMIT, mode, out, allowed)
        taken.append(clock() - began)
    return min(taken) / n_queries
