"""The compiled loops serve only where they are there and answer as numpy does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from service.errors import ConfigurationError
from service.hashing.codes import Codes
from service.index.bits import Bitmap
from service.index.hamming.kernels import reference
from service.index.hamming.kernels.select import answers_alike, loops_for
from service.index.hamming.layout import ANSWER_WORDS, Words
from service.index.hamming.view import View
from service.index.key_mask import KeyMask


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NEARBIT_KERNEL", raising=False)
    loops_for.cache_clear()
    yield
    loops_for.cache_clear()


@pytest.mark.parametrize("n_bits", [8, 16, 32, 40, 64, 72, 128, 192, 256])
def test_the_compiled_loops_answer_as_numpy_does(n_bits: int) -> None:
    assert loops_for(n_bits).now.answer.__module__ == "service.index.hamming.kernels.compiled"


def test_numpy_serves_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARBIT_KERNEL", "numpy")
    assert loops_for(64).now is reference


def test_an_unknown_kernel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARBIT_KERNEL", "fortran")
    with pytest.raises(ConfigurationError, match="fortran"):
        loops_for(64)


def test_numpy_serves_where_numba_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("service.index.hamming.kernels.compiled", raising=False)
    monkeypatch.setitem(sys.modules, "service.index.hamming.kernels.compiled", None)
    with capture_logs() as logs:
        assert loops_for(64).now is reference
    assert [line["log_level"] for line in logs] == ["warning"]
    assert loops_for(64).reason.startswith("numba cannot be loaded")


@pytest.mark.parametrize("loop", ["answer", "fill_tables"])
def test_numpy_serves_where_the_loops_cannot_be_compiled(monkeypatch: pytest.MonkeyPatch, loop: str) -> None:
    def cannot(*_: object) -> None:
        raise SystemError("LLVM\n  does not know this processor")

    monkeypatch.delenv("NEARBIT_KERNEL", raising=False)
    monkeypatch.setattr(f"service.index.hamming.kernels.compiled.{loop}", cannot)
    with capture_logs() as logs:
        assert loops_for(64).now is reference
    assert [line["log_level"] for line in logs] == ["error"]
    assert loops_for(64).reason == "numba cannot compile the loops: SystemError: LLVM does not know this processor"
    monkeypatch.undo()
    monkeypatch.delenv("NEARBIT_KERNEL", raising=False)
    loops_for.cache_clear()
    assert loops_for(64).now is not reference
    assert loops_for(64).reason is None


class OffByOne:
    """An engine that is wrong about one distance."""

    def fill_tables(self, words: Words) -> None:
        reference.fill_tables(words)

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
        reference.answer(view, queries, k, limit, mode, out, allowed)
        out[0, ANSWER_WORDS + (out.shape[1] - ANSWER_WORDS) // 2] += 1

    def mark_within(self, view: View, code: Codes, radius: int, first_key: int, bits: Bitmap) -> None:
        reference.mark_within(view, code, radius, first_key, bits)


class WrongBuckets(OffByOne):
    """An engine that fills one bucket wrongly."""

    def fill_tables(self, words: Words) -> None:
        reference.fill_tables(words)
        words[-100] ^= np.uint64(1)


class WrongMarks(WrongBuckets):
    """An engine that marks a key too many."""

    def fill_tables(self, words: Words) -> None:
        reference.fill_tables(words)

    def answer(self, *arguments: Any) -> None:
        reference.answer(*arguments)

    def mark_within(self, view: View, code: Codes, radius: int, first_key: int, bits: Bitmap) -> None:
        reference.mark_within(view, code, radius + 1, first_key, bits)


def test_loops_that_answer_otherwise_are_noticed() -> None:
    assert answers_alike(reference, 64)
    assert not answers_alike(OffByOne(), 64)
    assert not answers_alike(WrongBuckets(), 64)
    assert not answers_alike(WrongMarks(), 64)


def test_loops_that_answer_otherwise_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.index.hamming.kernels.compiled.answer", OffByOne().answer)
    with capture_logs() as logs:
        assert loops_for(64).now is reference
    assert [line["log_level"] for line in logs] == ["error"]
    assert loops_for(64).reason == "the compiled loops answer otherwise than numpy"


def test_importing_the_table_does_not_load_numba() -> None:
    code = "import sys, service.index.hamming.table; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
