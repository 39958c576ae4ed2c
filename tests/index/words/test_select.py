"""The compiled loops serve only where they are there and answer as numpy does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from service.index.key_mask import KeyMask
from service.index.words import Clause, WordIndex
from service.index.words.kernels import reference
from service.index.words.kernels.select import answers_alike, loops


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NEARBIT_KERNEL", raising=False)
    loops.cache_clear()
    yield
    loops.cache_clear()


def test_the_compiled_loops_answer_as_numpy_does() -> None:
    assert loops().now.search.__module__ == "service.index.words.kernels.compiled"
    assert loops().reason is None


def test_numpy_serves_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARBIT_KERNEL", "numpy")
    assert loops().now is reference


def test_numpy_serves_where_numba_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("service.index.words.kernels.compiled", raising=False)
    monkeypatch.setitem(sys.modules, "service.index.words.kernels.compiled", None)
    with capture_logs() as logs:
        assert loops().now is reference
    assert [line["log_level"] for line in logs] == ["warning"]
    assert (loops().reason or "").startswith("numba cannot be loaded")


@pytest.mark.parametrize("k", [1, 100, 50_000])
def test_answers_over_many_documents_are_those_of_numpy_to_the_bit(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    rng, n = np.random.default_rng(k), 15_000
    words = np.minimum(rng.zipf(1.2, (n, 12)), 2_000).tolist()
    bodies, titles = ([[f"w{word}" for word in row] for row in part] for part in (words, [row[:2] for row in words]))
    mine = WordIndex()
    monkeypatch.setenv("NEARBIT_KERNEL", "numpy")
    loops.cache_clear()
    theirs = WordIndex()
    for index in (mine, theirs):
        index.put(np.arange(n) * 2, bodies, titles)
        index.delete(np.arange(0, n, 50))
    assert (mine._engine is reference, theirs._engine is reference) == (False, True)
    mask = KeyMask(1_000, np.packbits(rng.random(25_000) < 0.7, bitorder="little"))
    common, rare = [tuple((f"w{i}", 1.0 + i % 3) for i in row) for row in ((1, 2, 3), (150, 300, 900))]
    for clauses in (
        [Clause((word,)) for word in common],
        [Clause((word,)) for word in rare],
        [Clause(common), Clause(rare, weight=3.0), Clause((rare[0],), is_required=True)],
        [Clause(common, is_required=True), Clause(rare), Clause((("w4", 1.0),), is_excluded=True)],
        [
            Clause((common[0],), is_required=True),
            Clause((common[1],), is_required=True),
            Clause(rare, is_excluded=True),
        ],
    ):
        for allowed in (None, mask):
            found, expected = (index.search(clauses, k, allowed, leave_out=[502, 1_004]) for index in (mine, theirs))
            assert found.keys.tolist() == expected.keys.tolist()
            assert found.scores.tobytes() == expected.scores.tobytes()
            assert found.n_matching == expected.n_matching


class Wrong:
    """Loops that are wrong in one of their answers."""

    def __init__(self, which: str) -> None:
        self.which = which

    def __getattr__(self, name: str) -> Any:
        def changed(*arguments: object) -> object:
            found = getattr(reference, name)(*arguments)
            if name in ("ordered", "search"):
                found[1][-1] = np.nextafter(found[1][-1], 99, dtype=found[1].dtype) if name == "search" else 0
            elif name == "merged":
                found.texts[0] += 1
            elif name == "scores_of":
                found[3] += 1
            else:
                found = found[1:]
            return found

        return changed if name == self.which else getattr(reference, name)


@pytest.mark.parametrize("loop", ["ordered", "merged", "find", "near_terms", "search", "scores_of"])
def test_loops_that_answer_otherwise_are_noticed(loop: str) -> None:
    assert answers_alike(reference)  # type: ignore[arg-type]
    assert not answers_alike(Wrong(loop))  # type: ignore[arg-type]


def test_importing_the_index_does_not_load_numba() -> None:
    code = "import sys, service.index.words; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
