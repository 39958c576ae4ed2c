"""Workers as child processes of `serve`: started, started again when they die, stopped with their parent."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import structlog

log = structlog.get_logger(__name__)

TRAINER = (sys.executable, "-m", "training", "work", "--exit-with-parent")
JOB_RUNNER = (sys.executable, "-m", "service", "work", "--exit-with-parent")
_BACKOFF_S = (1.0, 60.0)
_HEALTHY_S = 60.0
_STOP_S = 15.0


class ChildProcess:
    """Keeps one child process alive from a thread of its own.

    The child's standard input is a pipe that this process holds: however this process ends, the pipe closes and the
    child ends too. It has a session of its own: a Ctrl-C in the terminal is for this process, which stops the child.

    Args:
        name: what the log calls it.
        command: what to run.
        backoff_s: wait before a restart; doubled up to a minute while the child keeps dying young.
    """

    def __init__(self, name: str, command: Sequence[str], backoff_s: float = _BACKOFF_S[0]) -> None:
        self.name = name
        self.command = list(command)
        self.backoff_s = backoff_s
        self.n_starts = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"{name}-process", daemon=True)

    def start(self) -> None:
        """Start the child, and the thread that keeps it."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the child to stop and wait for it; its job is given back and resumed by the next worker."""
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
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                status = self._run()
            except OSError as error:  # no memory or no handle for a process now; there may be one later
                log.error("cannot be started", process=self.name, error=str(error), in_s=backoff_s)
            else:
                if status is None or self._stopping.is_set():
                    return
                if time.monotonic() - began > _HEALTHY_S:
                    backoff_s = self.backoff_s
                log.warning("ended, will be started again", process=self.name, status=status, in_s=backoff_s)
            self._stopping.wait(backoff_s)
            backoff_s = min(2 * backoff_s, _BACKOFF_S[1])

    def _run(self) -> int | None:
        """Start the child and wait for its end; the exit status, None if it is not wanted any more."""
        with self._changing:
            if self._stopping.is_set():
                return None
            child = self._child = subprocess.Popen(self.command, stdin=subprocess.PIPE, start_new_session=True)
            self.n_starts += 1
        status = child.wait()
        assert child.stdin is not None
        child.stdin.close()
        return status
