from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.processes.child import ChildProcess

CHILD = "import sys, os; open(sys.argv[1], 'a').write(str(os.getpid()) + chr(10)); sys.exit(bool(sys.stdin.read()))"


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def pids(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pids"


def test_a_child_that_dies_is_restarted_until_it_is_stopped(file: Path) -> None:
    keeper = ChildProcess("trainer", [sys.executable, "-c", CHILD, str(file)], backoff_s=0.05)
    keeper.start()
    until(lambda: len(pids(file)) == 1)
    os.kill(pids(file)[0], signal.SIGKILL)
    until(lambda: len(pids(file)) == 2)
    keeper.stop()
    keeper.stop()
    assert not any(alive(pid) for pid in pids(file))
    assert keeper.n_starts == 2


def test_a_stop_during_the_wait_before_a_restart_does_not_wait(file: Path) -> None:
    keeper = ChildProcess("trainer", [sys.executable, "-c", "raise SystemExit(3)"], backoff_s=60)
    keeper.start()
    until(lambda: keeper.n_starts == 1)
    time.sleep(0.3)
    began = time.monotonic()
    keeper.stop()
    assert time.monotonic() - began < 30
    assert keeper.n_starts == 1


def test_a_child_that_cannot_be_started_is_tried_again(file: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    keeper = ChildProcess("trainer", [str(program)], backoff_s=0.05)
    keeper.start()
    time.sleep(0.2)
    draft = tmp_path / "draft"
    draft.write_text(f"#!/bin/sh\necho $$ >> {file}\ncat > /dev/null\n")
    draft.chmod(0o755)
    draft.replace(program)
    until(lambda: len(pids(file)) == 1)
    keeper.stop()
    assert not alive(pids(file)[0])


def test_the_child_ends_when_its_parent_is_killed(file: Path) -> None:
    parent = f"""
import sys, time
from service.processes.child import ChildProcess
ChildProcess("trainer", [sys.executable, "-c", {CHILD!r}, {str(file)!r}]).start()
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", parent])
    until(lambda: len(pids(file)) == 1)
    process.kill()
    process.wait()
    until(lambda: not alive(pids(file)[0]))
