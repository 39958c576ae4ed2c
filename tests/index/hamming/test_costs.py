"""Costs are measured once, kept for the processor they were measured on, and choose a way but never an answer."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.hashing.codes import Codes
from service.index.hamming import costs, layout
from service.index.hamming.costs import MOST, USUAL, Costs
from service.index.hamming.kernels import calibration, reference
from service.index.hamming.kernels.calibration import CACHED, measure, measured_costs
from service.index.hamming.kernels.select import loops_for
from service.index.hamming.layout import GATHER, SCAN
from service.index.hamming.table import HammingTable
from service.index.hamming.view import View
from service.index.key_mask import KeyMask

COMPILED = pytest.mark.skipif(os.environ.get("NEARBIT_KERNEL") == "numpy", reason="numpy has one way to go")
MADE_UP = USUAL._replace(probe=9.0, probe_memory=30.0, candidate=0.5, candidate_memory=1.5, scan=0.2, scan_memory=0.5)


class MadeUp:
    """A processor on which everything takes as long as some costs say, and calls 100 ns more."""

    def __init__(self, folder: Path | None, takes: Costs = MADE_UP, name: str = "made up") -> None:
        self.folder, self.takes, self.name, self.ns, self.n_calls = folder, takes, name, 0.0, 0

    def cost_folder(self) -> Path | None:
        return self.folder

    def processor(self) -> str:
        return self.name

    def clock(self) -> int:
        return round(self.ns)

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
        self.n_calls += 1
        n_words, takes = view.n_base * len(layout.planes_of(view.words)), self.takes
        is_cached = n_words <= (CACHED if mode == GATHER else calibration.BETWEEN)
        if mode == GATHER:
            assert allowed is not None
            self.ns += 100 + len(allowed) * (takes.gather if is_cached else takes.gather_memory)
        elif mode == SCAN:
            self.ns += n_words * (takes.scan if is_cached else takes.scan_memory)
        else:
            self.ns += len(queries) * self._probes(view, limit, is_cached)

    def _probes(self, view: View, limit: int, is_cached: bool) -> float:
        (table,) = layout.tables_of(view.words)
        flips = np.bitwise_count(np.arange(1 << table.width))
        found = np.diff(table.offsets.astype(np.int64))[flips <= limit]
        probe, candidate = (
            (self.takes.probe, self.takes.candidate)
            if is_cached
            else (self.takes.probe_memory, self.takes.candidate_memory)
        )
        return len(found) * probe + int(found.sum()) * len(table.planes) * candidate


@pytest.mark.parametrize("n_planes", [1, 2, 3, 4])
def test_what_is_measured_is_what_the_processor_takes(n_planes: int) -> None:
    processor = MadeUp(None)
    found = measure(processor, n_planes, processor.clock)
    expected = MADE_UP._replace(keep=found.keep, scan_test=found.scan_test, probe_test=found.probe_test)
    assert found == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("takes", [0.0, -5.0, 1e9])
def test_costs_that_no_processor_has_are_not_believed(takes: float) -> None:
    processor = MadeUp(None, Costs(*[takes] * len(USUAL)))
    found = measure(processor, 1, processor.clock)
    assert found.is_sane
    assert all(usual / MOST <= cost <= usual * MOST for cost, usual in zip(found, USUAL, strict=True))


def test_costs_are_measured_once_for_a_processor(tmp_path: Path) -> None:
    first = MadeUp(tmp_path)
    found = measured_costs(first, 1, first.clock)
    second = MadeUp(tmp_path)
    assert measured_costs(second, 1, second.clock) == found
    assert second.n_calls == 0
    for other in (MadeUp(tmp_path, name="another"), MadeUp(tmp_path, name="made up")):
        measured_costs(other, 1, other.clock)
        assert other.n_calls > 0  # the file now holds those of the other
    wider = MadeUp(tmp_path)
    measured_costs(wider, 2, wider.clock)
    assert wider.n_calls > 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b'{"processor": "made up"}',
        b'{"processor": "made up", "ns": [1, 2]}',
        b'{"processor": "made up", "ns": {"probe": 1}}',
        json.dumps({"processor": "made up", "ns": USUAL._replace(scan=float("nan"))._asdict()}).encode(),
        json.dumps({"processor": "made up", "ns": USUAL._replace(scan=0.0)._asdict()}).encode(),
        json.dumps({"processor": "made up", "ns": USUAL._replace(probe=1e6)._asdict()}).encode(),
        json.dumps({"processor": "made up", "ns": USUAL._asdict() | {"scan": None}}).encode(),
        json.dumps({"processor": "made up", "ns": USUAL._asdict() | {"more": 1.0}}).encode(),
    ],
)
def test_a_file_that_cannot_be_true_is_written_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "costs-1.json"
    path.write_bytes(content)
    processor = MadeUp(tmp_path)
    found = measured_costs(processor, 1, processor.clock)
    assert processor.n_calls > 0
    assert Costs.load(path, "made up") == found


def test_costs_serve_where_they_cannot_be_kept(tmp_path: Path) -> None:
    processor = MadeUp(tmp_path / "not there")
    assert measured_costs(processor, 1, processor.clock).is_sane


def test_several_may_measure_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def start(_: int) -> Costs:
        processor = MadeUp(tmp_path)
        together.wait()
        return measured_costs(processor, 4, processor.clock)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(start, range(4)))
    assert Costs.load(tmp_path / "costs-4.json", "made up") in found
    assert [path.name for path in tmp_path.iterdir()] == ["costs-4.json"]


def test_numpy_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "_calibrated", set())
    before = costs.in_use.copy()
    calibration.calibrate(reference, 64)
    assert np.array_equal(costs.in_use, before)


def _answered(table: HammingTable, queries: Codes, takes: Costs, mask: KeyMask | None) -> tuple[object, set[str]]:
    before = costs.in_use.copy()
    costs.use(takes, layout.n_planes_of(table.n_bits))
    try:
        found = table.search(queries, 10, mask)
        return [(row.keys.tolist(), row.distances.tolist()) for row in found], {row.stats.path for row in found}
    finally:
        costs.in_use[:] = before


@pytest.fixture(scope="module")
def table() -> HammingTable:
    loops_for(64)
    return HammingTable.build(np.random.default_rng(1).integers(0, 256, (50_000, 8), np.uint8), np.arange(50_000))


@given(factors=st.lists(st.floats(1 / MOST, MOST), min_size=len(USUAL), max_size=len(USUAL)), share=st.integers(1, 40))
def test_an_answer_does_not_depend_on_costs(table: HammingTable, factors: list[float], share: int) -> None:
    queries = np.random.default_rng(2).integers(0, 256, (3, 8), np.uint8)
    takes = Costs(*(factor * usual for factor, usual in zip(factors, USUAL, strict=True)))
    for mask in (None, KeyMask.of_keys(np.arange(0, 50_000, share))):
        assert _answered(table, queries, takes, mask)[0] == _answered(table, queries, USUAL, mask)[0]


@COMPILED
def test_the_way_depends_on_costs(table: HammingTable) -> None:
    queries = np.random.default_rng(2).integers(0, 256, (3, 8), np.uint8)
    mask = KeyMask.of_keys(np.arange(0, 50_000, 3))
    slow_scan = USUAL._replace(scan=MOST * USUAL.scan)
    assert _answered(table, queries, slow_scan, None)[1] == {"probe"}
    assert _answered(table, queries, USUAL._replace(scan=USUAL.scan / MOST), None)[1] <= {"scan", "probe, then scan"}
    dear_gathering = USUAL._replace(gather=MOST * USUAL.gather)
    assert _answered(table, queries, dear_gathering, mask)[1] <= {"scan", "probe, then scan"}
    dear_tests = USUAL._replace(scan_test=MOST * USUAL.scan_test, probe_test=MOST * USUAL.probe_test)
    cheap_gathering = dear_tests._replace(gather=USUAL.gather / MOST, gather_memory=USUAL.gather_memory / MOST)
    assert _answered(table, queries, cheap_gathering, mask)[1] <= {"gather", "probe, then gather"}


@COMPILED
@pytest.mark.parametrize("n_bits", [32, 64, 256])
def test_a_radius_is_probed_where_scans_are_dear(n_bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "in_use", costs.in_use.copy())
    words = layout.allocate(100_000, n_bits, layout.n_tables_for(100_000, n_bits))
    n_planes = layout.n_planes_of(n_bits)
    n_steps = int(words[layout.N_STEPS])
    for factor, radius, expected in ((MOST, 2, True), (1 / MOST, 2 * n_bits // 8, False), (MOST, n_steps, False)):
        costs.use(USUAL._replace(scan=factor * USUAL.scan), n_planes)
        assert costs.is_probed(words, radius) == expected
