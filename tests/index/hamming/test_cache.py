"""Compiled loops are taken from a cache only if nothing that is compiled into them has changed."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import service
from service.index.hamming.kernels import cache
from service.index.hamming.kernels.cache import COMPILED_IN, cache_folder, folder_name

PACKAGE = Path(service.__file__).parent
COMPILED = PACKAGE / "index" / "hamming" / "kernels" / "compiled.py"


def test_the_name_of_the_cache_covers_every_file_that_the_loops_take_something_from() -> None:
    tree = ast.parse((COMPILED).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    ours = {PACKAGE.parent / f"{module.replace('.', '/')}.py" for module in modules if module.startswith("service.")}
    assert {COMPILED, *ours} - {Path(cache.__file__)} == set(COMPILED_IN)


@pytest.mark.parametrize("source", COMPILED_IN, ids=lambda source: source.name)
def test_a_changed_constant_gives_another_place(tmp_path: Path, source: Path) -> None:
    copies = [Path(shutil.copy(file, tmp_path / file.name)) for file in COMPILED_IN]
    before = folder_name(copies)
    assert before == folder_name()
    changed = tmp_path / source.name
    stat = changed.stat()
    changed.write_bytes(changed.read_bytes()[:-1] + b" ")
    os.utime(changed, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # neither its time nor its size tells
    assert folder_name(copies) != before


def place_of_loops(root: Path, **environment: str) -> str:
    """Where numba keeps a loop of the package that lies in `root`."""
    program = "from service.index.hamming.kernels.compiled import answer_all; print(answer_all.stats.cache_path)"
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


def test_after_an_upgrade_of_the_layout_alone_the_loops_are_looked_for_elsewhere(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "service", ignore=shutil.ignore_patterns("__pycache__"))
    layout = tmp_path / "service" / "index" / "hamming" / "layout.py"
    before = place_of_loops(tmp_path)
    assert Path(before).is_relative_to(tmp_path)
    layout.write_text(layout.read_text().replace("SLACK = 64", "SLACK = 72"))
    assert place_of_loops(tmp_path) != before
    given = place_of_loops(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "given"))
    assert Path(given).is_relative_to(tmp_path / "given")


def test_where_nothing_can_be_written_there_is_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert cache_folder() is None
