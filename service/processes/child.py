"""Workers as child processes of `serve`: started, restarted when they die, stopped with their parent."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

import structlog

log = structlog.get_logger(__name__)

TRAINER = (sys.executable, "-m", "training.worker")
JOB_RUNNER = (sys.executable, "-m", "service", "work", "--exit-with-parent")
_BACKOFF_S = (1.0, 60.0)
_HEALTHY_S = 60.0
_STOP_S = 15.0


class ChildProcess:
    """Keeps one child process running, from a thread of its own.

    The child's standard input is a pipe that this process holds open: however this process ends, the pipe closes and
    the child ends too. The child has its own session, so a Ctrl-C in the terminal reaches this process only, which then
    stops the child.

    Args:
        name: of the child in the log.
        command: what to run.
        backoff_s: wait before a restart; doubled up to a minute as long as the child dies soon after its start.
        environment: of the child; None: that of this process.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        backoff_s: float = _BACKOFF_S[0],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._environment = environment
        self.command = list(command)
        self.backoff_s = backoff_s
        self.n_starts = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_running, name=f"{name}-process", daemon=True)

    def start(self) -> None:
        """Start the thread that keeps the child running."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the child to stop, and wait for it; it gives its job back, and the next worker resumes it."""
        with self._lock:
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

    def _keep_running(self) -> None:
        backoff_s = self.backoff_s
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                status = self._run()
            except OSError as error:  # for example no memory or no handle for a process; later there may be
                log.error("process cannot be started", process=self.name, error=str(error), retry_in_s=backoff_s)
            else:
                if status is None or self._stopping.is_set():
                    return
                if time.monotonic() - began > _HEALTHY_S:
                    backoff_s = self.backoff_s
                log.warning("process ended, will be restarted", process=self.name, status=status, retry_in_s=backoff_s)
            self._stopping.wait(backoff_s)
            backoff_s = min(2 * backoff_s, _BACKOFF_S[1])

    def _run(self) -> int | None:
        """Start the child and wait for its end; the exit status, or None if the child is to be stopped."""
        with self._lock:
            if self._stopping.is_set():
                return None
            child = self._child = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, start_new_session=True, env=self._environment
            )
            self.n_starts += 1
        status = child.wait()
        assert child.stdin is not None
        child.stdin.close()
        return status
