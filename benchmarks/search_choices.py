"""The way that the cost model takes against the best one: `python benchmarks/search.py --choices [--large] [--slower X]`.

Each line is a table of codes: how long ten nearest take by a scan, by probes and as chosen, and beside it the same where
a key mask leaves some of the codes, with gathering as the third way. `--slower 4` makes a scan four times as dear to
the model, as on a machine that scans so much more slowly, and counts its times so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.index.hamming.layout import AUTO, GATHER, PATH, PROBE, SCAN
from service.index.hamming.table import HammingTable
from service.index.key_mask import KeyMask

Codes = NDArray[np.uint8]
Maker = Callable[[int, int, int], Codes]
"""Codes: how many, seed, bits."""
Race = Callable[[dict[str, Callable[[Codes], object]], Codes, int], dict[str, float]]

WIDTHS = (64, 128, 256)
SIZES = (10_000, 100_000, 1_000_000)
LARGE = 10_000_000
SHARES = (0.3, 0.1, 0.03, 0.01, 0.001)
WORST = 1.15


class Report(Protocol):
    """Where lines go."""

    def row(self, job: str, measured: str, target: str = "", reached: bool | None = None) -> None:
        """Print and keep one line."""


def measure(report: Report, makers: dict[str, Maker], race: Race, is_large: bool) -> None:
    """One line for each kind of codes, width and size."""
    for n in (*SIZES, LARGE) if is_large else SIZES:
        for n_bits in WIDTHS:
            for name, make in makers.items():
                table = HammingTable.build(make(n, 1, n_bits), np.arange(n))
                queries = make(60 if n < LARGE else 30, 2, n_bits)
                _line(report, race, table, f"{name}, {n_bits} bits, {n:,}", queries)
                if n == 1_000_000:
                    for share in SHARES:
                        shown = np.random.default_rng(3).random(n) < share
                        mask = KeyMask(0, np.packbits(shown, bitorder="little"))
                        _line(report, race, table, f"  {share:.1%} of them", queries, mask)


def _line(
    report: Report, race: Race, table: HammingTable, label: str, queries: Codes, mask: KeyMask | None = None
) -> None:
    ways = {"scan": SCAN, "probe": PROBE} | ({} if mask is None else {"gather": GATHER})
    if mask is not None and len(mask) < len(table) // 50:
        del ways["probe"]  # which then looks into most buckets
    calls = {way: by(table, mode, mask) for way, mode in (ways | {"chosen": AUTO}).items()}
    times = race(calls, queries, 5)
    rows = table._answers(table._view, queries, 10, table.n_bits, 10, AUTO, mask)
    paths = np.bincount(rows[:, PATH], minlength=5).tolist()
    best = min(times[way] for way in ways)
    taken = ", ".join(f"{way} {value:.1f}" for way, value in times.items())
    report.row(label, f"{times['chosen'] / best:.2f} ({taken} us) {paths}", f"<= {WORST}", times["chosen"] <= WORST * best)


def by(table: HammingTable, mode: int, mask: KeyMask | None) -> Callable[[Codes], object]:
    """A search for ten that is told which way to go."""
    return lambda query: table._answers(table._view, query, 10, table.n_bits, 10, mode, mask)
