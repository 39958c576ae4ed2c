"""Short forms of benchmarks/chaos and benchmarks/fuzz.py; docs/operations.md has the figures of long runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> str:
    """What a module of the benchmarks prints; it must find no fault."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=800, env={**os.environ}
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-3_000:]
    return done.stdout


@pytest.mark.parametrize(("database", "workers"), [("sqlite", 1), ("postgresql", 2)])
def test_no_acknowledged_write_is_lost_when_everything_is_killed(database: str, workers: int) -> None:
    said = run("benchmarks.chaos", "--kills", "4", "--database", database, "--workers", str(workers), "--seconds", "45")
    assert "nothing lost" in said


def test_no_acknowledged_write_is_lost_when_the_database_goes_away() -> None:
    assert "nothing lost" in run("benchmarks.chaos", "--outages", "1", "--seconds", "60")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_loses_nothing_and_writes_go_on_when_there_is_space() -> None:
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True)
    if probe.returncode:
        pytest.skip("this machine does not let root mount anything")
    assert "nothing lost" in run("benchmarks.chaos", "--disk-full")


def test_requests_drawn_at_random_get_no_internal_error() -> None:
    said = run("benchmarks.fuzz", "--requests", "5000", "--seconds", "25")
    assert " 0 faults" in said
