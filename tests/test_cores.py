from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import service
from service.cores import usable_cores

ROOT = Path(service.__file__).parents[1]


def test_the_cores_are_those_this_process_may_run_on() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("count", "cores"), [(6, 6), (None, 1)])
def test_where_the_system_does_not_say_which_cores_are_ours_all_are(
    monkeypatch: pytest.MonkeyPatch, count: int | None, cores: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert usable_cores() == cores


def test_nothing_else_asks_the_system_for_what_only_linux_knows() -> None:
    files = [file for room in ("service", "training", "benchmarks") for file in (ROOT / room).rglob("*.py")]
    asking = [str(file.relative_to(ROOT)) for file in files if re.search(r"sched_[gs]etaffinity", file.read_text())]
    assert asking == ["service/cores.py"]
