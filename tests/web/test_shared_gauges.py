from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from service.web.shared_gauges import Sample, SharedGauges


def gauge(value: float) -> list[Sample]:
    return [("nearbit_replica_codes", "Codes in the replica.", {"collection": "texts"}, value)]


def test_whoever_is_asked_answers_with_the_gauges_of_all_that_live(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    parent = os.getppid()
    for pid, value in ((parent, 2.0), (ended.pid, 3.0)):
        SharedGauges(lambda value=value: gauge(value), tmp_path, pid).write()  # type: ignore[misc]
    own = SharedGauges(lambda: gauge(1.0), tmp_path)
    own.write()
    found = {labels["pid"]: value for _, _, labels, value in own.samples()}
    assert found == {str(os.getpid()): 1.0, str(parent): 2.0}
    assert all(labels["collection"] == "texts" for _, _, labels, _ in own.samples())


def test_a_file_that_is_no_longer_whole_is_left_out(tmp_path: Path) -> None:
    (tmp_path / f"gauges-{os.getppid()}.json").write_text("[[")
    assert len(SharedGauges(lambda: gauge(1.0), tmp_path).samples()) == 1


def test_a_single_process_writes_nothing(tmp_path: Path) -> None:
    SharedGauges(lambda: gauge(1.0), None).write()
    assert list(tmp_path.iterdir()) == []
