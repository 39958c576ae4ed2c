"""Faults on purpose, and what they cost.

    python -m benchmarks.chaos --kills 250 [--database sqlite|postgresql] [--workers 4] [--results chaos.json]
    python -m benchmarks.chaos --swaps 100      # retrains and rollbacks under traffic
    python -m benchmarks.chaos --outages 20     # PostgreSQL killed and started again, under writes
    python -m benchmarks.chaos --disk-full      # a SQLite file on a full disk, as root: it mounts one of 24 MB

`--kills`: the whole service is killed with SIGKILL under mixed writes, or one of its processes in a third of the
rounds; after each every document is compared with what was acknowledged. `--results` names a file that keeps the
counts: a run that was interrupted goes on where it stopped. `--seconds` ends a run early.

The exit status is 0 only if nothing was lost, kept by halves or answered with an unexpected error.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.chaos.installation import Service, migrate, postgres
from benchmarks.chaos.writers import COLLECTION, Reader, Writer
from tests.flows.processes import until

console = Console()
N_WRITERS = 3
_RETRAIN_EVERY = 12


class Results:
    """Counts of all runs so far, kept in a file."""

    def __init__(self, file: Path | None, key: str) -> None:
        self._file, self._key = file, key
        self._all: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file and file.exists() else {}
        self.counts: dict[str, Any] = self._all.setdefault(key, {})

    def add(self, **counts: int | float) -> None:
        for name, n in counts.items():
            self.counts[name] = self.counts.get(name, 0) + n
        self._keep()

    def note(self, name: str, said: list[str]) -> None:
        for one in said:
            console.print(f"[red]{name}: {one}", highlight=False)
        self.counts.setdefault(name, []).extend(said[:20])
        self._keep()

    def _keep(self) -> None:
        if self._file is not None:
            self._file.write_text(json.dumps(self._all, indent=1))

    @property
    def is_clean(self) -> bool:
        return not any(self.counts.get(name) for name in ("lost", "by_halves", "unexpected", "doctor"))


@contextmanager
def working(service: Service, writers: list[Writer], readers: list[Reader]) -> Iterator[None]:
    """Writes and queries until the block ends; whoever gets no answer stops by itself."""
    stopping = threading.Event()
    threads = [threading.Thread(target=one.run, args=(service.client, stopping)) for one in (*writers, *readers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def check(service: Service, writers: list[Writer], results: Results) -> None:
    with service.client() as http:
        for writer in writers:
            lost, halves = writer.check(http)
            results.note("lost", lost)
            results.note("by_halves", halves)


def collect(results: Results, *workers: Writer | Reader) -> None:
    for one in workers:
        kind = "writes" if isinstance(one, Writer) else "queries"
        results.add(**{f"{kind}_acknowledged": one.counts.acknowledged, f"{kind}_in_doubt": one.counts.in_doubt})
        results.add(**{f"{kind}_turned_away": one.counts.turned_away})
        results.note("unexpected", one.counts.unexpected)
        one.counts = type(one.counts)()


def doctor(url: str, folder: Path, results: Results) -> None:
    """What `nearbit doctor` finds at the end."""
    command = [sys.executable, "-m", "service", "doctor", "--database-url", url]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    if done.returncode:
        results.note("doctor", [line for line in (done.stdout + done.stderr).splitlines() if "fault" in line])


def kills(n: int, url: str, folder: Path, workers: int, results: Results, deadline: float) -> None:
    rng = random.Random(time.time_ns())
    service = Service(url, folder, workers)
    writers = [Writer(f"w{i}", rng.randrange(1 << 30)) for i in range(N_WRITERS)]
    readers = [Reader(rng.randrange(1 << 30))]
    service.start()
    with service.client() as http:
        http.put(COLLECTION, json={"n_bits": 64}).raise_for_status()
    while results.counts.get("kills", 0) < n and time.monotonic() < deadline:
        n_before = results.counts.get("kills", 0)
        if n_before % _RETRAIN_EVERY == _RETRAIN_EVERY - 1:
            with service.client() as http:
                http.post(f"{COLLECTION}/retrain", json={"epochs": 2, "force": True})
        with working(service, writers, readers):
            time.sleep(rng.uniform(0.2, 1.5))
            killed = service.kill_one(rng) if rng.random() < 1 / 3 else None
            if killed is None:
                service.kill()
        collect(results, *writers, *readers)
        if killed is None:
            results.add(seconds_until_ready=service.start(), starts=1)
        else:
            until(service.is_ready, "the others to answer")
        check(service, writers, results)
        results.add(kills=1, **{f"kills_of_{(killed or 'everything').replace(' ', '_')}": 1})
        if (n_before + 1) % 10 == 0:
            console.print(f"{n_before + 1} kills", results.counts)
    service.stop()
    doctor(url, folder, results)


def swaps(n: int, url: str, folder: Path, workers: int, results: Results, deadline: float) -> None:
    """Retrains, each promoted under traffic, and a rollback after every third."""
    from tests.flows.corpus import documents
    from tests.flows.traffic import Traffic

    service = Service(url, folder, workers)
    service.start()
    with service.client() as http:
        http.put("/collections/texts", json={"n_bits": 32}).raise_for_status()
        http.post("/collections/texts/documents", json={"documents": documents(400)}).raise_for_status()
        while results.counts.get("swaps", 0) < n and time.monotonic() < deadline:
            with Traffic([service] * 3, "texts", [one["text"] for one in documents(40, 9_000)]) as traffic:  # type: ignore[list-item]
                job = (
                    http.post("/collections/texts/retrain", json={"epochs": 2, "force": True}).raise_for_status().json()
                )
                state = _end_of(http, job["id"])
                if results.counts.get("swaps", 0) % 3 == 2:
                    http.post("/collections/texts/rollback").raise_for_status()
                time.sleep(0.3)
            results.note("unexpected", [*traffic.faults, *([] if state == "succeeded" else [f"a retrain {state}"])])
            results.add(swaps=1, queries=traffic.n_answers, spaces_that_answered=len(traffic.versions))
            console.print(results.counts)
    service.stop()
    doctor(url, folder, results)


def _end_of(http: Any, id: str) -> str:
    """The state in which a job ends."""
    while (state := str(http.get(f"/jobs/{id}").raise_for_status().json()["state"])) in ("queued", "running"):
        time.sleep(0.05)
    return state


def outages(n: int, server: Any, folder: Path, workers: int, results: Results, deadline: float) -> None:
    service = Service(server.get_uri(), folder, workers)
    writers, readers = [Writer(f"w{i}", i) for i in range(N_WRITERS)], [Reader(9)]
    service.start()
    with service.client() as http:
        http.put(COLLECTION, json={"n_bits": 64}).raise_for_status()
    while results.counts.get("outages", 0) < n and time.monotonic() < deadline:
        with working(service, writers, readers):
            time.sleep(0.5)
            server.stop()
            time.sleep(0.5)
            server.start()
            until(service.is_ready, "the service to be ready again")
            time.sleep(0.3)
        collect(results, *writers, *readers)
        check(service, writers, results)
        results.add(outages=1)
        console.print(results.counts)
    service.stop()


def disk_full(folder: Path, workers: int, results: Results) -> None:
    """A disk of 24 MB that fills up under writes, and has space again."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24M", "tmpfs", str(folder)], check=True)
    try:
        url = f"sqlite:///{folder}/nearbit.db"
        service = Service(url, folder, workers)
        writers = [Writer(f"w{i}", i) for i in range(N_WRITERS)]
        service.start()
        with service.client() as http:
            http.put(COLLECTION, json={"n_bits": 64}).raise_for_status()
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(max(0, shutil.disk_usage(folder).free - (2 << 20))))
        with working(service, writers, []):
            until(lambda: any(one.counts.turned_away for one in writers), "a write that is turned away")
            time.sleep(1)
            results.add(turned_away_while_full=sum(one.counts.turned_away for one in writers))
            ballast.unlink()
            before = sum(one.counts.acknowledged for one in writers)
            until(lambda: sum(one.counts.acknowledged for one in writers) > before + 20, "writes after there is space")
        collect(results, *writers)
        check(service, writers, results)
        service.stop()
        doctor(url, folder, results)
        results.add(disks_filled=1)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--swaps", type=int, default=0)
    parser.add_argument("--outages", type=int, default=0)
    parser.add_argument("--disk-full", action="store_true")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--seconds", type=float, default=1e9)
    options = parser.parse_args()
    deadline = time.monotonic() + options.seconds
    clean = True
    with tempfile.TemporaryDirectory(prefix="nbc-") as short:
        folder = Path(short)
        data = folder / "data"
        data.mkdir()

        def results_of(what: str) -> Results:
            return Results(options.results, f"{what}, {options.database}, {options.workers} workers")

        def run(url: str, server: Any) -> bool:
            clean = True
            for what, n, scenario in (("kills", options.kills, kills), ("swaps", options.swaps, swaps)):
                if n:
                    results = results_of(what)
                    scenario(n, url, data, options.workers, results, deadline)
                    clean &= _shown(what, results)
            if options.outages:
                results = results_of("outages")
                outages(options.outages, server, data, options.workers, results, deadline)
                clean &= _shown("outages", results)
            return clean

        if options.database == "postgresql" or options.outages:
            options.database = "postgresql"
            with postgres(folder) as server:
                migrate(server.get_uri())
                clean &= run(server.get_uri(), server)
        else:
            clean &= run(f"sqlite:///{data}/nearbit.db", None)
        if options.disk_full:
            full = folder / "full"
            full.mkdir()
            results = results_of("disk full")
            disk_full(full, options.workers, results)
            clean &= _shown("disk full", results)
    raise SystemExit(0 if clean else 1)


def _shown(what: str, results: Results) -> bool:
    said = "nothing lost" if results.is_clean else "FAULTS"
    console.print(f"{what}: {said}; {platform.processor() or platform.machine()}", results.counts, highlight=False)
    return results.is_clean


if __name__ == "__main__":
    main()
