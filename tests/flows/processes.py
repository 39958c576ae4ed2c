"""Real processes of nearbit for the flow tests: API and trainer, started, killed, restarted."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2

T = TypeVar("T")
START_S, JOB_S = 300, 600


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], T], what: str, timeout_s: float = JOB_S) -> T:
    """The first true value of a condition; a failure that names what was waited for after the timeout."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s for {what}")
        time.sleep(0.02)
    return value


class Process:
    """A child process with its output in a file."""

    def __init__(self, command: list[str], folder: Path, name: str, **environment: str) -> None:
        self.log = folder / f"{name}-{time.monotonic_ns()}.log"
        settings = {"NEARBIT_DATA_DIR": str(folder), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **environment}
        with self.log.open("wb") as out:
            self.child = subprocess.Popen(
                [sys.executable, *command],
                env={**os.environ, **settings},
                stdout=out,
                stderr=out,
                stdin=subprocess.PIPE,
            )

    def kill(self) -> None:
        """kill -9."""
        self.child.kill()
        self.wait()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.child.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, at_most_s: float = 60) -> int:
        status = self.child.wait(at_most_s)
        if self.child.stdin:
            self.child.stdin.close()
        return status


class Api(Process):
    """`nearbit serve` on a port of its own, without a trainer and a job runner unless told otherwise."""

    def __init__(self, url: str, folder: Path, *arguments: str, port: int | None = None, **environment: str) -> None:
        self.port = port or free_port()
        without = [f"--no-{child}" for child in ("trainer", "job-runner") if f"--{child}" not in arguments]
        command = ["-m", "service", "serve", "--port", str(self.port), *without, *arguments]
        super().__init__(command, folder, "api", NEARBIT_DATABASE_URL=url, **environment)
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}/v1", timeout=120)
        until(self.ready, f"the API of {self.log}", START_S)

    def ready(self) -> bool:
        if self.child.poll() is not None:
            raise AssertionError(f"the API ended:\n{self.log.read_text()}")
        try:
            return self.http.get(f"http://127.0.0.1:{self.port}/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    def wait(self, at_most_s: float = 60) -> int:
        self.http.close()
        return super().wait(at_most_s)

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        return self._checked(self.http.get(path, params=parameters))

    def post(self, path: str, body: object = None) -> dict[str, Any]:
        return self._checked(self.http.post(path, json={} if body is None else body))

    def put(self, path: str, body: object) -> dict[str, Any]:
        return self._checked(self.http.put(path, json=body))

    @staticmethod
    def _checked(response: httpx2.Response) -> dict[str, Any]:
        assert response.is_success, f"{response.request.method} {response.url}: {response.status_code} {response.text}"
        answer: dict[str, Any] = response.json()
        return answer

    def job(self, id: str) -> dict[str, Any]:
        return self.get(f"/jobs/{id}")

    def finished(self, id: str, timeout_s: float = JOB_S) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            job = self.job(id)
            return job if job["state"] not in ("queued", "running") else None

        return until(ended, f"the end of job {id}", timeout_s)


class Trainer(Process):
    """`python -m training work`; with `dies_in` it kills itself (SIGKILL) in the middle of that stage."""

    def __init__(self, url: str, folder: Path, dies_in: str | None = None, **environment: str) -> None:
        environment = {"NEARBIT_DATABASE_URL": url, "NEARBIT_LEASE_S": "2", **environment}
        if dies_in is None:
            super().__init__(["-m", "training", "work"], folder, "trainer", **environment)
        else:
            script = str(Path(__file__).with_name("dying_trainer.py"))
            super().__init__([script, dies_in], folder, "dying-trainer", **environment)


class Runner(Process):
    """`nearbit work`; with `dies_after` it kills itself (SIGKILL) at the so-manieth report of its progress."""

    def __init__(self, url: str, folder: Path, dies_after: int | None = None, **environment: str) -> None:
        environment = {"NEARBIT_DATABASE_URL": url, "NEARBIT_LEASE_S": "2", **environment}
        if dies_after is None:
            super().__init__(["-m", "service", "work"], folder, "runner", **environment)
        else:
            script = str(Path(__file__).with_name("dying_runner.py"))
            super().__init__([script, str(dies_after)], folder, "dying-runner", **environment)


@contextmanager
def running(*processes: Process) -> Iterator[None]:
    """Ends processes that still run at the end, and shows their logs if the test failed."""
    try:
        yield
    except BaseException:
        for process in processes:
            print(f"--- {process.log.name}\n{process.log.read_text()[-3000:]}")
        raise
    finally:
        for process in processes:
            if process.child.poll() is None:
                process.kill()
            elif process.child.stdin:
                process.child.stdin.close()
