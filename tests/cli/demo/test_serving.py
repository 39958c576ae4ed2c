from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.cli.demo.serving import _reachable
from tests.flows.processes import START_S, free_port


def test_a_service_that_listens_everywhere_is_reached_on_this_machine() -> None:
    hosts = ["127.0.0.1", "localhost", "0.0.0.0", "::", "::1"]
    assert [_reachable(host) for host in hosts] == ["127.0.0.1", "localhost", "127.0.0.1", "[::1]", "[::1]"]


LOST = """
import os, signal, time
from service.cli.demo.serving import serve_until_interrupted
from service.config import Settings

class Interrupted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)

def demonstrate(served):
    Interrupted()
    print("went on")

serve_until_interrupted(Settings(), demonstrate)
print("ended")
"""


@pytest.mark.long
def test_an_interrupt_that_is_lost_in_a_destructor_ends_the_demonstration_too(tmp_path: Path) -> None:
    settings = {"PORT": str(free_port()), "DATABASE_URL": f"sqlite:///{tmp_path}/demo.db", "DATA_DIR": str(tmp_path)}
    environment = os.environ | {f"NEARBIT_{name}": value for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-c", LOST], env=environment, stdout=subprocess.PIPE, text=True, timeout=START_S
    )
    assert (done.stdout, done.returncode) == ("went on\nended\n", 0)
