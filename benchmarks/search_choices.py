"""The way that the cost model takes against the best one: `python benchmarks/search.py --choices [--slower X]`.

Each line is a table of codes: how long ten nearest take by a scan, by probes and as chosen, and the same where a key
mask leaves some of the codes, with gathering as the third way; "new" masks are another in each query. A time is the
mean of 30 queries, of each the least of some rounds in turns. With `--slower 4` the model is told that a scan costs
four times as much, as on a machine that scans so slowly, and the times of scans are counted so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.index.hamming import costs, layout
from service.index.hamming.layout import AUTO, GATHER, PATH, PATH_SCAN, PATH_SWITCHED, PROBE, SCAN
from service.index.hamming.table import HammingTable
from service.index.key_mask import KeyMask

Codes = NDArray[np.uint8]
Maker = Callable[[int, int, int], Codes]
"""Codes: how many, seed, bits."""

WIDTHS = (64, 128, 256)
SIZES = (10_000, 100_000, 1_000_000)
LARGE = 10_000_000
SHARES = (0.3, 0.1, 0.03, 0.01, 0.001)
WORST = 1.15
N_QUERIES, ROUNDS = 30, 7
MOST_US = 20_000
"""A way that takes longer is not asked again."""


class Report(Protocol):
    """Where lines go."""

    def row(self, job: str, measured: str, target: str = "", reached: bool | None = None) -> None:
        """Print and keep one line."""


def measure(report: Report, makers: dict[str, Maker], is_large: bool, slower: float) -> None:
    """One line for each kind of codes, width and size."""
    print(costs.Costs(*costs.in_use[1].tolist()).rounded())
    for n in (*SIZES, LARGE) if is_large else SIZES:
        for n_bits in WIDTHS:
            for name, make in makers.items():
                table = HammingTable.build(make(n, 1, n_bits), np.arange(n))
                queries = make(N_QUERIES, 2, n_bits)
                with scans_cost(slower, n_bits):
                    _line(report, table, f"{name}, {n_bits} bits, {n:,}", queries, [None], slower)
                    if n == 1_000_000 and n_bits == 64:
                        _masked(report, table, queries, slower)


def _masked(report: Report, table: HammingTable, queries: Codes, slower: float) -> None:
    rng = np.random.default_rng(3)
    for share in SHARES:
        masks = [KeyMask(0, np.packbits(rng.random(len(table)) < share, bitorder="little")) for _ in queries]
        _line(report, table, f"  a mask of {share:.1%} of them, the same", queries, masks[:1], slower)
        _line(report, table, f"  a mask of {share:.1%} of them, new", queries, masks, slower)


@contextmanager
def scans_cost(slower: float, n_bits: int) -> Iterator[None]:
    """Tell the model that a scan costs so many times what it does."""
    n_planes = layout.n_planes_of(n_bits)
    now = costs.Costs(*costs.in_use[n_planes].tolist())
    costs.use(now._replace(scan=slower * now.scan, scan_memory=slower * now.scan_memory), n_planes)
    yield
    costs.use(now, n_planes)


def _line(
    report: Report,
    table: HammingTable,
    label: str,
    queries: Codes,
    masks: Sequence[KeyMask | None],
    slower: float,
) -> None:
    """`masks` has one for all queries or one for each."""
    ways = {"scan": SCAN, "probe": PROBE} | ({} if masks[0] is None else {"gather": GATHER})
    mask_of = [masks[i % len(masks)] for i in range(len(queries))]
    times = {way: np.full(len(queries), np.inf) for way in (*ways, "chosen")}
    paths = np.zeros(len(queries), np.int64)
    for _ in range(ROUNDS):
        for way, mode in (ways | {"chosen": AUTO}).items():
            if np.isfinite(times[way]).all() and times[way].mean() > MOST_US:
                continue
            for i, mask in enumerate(mask_of):
                began = time.perf_counter_ns()
                row = table._answers(table._view, queries[i : i + 1], 10, table.n_bits, 10, mode, mask)
                times[way][i] = min(times[way][i], (time.perf_counter_ns() - began) / 1e3)
                if mode == AUTO:
                    paths[i] = row[0, PATH]
                if times[way][i] > 10 * MOST_US:
                    times[way][:] = times[way][i]
                    break
    more = (slower - 1) * times["scan"]
    times["scan"] = times["scan"] + more
    times["chosen"] = times["chosen"] + np.where(np.isin(paths, (PATH_SCAN, PATH_SWITCHED)), more, 0)
    means = {way: float(taken.mean()) for way, taken in times.items()}
    ratio = means["chosen"] / min(means[way] for way in ways)
    taken = ", ".join(f"{way} {value:.1f}" for way, value in means.items())
    report.row(label, f"{ratio:.2f} ({taken} us)", f"<= {WORST}", ratio <= WORST)
