"""A scan that reads codes bit after bit, as processors without a vector popcount do, answers as every other way."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from service.index.hamming import layout
from service.index.hamming.kernels.select import answers_alike, loops_for
from service.index.hamming.layout import AUTO, SCAN, UNLIMITED
from service.index.hamming.table import HammingTable
from service.index.key_mask import KeyMask
from tests import oracles
from tests.index.hamming.test_allowed import a_table, matches
from tests.oracles import clustered_codes

compiled = pytest.importorskip("service.index.hamming.kernels.compiled")
instructions = pytest.importorskip("service.index.hamming.kernels.instructions")
LONG = pytest.mark.long
"""Each further width in words is compiled anew."""
pytestmark = pytest.mark.skipif(os.environ.get("NEARBIT_KERNEL") == "numpy", reason="numpy has one way to scan")


@pytest.fixture(autouse=True)
def _sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "SLICES", True)


@pytest.mark.parametrize("n_bits", [8, 64, 72, 128, 192, 256])
def test_slices_hold_the_mixed_bits_of_every_code(n_bits: int) -> None:
    codes = np.random.default_rng(n_bits).integers(0, 256, (1_000, n_bits // 8), np.uint8)
    words = layout.allocate(1_000, n_bits, 1)
    layout.to_planes(codes, layout.planes_of(words))
    slices = compiled.slices_of(words)
    rows = slices.view(np.uint8).reshape(4, -1, 32)  # (slices, bits, bytes of 256 codes)
    bits = np.unpackbits(rows, axis=2, bitorder="little").transpose(0, 2, 1).reshape(1_024, -1)
    expected = np.zeros_like(bits)
    expected[:1_000, :n_bits] = np.unpackbits(codes, axis=1)
    mixed = expected.copy()
    for first in range(0, bits.shape[1] - 6, 7):
        for place, which in enumerate(instructions.MIXED):
            chosen = [first + bit for bit in range(7) if which >> bit & 1]
            mixed[:, first + place] = expected[:, chosen].sum(axis=1) % 2
    assert np.array_equal(bits, mixed)


def test_what_seven_bits_are_mixed_to_tells_them_all() -> None:
    rows = {
        sum(1 << i for i, which in enumerate(instructions.MIXED) if (which & bits).bit_count() % 2)
        for bits in range(128)
    }
    assert len(rows) == 128


@pytest.mark.parametrize("n_bits", [8, 64, 72, pytest.param(192, marks=LONG), pytest.param(256, marks=LONG)])
def test_the_loops_with_slices_answer_as_numpy_does(n_bits: int) -> None:
    assert answers_alike(compiled, n_bits)


@pytest.mark.parametrize("n_bits", [8, 64, 128, pytest.param(256, marks=LONG)])
@pytest.mark.parametrize("n", [1, 255, 256, 257, 1_500])
def test_a_scan_of_slices_finds_the_nearest(n: int, n_bits: int) -> None:
    rng = np.random.default_rng(n + n_bits)
    table, model = a_table(rng, rng.permutation(3 * n)[:n].astype(np.int64), n_bits)
    allowed = rng.permutation(3 * n)[: n + 1]
    shown = set(allowed.tolist())
    for query in clustered_codes(rng, 6, n_bits):
        for mask in (None, KeyMask.of_keys(allowed)):
            visible = {key: code for key, code in model.items() if mask is None or key in shown}
            for k in (1, 10, n):
                (row,) = table._answers(table._view, query[None], k, n_bits, k, SCAN, mask)
                assert matches(row) == oracles.nearest(visible, query.tobytes(), k)
            (row,) = table._answers(table._view, query[None], UNLIMITED, n_bits // 3, n, SCAN, mask)
            assert matches(row) == oracles.within(visible, query.tobytes(), n_bits // 3)
    assert n == 1 or table._view.arrays.sliced.size


def test_slices_are_made_by_the_first_scan_counted_and_kept_with_their_base(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    table = HammingTable.build(clustered_codes(rng, 2_000, 64), np.arange(2_000))
    before = table.memory_bytes
    table.search(np.zeros((0, 8), np.uint8), 3)
    assert table.memory_bytes == before
    with monkeypatch.context() as patch:
        patch.setattr(compiled, "CACHED_BYTES", 2_000 * 8 - 1)
        table.search(np.zeros((1, 8), np.uint8), 3)
        assert table.memory_bytes == before
    table.search(np.zeros((1, 8), np.uint8), 3)
    assert table.memory_bytes == before + 2_048 * 8
    sliced = table._view.arrays.sliced
    table.add(clustered_codes(rng, 5_000, 64), np.arange(1_000, 6_000))
    table.delete(np.arange(500))
    assert table._view.arrays.sliced is sliced


@pytest.mark.long
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names a processor of another kind")
def test_code_for_a_processor_without_avx_512_answers_as_numpy_does(tmp_path: Path) -> None:
    environment = os.environ | {
        "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path),
    }  # fmt: skip
    code = (
        "from service.index.hamming.kernels import compiled, select\n"
        "assert compiled.SLICES and select.loops_for(64).now is compiled and select.loops_for(128).now is compiled"
    )
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_the_machine_decides_how_it_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    loops_for.cache_clear()
    assert loops_for(64).now is compiled
    table = HammingTable.build(np.zeros((300, 8), np.uint8), np.arange(300))
    table._answers(table._view, np.zeros((1, 8), np.uint8), 3, 64, 3, AUTO)
    assert bool(table._view.arrays.sliced.size) == compiled.SLICES
