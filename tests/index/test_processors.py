"""Loops compiled for a processor without AVX-512 answer as numpy does, whatever this one has."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

_ROOMS = Path(__file__).parent
_TESTS = [str(_ROOMS / test) for test in ("words/test_select.py", "words/test_dictionary.py", "columns/test_select.py")]


@pytest.mark.long
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names a processor of another kind")
def test_the_loops_of_words_and_columns_pass_their_tests_without_avx_512(tmp_path: Path) -> None:
    environment = os.environ | {
        "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path),
    }  # fmt: skip
    environment.pop("NEARBIT_KERNEL", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", *_TESTS]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout[-3_000:]
