"""The compiled loops of the columns serve only where they are there and answer as numpy does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from service.index.columns.kernels import compiled, reference
from service.index.columns.kernels.select import answers_alike, loops

TYPES = st.sampled_from(["u1", "u2", "u4", "i1", "i2", "i4", "i8", "?", "f8"])
SIZES = st.sampled_from([0, 1, 7, 8, 9, 200, compiled.BLOCK, 2 * compiled.BLOCK + 3, reference._BLOCK + 9])
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NEARBIT_KERNEL", raising=False)
    loops.cache_clear()
    yield
    loops.cache_clear()


@pytest.mark.usefixtures("forgotten")
def test_the_compiled_loops_answer_as_numpy_does() -> None:
    assert loops().now is compiled
    assert loops().reason is None


@pytest.mark.usefixtures("forgotten")
def test_numpy_serves_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARBIT_KERNEL", "numpy")
    assert loops().now is reference


@pytest.mark.usefixtures("forgotten")
def test_numpy_serves_where_numba_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("service.index.columns.kernels.compiled", raising=False)
    monkeypatch.setitem(sys.modules, "service.index.columns.kernels.compiled", None)
    with capture_logs() as logs:
        assert loops().now is reference
    assert [line["log_level"] for line in logs] == ["warning"]
    assert (loops().reason or "").startswith("numba cannot be loaded")


def drawn(kind: str, n: int, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[Any]]:
    """Values of a type, the extreme ones among them, or a few different ones."""
    if kind == "f8":
        values = rng.choice([-np.inf, -1e300, -5e-324, -0.0, 0.0, 0.5, 2.0**63, np.inf], n)
    elif kind == "?":
        values = rng.random(n) < 0.5
    else:
        limits = np.iinfo(kind)
        few = rng.integers(0, 5, n)
        values = np.where(rng.random(n) < 0.5, few, rng.integers(limits.min, limits.max, n, kind, endpoint=True))
    return values.astype(kind)


def bits_of(hits: list[bool]) -> list[int]:
    return np.packbits(np.array(hits, bool), bitorder="little").tolist()


@given(TYPES, SIZES, SEEDS)
def test_the_values_between_two_are_those_that_compare_so(kind: str, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = drawn(kind, n, rng)
    least, most = sorted(drawn(kind, 2, rng).tolist())
    expected = bits_of([least <= value <= most for value in values.tolist()])
    assert compiled.between(values, least, most).tolist() == expected
    assert reference.between(values, least, most).tolist() == expected


@given(TYPES.filter(lambda kind: kind not in ("?", "f8")), SIZES, st.integers(1, 400), SEEDS)
def test_the_values_that_a_table_has(kind: str, n: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, table = drawn(kind, n, rng), rng.random(size) < 0.5
    first = 0 if seed % 2 else int(drawn(kind, 1, rng)[0])
    wanted = set((np.flatnonzero(table).astype(object) + first).tolist())
    expected = bits_of([value in wanted for value in values.tolist()])
    assert compiled.chosen(values, first, table).tolist() == expected
    assert reference.chosen(values, first, table).tolist() == expected


@given(SIZES, st.integers(1, 3_000), st.sampled_from([0.0, 0.01, 0.5, 1.0]), SEEDS)
def test_the_rows_of_places_and_the_counts_of_codes_in_rows(n: int, n_rows: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.integers(0, n_rows, n)).astype(np.uint32)
    hits = rng.random(n) < share
    shown = np.zeros(n_rows, bool)
    shown[rows[hits]] = True
    expected = np.packbits(shown, bitorder="little").tolist()
    places = np.packbits(hits, bitorder="little")
    bits = np.packbits(rng.random(n_rows) < share, bitorder="little")
    wanted = np.unpackbits(bits, bitorder="little")
    codes = rng.integers(0, 60, n).astype(rng.choice(["u1", "u2", "u4", "i4"]))
    n_counted = int(rng.integers(1, 90))
    counts = [int((wanted[rows[codes == code]]).sum()) for code in range(n_counted)]
    plain = rng.integers(0, 60, n_rows).astype(codes.dtype)
    plain_counts = [int((wanted[:n_rows][plain == code]).sum()) for code in range(n_counted)]
    for engine in (compiled, reference):
        assert engine.spread(rows, places, n_rows).tolist() == expected
        assert engine.tally(codes, rows, bits, n_counted).tolist() == counts
        assert engine.tally(plain, None, bits, n_counted).tolist() == plain_counts


class Wrong:
    """Loops that are wrong in one of their answers."""

    def __init__(self, which: str) -> None:
        self.which = which

    def __getattr__(self, name: str) -> Any:
        def changed(*arguments: object) -> object:
            found = getattr(reference, name)(*arguments)
            found[-2] += 1
            return found

        return changed if name == self.which else getattr(reference, name)


@pytest.mark.parametrize("loop", ["between", "chosen", "spread", "tally"])
def test_loops_that_answer_otherwise_are_noticed(loop: str) -> None:
    assert answers_alike(reference)  # type: ignore[arg-type]
    assert not answers_alike(Wrong(loop))  # type: ignore[arg-type]


def test_importing_the_columns_does_not_load_numba() -> None:
    code = "import sys, service.index.columns; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
