import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="asks the OpenMP runtime that comes with torch on Linux")
def test_threads_of_a_training_that_wait_for_one_another_leave_the_cores_to_others():
    unset = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    asked = subprocess.run(
        [sys.executable, "-c", "import training.worker, torch"],
        env=unset | {"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        check=True,
    )
    turns = {line.partition("=")[2].strip() for line in asked.stderr.splitlines() if "GOMP_SPINCOUNT" in line}
    assert turns <= {"'0'"}, "turns of a wait that spins"
