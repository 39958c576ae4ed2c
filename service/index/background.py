"""Background: work that a process does beside serving, and what becomes of it when the process ends."""

from __future__ import annotations

import atexit
import subprocess
import threading
from collections.abc import Callable, Sequence

import structlog

log = structlog.get_logger(__name__)

_ENDS_WITHIN_S = 5.0
"""How long the end of a process waits for each piece of work that runs."""


class Background:
    """One thing after another in threads of its own, and in child processes that end when this process does.

    Attributes:
        is_stopping: the process ends; work that has more to do should leave it.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self._turn = threading.Lock()
        self._child_lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._threads: list[threading.Thread] = []

    def start(self, work: Callable[[], None]) -> None:
        """Do some work when all that was started before is done."""

        def in_turn() -> None:
            with self._turn:
                if not self.is_stopping:
                    work()

        thread = threading.Thread(target=in_turn, name="loops", daemon=True)
        if not self._threads:
            atexit.register(self._stop)
        self._threads.append(thread)
        thread.start()

    def run(self, command: Sequence[str]) -> None:
        """Run a child process that ends when its standard input is closed, and wait for it."""
        with self._child_lock:
            if self.is_stopping:
                return
            try:
                child = self._child = subprocess.Popen(  # in a session of its own: a Ctrl-C is for this process
                    command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
                )
            except OSError as error:
                log.warning("no process can be started to compile the loops", error=str(error))
                return
        with child:
            child.wait()

    def _stop(self) -> None:
        """End what runs: at the end of a process, no thread may be within the compiler."""
        with self._child_lock:
            self.is_stopping = True
            if self._child is not None:
                self._child.kill()
        for thread in self._threads:
            thread.join(_ENDS_WITHIN_S)
