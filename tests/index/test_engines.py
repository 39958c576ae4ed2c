"""Numpy answers in a process that serves until the compiled loops are there, which are compiled once on a machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from service.index import engines
from service.index.compiler import compiling_alone, stamp
from service.index.engines import Loops, answer_meanwhile, reasons
from service.index.hamming.kernels.select import loops_for
from service.index.hamming.table import HammingTable

REFERENCE = SimpleNamespace(name="numpy")
COMPILED = SimpleNamespace(name="compiled", COMPILED_IN=(Path("no such file"),))


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that serves, which has asked for no loops yet."""
    monkeypatch.delenv("NEARBIT_KERNEL", raising=False)
    monkeypatch.setattr(engines, "_background", None)
    monkeypatch.setattr(engines, "_known", [])
    answer_meanwhile()
    loops_for.cache_clear()
    yield
    loops_for.cache_clear()


class Slow:
    """Compiled loops that are not there before they are let go."""

    def __init__(self, is_alike: bool = True, error: Exception | None = None) -> None:
        self.there = threading.Event()
        self.error = error
        self.loops = Loops("slow", REFERENCE, self.load, lambda _: is_alike, ("slow",))

    def load(self) -> SimpleNamespace:
        self.there.wait()
        if self.error is not None:
            raise self.error
        return COMPILED


def test_numpy_answers_until_the_compiled_loops_are_there(serving: None) -> None:
    slow = Slow()
    assert slow.loops.now is REFERENCE
    assert "being loaded, or compiled" in reasons()["slow"]
    slow.there.set()
    slow.loops.wait()
    assert slow.loops.now is COMPILED
    assert reasons() == {}


@pytest.mark.parametrize(
    ("slow", "reason"),
    [
        (lambda: Slow(is_alike=False), "the compiled loops answer otherwise than numpy"),
        (lambda: Slow(error=ImportError("no numba")), "numba cannot be loaded: ImportError: no numba"),
        (lambda: Slow(error=SystemError("no LLVM")), "numba cannot compile the loops: SystemError: no LLVM"),
    ],
)
def test_numpy_goes_on_where_the_compiled_loops_cannot(serving: None, slow: Callable[[], Slow], reason: str) -> None:
    made = slow()
    made.there.set()
    made.loops.wait()
    assert made.loops.now is REFERENCE
    assert reasons() == {"slow": reason}


def test_loops_of_several_kinds_are_loaded_one_after_another(serving: None) -> None:
    first, second = Slow(), Slow()
    second.there.set()
    assert second.loops.now is REFERENCE
    first.there.set()
    second.loops.wait()
    assert first.loops.now is second.loops.now is COMPILED


def test_a_table_that_is_there_takes_the_compiled_loops_when_they_come(serving: None) -> None:
    codes = np.random.default_rng(0).integers(0, 256, (300, 8), np.uint8)
    table = HammingTable.build(codes, np.arange(300))
    before = table.search(codes[:5], 10)
    table._loops.wait()
    assert table._engine.__name__ == "service.index.hamming.kernels.compiled"  # type: ignore[attr-defined]
    after = table.search(codes[:5], 10)
    assert [near.keys.tolist() for near in before] == [near.keys.tolist() for near in after]


def test_one_process_compiles_while_the_others_wait_for_its_cache(tmp_path: Path) -> None:
    n_compiling = n_compiled = most = 0

    def compile_if_needed() -> None:
        nonlocal n_compiling, n_compiled, most
        with compiling_alone(tmp_path, "some loops"):
            if stamp(tmp_path, "some loops").exists():
                return  # another one has compiled, and nobody need be alone to load that
            n_compiling += 1
            most = max(most, n_compiling)
            time.sleep(0.01)
            n_compiled += 1
            n_compiling -= 1

    threads = [threading.Thread(target=compile_if_needed) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, n_compiled) == (1, 1)


def test_what_could_not_be_compiled_is_not_taken_for_compiled(tmp_path: Path) -> None:
    with pytest.raises(SystemError), compiling_alone(tmp_path, "some loops"):
        raise SystemError
    assert not stamp(tmp_path, "some loops").exists()


ENDS_SOON = """
import sys, threading
from service.index import engines
from service.index.words.kernels.select import loops
engines.answer_meanwhile()
loops()
background = engines._background
while background._child is None:
    threading.Event().wait(0.01)
print(background._child.pid)
"""


def test_a_process_may_end_while_its_loops_are_compiled_and_so_does_what_compiles(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    environment.pop("NEARBIT_KERNEL", None)
    ended = subprocess.run(
        [sys.executable, "-c", ENDS_SOON], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    with pytest.raises(ProcessLookupError):
        os.kill(int(ended.stdout.splitlines()[-1]), 0)


@pytest.mark.long
def test_processes_that_start_together_on_a_new_machine_compile_once(tmp_path: Path) -> None:
    program = (
        "from service.index.words.kernels import compiled, select; select.loops();"
        "print(sum(compiled.search_part.stats.cache_misses.values()))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NEARBIT_KERNEL": "numba"}
    command = [sys.executable, "-c", program]
    children = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sorted(int(child.communicate()[0]) for child in children) == [0, 0, 1]
