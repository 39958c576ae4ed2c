"""A trainer that is killed (SIGKILL) in the middle of a stage: `python dying_trainer.py STAGE`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from service.config import Settings
from service.store import leases
from training import worker

STAGE = sys.argv[1]


class DyingLease(leases.Lease):
    def report(self, progress: Mapping[str, Any]) -> None:
        super().report(progress)
        begun = progress.get("epoch", 0) >= 2 if STAGE == "training" else True
        if progress.get("stage") == STAGE and begun:
            os.kill(os.getpid(), signal.SIGKILL)


leases.Lease = DyingLease  # type: ignore[misc]
worker.work(Settings())
