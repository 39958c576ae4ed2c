"""How long `nearbit serve` takes to be ready, and what it answers while its loops are compiled.

    python -m benchmarks.start [--corpus docs.jsonl]... [--starts 5] [--packages FOLDER]...

Starts the service on a SQLite file that holds the documents, with snapshots: with what is compiled in the cache, then
once with an empty cache, where requests go on until the compiled loops are used. `--packages` names folders with other
versions of the code (PYTHONPATH), which are started in turns with this one: a busy machine allows only that comparison.
So are files of several corpora, to see what their size costs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.serve import Http, free_port, ingest, read_corpus

QUERY = "/v1/collections/docs/search?q=temporary+directory&k=10"
PAUSE_S = 0.02
SNAPSHOT_FROM = 5_000
"""Documents from which the service writes a snapshot of their words."""
console = Console()


@contextmanager
def serving(folder: Path, packages: Path | None = None, **environment: str) -> Iterator[tuple[Http, float, float]]:
    """A service on the folder: a connection, seconds until it was ready, and the CPU seconds of the API process."""
    port = free_port()
    environment |= {"NEARBIT_DATABASE_URL": f"sqlite:///{folder}/nearbit.db", "NEARBIT_DATA_DIR": str(folder)}
    path = [str(packages or Path.cwd()), os.environ.get("PYTHONPATH", "")]
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "service", "serve", "--port", str(port)],
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(path)},
        cwd=packages,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                connection = Http(port)
                connection.get("/readyz")
                break
            except (OSError, RuntimeError):
                if child.poll() is not None:
                    raise SystemExit("the service did not start") from None
                time.sleep(PAUSE_S)
        took_s = time.perf_counter() - began
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        yield connection, took_s, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    finally:
        child.terminate()
        child.wait(60)


def fill(folder: Path, corpus: Path | None) -> None:
    """Put the documents into the database of a new folder; wait for the snapshot of their words, if one is due."""
    folder.mkdir()
    with serving(folder) as (connection, _, _):
        connection.call("PUT", "/v1/collections/docs", {"n_bits": 64})
        documents = read_corpus(corpus, folder)
        ingest(connection.socket.getpeername()[1], documents, "docs", 2)
        while len(documents) >= SNAPSHOT_FROM and not list((folder / "snapshots").rglob("*.words")):
            time.sleep(0.2)


def while_compiling(connection: Http) -> tuple[list[float], list[float]]:
    """Seconds of requests for what is similar to a document: until the compiled loops are used, and as many after."""
    ids = [match["id"] for match in json.loads(connection.get(QUERY))["matches"]]
    times: list[float] = []

    def ask() -> None:
        began = time.perf_counter()
        connection.get(f"/v1/collections/docs/documents/{ids[len(times) % len(ids)]}/similar?k=10")
        times.append(time.perf_counter() - began)

    while "kernel" in json.loads(connection.get("/readyz")).get("notes", {}):
        ask()
        time.sleep(PAUSE_S)
    meanwhile, times = times, []
    for _ in meanwhile:
        ask()
        time.sleep(PAUSE_S)
    return meanwhile, times


def in_ms(seconds: list[float]) -> str:
    """The median, the 99th percentile and the greatest, in milliseconds."""
    ordered = sorted(seconds)
    figures = (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
    return " / ".join(f"{1e3 * figure:.1f}" for figure in figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, action="append")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--packages", type=Path, action="append", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folders = {str(corpus or "docstrings"): corpus for corpus in options.corpus or [None]}
        folder = Path(name)
        for number, corpus in enumerate(folders.values()):
            fill(folder / str(number), corpus)
        cases = list(product(enumerate(folders), [None, *options.packages]))
        figures: list[list[tuple[float, float, float]]] = [[] for _ in cases]
        for _, (case, ((number, _), version)) in product(range(options.starts), enumerate(cases)):
            with serving(folder / str(number), version) as (connection, ready_s, cpu_s):
                began = time.perf_counter()
                connection.get(QUERY)
                figures[case].append((ready_s, ready_s + time.perf_counter() - began, cpu_s))
        columns = ("documents", "code", "ready, s", "first text answered, s", "CPU until ready, s")
        table = Table(*columns, title="least of the starts")
        for ((_, source), version), rows in zip(cases, figures, strict=True):
            table.add_row(source, str(version or "this"), *(f"{min(column):.2f}" for column in zip(*rows, strict=True)))
        console.print(table)
        folder /= "0"
        with serving(folder, NUMBA_CACHE_DIR=str(folder / "cache")) as (connection, ready_s, _):
            console.print(f"nothing compiled: ready after {ready_s:.2f} s; similar by id, p50 / p99 / greatest in ms:")
            began = time.perf_counter()
            meanwhile, afterwards = while_compiling(connection)
            console.print(f"numpy, for some of {time.perf_counter() - began:.0f} s: {in_ms(meanwhile)}")
            console.print(f"compiled loops: {in_ms(afterwards)}")


if __name__ == "__main__":
    main()
