"""Compiled loops are taken from a cache only if nothing that is compiled into them has changed."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import service
from service.index import compiler
from service.index.compiler import cache_folder, folder_name
from service.index.hamming.kernels import compiled as hamming
from service.index.words.kernels import compiled as words

PACKAGE = Path(service.__file__).parent
TYPES_ONLY = {PACKAGE / "index" / name for name in ("bits.py", "key_mask.py", "words/part.py")}


@pytest.mark.parametrize("loops", [hamming, words], ids=lambda loops: loops.__name__)
def test_the_name_of_the_cache_covers_every_file_that_the_loops_take_something_from(loops: object) -> None:
    own = loops.COMPILED_IN[0]  # type: ignore[attr-defined]
    nodes = [node for node in ast.walk(ast.parse(own.read_text())) if isinstance(node, ast.ImportFrom) and node.module]
    names = {f"{node.module}.{alias.name}" for node in nodes for alias in node.names} | {node.module for node in nodes}
    files = {PACKAGE.parent / f"{name.replace('.', '/')}.py" for name in names if name and name.startswith("service.")}
    assert {own, *(file for file in files if file.exists())} - TYPES_ONLY == set(loops.COMPILED_IN)  # type: ignore[attr-defined]


@pytest.mark.parametrize("source", hamming.COMPILED_IN, ids=lambda source: source.name)
def test_a_changed_constant_gives_another_place(tmp_path: Path, source: Path) -> None:
    copies = [Path(shutil.copy(file, tmp_path / file.name)) for file in hamming.COMPILED_IN]
    before = folder_name(copies)
    assert before == folder_name(hamming.COMPILED_IN)
    changed = tmp_path / source.name
    stat = changed.stat()
    changed.write_bytes(changed.read_bytes()[:-1] + b" ")
    os.utime(changed, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # neither its time nor its size tells
    assert folder_name(copies) != before


def place_of_loops(root: Path, loop: str, **environment: str) -> str:
    """Where numba keeps a loop of the package that lies in `root`."""
    room, name = loop.split(".")
    program = f"from service.index.{room}.kernels.compiled import {name}; print({name}.stats.cache_path)"
    variables = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    child = subprocess.run(
        [sys.executable, "-c", program],
        env={**variables, "PYTHONPATH": str(root), **environment},
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return child.stdout.strip()


@pytest.mark.parametrize(
    ("loop", "constant"), [("hamming.answer_all", "SLACK = 64"), ("words.search_part", "MOST_CHARS = 255")]
)
def test_after_an_upgrade_of_the_layout_alone_the_loops_are_looked_for_elsewhere(
    tmp_path: Path, loop: str, constant: str
) -> None:
    shutil.copytree(PACKAGE, tmp_path / "service", ignore=shutil.ignore_patterns("__pycache__"))
    layout = tmp_path / "service" / "index" / loop.split(".")[0] / "layout.py"
    before = place_of_loops(tmp_path, loop)
    assert Path(before).is_relative_to(tmp_path)
    layout.write_text(layout.read_text().replace(constant, constant[:-1] + "9"))
    assert place_of_loops(tmp_path, loop) != before
    given = place_of_loops(tmp_path, loop, NUMBA_CACHE_DIR=str(tmp_path / "given"))
    assert Path(given).is_relative_to(tmp_path / "given")


def test_where_nothing_can_be_written_there_is_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert cache_folder(hamming.COMPILED_IN) is None


def test_threads_that_import_loops_at_once_each_have_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = threading.Event()

    def njit(**options: Any) -> Any:
        def decorate(function: str) -> str:
            found = [compiler.config.CACHE_DIR]
            began.set()
            time.sleep(0.05)  # the other thread would set another folder now
            found.append(compiler.config.CACHE_DIR)
            assert found[0] == found[1]
            return str(found[0])

        return decorate

    monkeypatch.setattr(compiler, "njit", njit)
    before = compiler.config.CACHE_DIR
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(compiler.compiling(tmp_path / "first"), "loop")
        assert began.wait(10)
        second = pool.submit(compiler.compiling(tmp_path / "second"), "loop")
        assert [first.result(), second.result()] == [str(tmp_path / "first"), str(tmp_path / "second")]
    assert before == compiler.config.CACHE_DIR
