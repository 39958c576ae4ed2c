"""The trainer as a child process of `serve`: started, started again when it dies, stopped with its parent."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import structlog

log = structlog.get_logger(__name__)

COMMAND = (sys.executable, "-m", "training", "work", "--exit-with-parent")
_BACKOFF_S = (1.0, 60.0)
_HEALTHY_S = 60.0
_STOP_S = 15.0


class TrainerProcess:
    """Keeps one trainer alive from a thread of its own.

    The child's standard input is a pipe that this process holds: however this process ends, the pipe closes and the
    trainer ends too. It has a session of its own: a Ctrl-C in the terminal is for this process, which stops the child.

    Args:
        command: what to run.
        backoff_s: wait before a restart; doubled up to a minute while the child keeps dying young.
    """

    def __init__(self, command: Sequence[str] = COMMAND, backoff_s: float = _BACKOFF_S[0]) -> None:
        self.command = list(command)
        self.backoff_s = backoff_s
        self.n_starts = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="trainer-process", daemon=True)

    def start(self) -> None:
        """Start the trainer, and the thread that keeps it."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the trainer to stop and wait for it; its job is given back and resumed by the next trainer."""
        with self._changing:
            self._stopping.set()
            child = self._child
            if child is not None:
                child.terminate()
        if child is not None:
            try:
                child.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
        if self._thread.is_alive():
            self._thread.join()

    def _keep(self) -> None:
        backoff_s = self.backoff_s
        while True:
            with self._changing:
                if self._stopping.is_set():
                    return
                child = self._child = subprocess.Popen(self.command, stdin=subprocess.PIPE, start_new_session=True)
                self.n_starts += 1
            began = time.monotonic()
            status = child.wait()
            assert child.stdin is not None
            child.stdin.close()
            if self._stopping.is_set():
                return
            if time.monotonic() - began > _HEALTHY_S:
                backoff_s = self.backoff_s
            log.warning("trainer ended, will be started again", status=status, in_s=backoff_s)
            self._stopping.wait(backoff_s)
            backoff_s = min(2 * backoff_s, _BACKOFF_S[1])
