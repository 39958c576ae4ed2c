"""A job runner that is killed (SIGKILL) in the middle of a job: `python dying_runner.py N`, at its N-th progress."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from service.config import Settings
from service.processes import jobs
from service.store import leases

LEFT = [int(sys.argv[1])]


class DyingLease(leases.Lease):
    def report(self, progress: Mapping[str, Any]) -> None:
        super().report(progress)
        LEFT[0] -= 1
        if LEFT[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)


leases.Lease = DyingLease  # type: ignore[misc]
jobs.work(Settings())
