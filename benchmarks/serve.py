"""How fast nearbit serves over HTTP: ingest, query latency and throughput, beside a bare FastAPI endpoint.

    python benchmarks/serve.py [--corpus docs.jsonl] [--untrained] [--json FILE]

Starts the service on a fresh SQLite file and a bare FastAPI app that answers "ok", each one process, and drives both
over one keep-alive connection with the same client, in turns, so that the ratios hold on a noisy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from rich.console import Console
from rich.table import Table

BATCH = 1_000
ROUNDS, QUERIES_PER_ROUND = 10, 200
console = Console()

bare = FastAPI()


@bare.get("/ok")
async def ok() -> dict[str, str]:
    return {"status": "ok"}


class Http:
    """A keep-alive HTTP/1.1 connection that costs the measured server as little as possible."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        return self.send(method, path, "application/json", b"" if body is None else json.dumps(body).encode())

    def send(self, method: str, path: str, media_type: str, content: bytes) -> tuple[int, bytes]:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media_type}\r\n"
        self.socket.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        received = self.socket.recv(1 << 20)
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self.socket.recv(1 << 20)
        headers = received[:end].lower()
        length_at = headers.find(b"content-length:")
        length = int(headers[length_at + 15 :].split(b"\r\n", 1)[0]) if length_at >= 0 else 0
        body_bytes = bytearray(received[end + 4 :])
        while len(body_bytes) < length:
            body_bytes += self.socket.recv(1 << 20)
        return int(headers[9:12]), bytes(body_bytes)

    def get(self, path: str) -> bytes:
        status, body = self.call("GET", path)
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {body[:300]!r}")
        return body


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: list[str], port: int, path: str, **environment: str) -> Iterator[int]:
    """The id of a server process that answers on `path`, ended at the end."""
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    Http(port).get(path)
                    break
                except (OSError, RuntimeError):
                    if child.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise SystemExit(f"{command} did not start:\n{log.read().decode()}") from None
                    time.sleep(0.05)
            yield child.pid
        finally:
            child.terminate()
            child.wait(30)


def read_corpus(path: Path | None, folder: Path) -> list[dict[str, Any]]:
    """Documents of a JSONL file; without one, the docstrings of this machine."""
    if path is None:
        path = folder / "docstrings.jsonl"
        console.print("collecting docstrings ...")
        subprocess.run(
            [sys.executable, "-m", "service.cli.demo.corpus", str(path)], check=True, stderr=subprocess.DEVNULL
        )
    with path.open() as lines:
        return [json.loads(line) for line in lines]


def ingest(port: int, documents: list[dict[str, Any]], collection: str, n_connections: int) -> float:
    """Documents acknowledged per second, in batches of 1,000 over some connections."""
    batches = [documents[i : i + BATCH] for i in range(0, len(documents), BATCH)]
    failed: list[bytes] = []

    def send() -> None:
        connection = Http(port)
        while batches and not failed:
            try:
                batch = batches.pop()
            except IndexError:
                return
            status, body = connection.call("POST", f"/v1/collections/{collection}/documents", {"documents": batch})
            if status not in (200, 201):
                failed.append(body)

    threads = [threading.Thread(target=send) for _ in range(n_connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(failed[0][:500])
    return len(documents) / (time.perf_counter() - began)


def retrain(port: int, collection: str) -> float:
    """Seconds from the request to the promotion."""
    connection = Http(port)
    began = time.perf_counter()
    _, body = connection.call("POST", f"/v1/collections/{collection}/retrain", {})
    job = json.loads(body)
    while job["state"] in ("queued", "running"):
        time.sleep(0.5)
        job = json.loads(connection.get(f"/v1/jobs/{job['id']}"))
    if job["state"] != "succeeded":
        raise RuntimeError(job)
    return time.perf_counter() - began


def latencies(port: int, paths: Callable[[], str], n: int) -> list[float]:
    """Microseconds of each of n calls on one connection."""
    connection = Http(port)
    connection.get(paths())
    out = []
    for _ in range(n):
        path = paths()
        began = time.perf_counter()
        connection.get(path)
        out.append((time.perf_counter() - began) * 1e6)
    return out


def throughput(port: int, paths: Callable[[], str], n_connections: int = 8, seconds: float = 3.0) -> float:
    """Calls per second over several connections, each waiting for its answer."""
    counts = [0] * n_connections
    stop = time.perf_counter() + seconds

    def call(i: int) -> None:
        connection = Http(port)
        while time.perf_counter() < stop:
            connection.get(paths())
            counts[i] += 1

    threads = [threading.Thread(target=call, args=(i,)) for i in range(n_connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    rng = random.Random(7)
    port, bare_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents = read_corpus(arguments.corpus, folder)
        environment = {
            "NEARBIT_DATABASE_URL": arguments.database_url or f"sqlite:///{folder}/nearbit.db",
            "NEARBIT_DATA_DIR": name,
            "NEARBIT_LOG_LEVEL": "warning",
        }
        serve = [sys.executable, "-m", "service", "serve", "--port", str(port)]
        ok = [sys.executable, "-m", "uvicorn", "benchmarks.serve:bare", "--port", str(bare_port), "--no-access-log"]
        with process(serve, port, "/healthz", **environment), process(ok, bare_port, "/ok"):
            for collection in ("one", "two"):
                Http(port).call("PUT", f"/v1/collections/{collection}", {"n_bits": arguments.n_bits})
            figures: dict[str, Any] = {"documents": len(documents), "n_bits": arguments.n_bits}
            figures["ingest_per_s"] = {"1 connection": ingest(port, documents, "one", 1)}
            figures["ingest_per_s"]["4 connections"] = ingest(port, documents, "two", 4)
            Http(port).call("DELETE", "/v1/collections/two")
            if not arguments.untrained:
                figures["retrain_s"] = retrain(port, "one")
            figures |= queries(port, bare_port, documents, rng)
    return figures


def queries(port: int, bare_port: int, documents: list[dict[str, Any]], rng: random.Random) -> dict[str, Any]:
    similar = "/v1/collections/one/similar?k=10&q="
    search = "/v1/collections/one/search?k=10&q="
    first_lines = [d["text"].split("\n", 1)[0][:120] for d in documents]
    kinds: dict[str, tuple[int, Callable[[], str]]] = {
        "bare endpoint": (bare_port, lambda: "/ok"),
        "by text": (port, lambda: similar + quote(rng.choice(first_lines))),
        "by id": (port, lambda: f"/v1/collections/one/documents/{quote(rng.choice(documents)['id'], safe='')}/similar"),
        "by text, ids only": (port, lambda: similar + quote(rng.choice(first_lines)) + "&fields=id"),
        "search, a line": (port, lambda: search + quote(rng.choice(first_lines))),
        "search, three words": (port, lambda: search + quote(" ".join(rng.choice(first_lines).split()[:3]))),
        "search, words alone": (port, lambda: search + quote(rng.choice(first_lines)) + "&rank=words"),
    }
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    medians: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind, (at, paths) in kinds.items():
            round_times = latencies(at, paths, QUERIES_PER_ROUND)
            times[kind] += round_times
            medians[kind].append(median(round_times))
    per_second = {kind: throughput(at, paths) for kind, (at, paths) in kinds.items()}
    return {
        "queries": {
            kind: {
                "p50_us": median(times[kind]),
                "p99_us": quantiles(times[kind], n=100)[98],
                "p50_to_bare": median(a / b for a, b in zip(medians[kind], medians["bare endpoint"], strict=True)),
                "per_s": per_second[kind],
                "per_s_to_bare": per_second[kind] / per_second["bare endpoint"],
            }
            for kind in kinds
        }
    }


def show(figures: dict[str, Any]) -> None:
    console.print(f"{figures['documents']:,} documents, {figures['n_bits']} bits")
    for how, rate in figures["ingest_per_s"].items():
        console.print(f"ingest, {how}: {rate:,.0f} documents/s")
    if "retrain_s" in figures:
        console.print(f"retrain: {figures['retrain_s']:.1f} s from request to promotion")
    table = Table("query", "p50 us", "p99 us", "p50 / bare", "per s (8 connections)", "per s / bare")
    for kind, q in figures["queries"].items():
        cells = (f"{q['p50_us']:.0f}", f"{q['p99_us']:.0f}", f"{q['p50_to_bare']:.1f}", f"{q['per_s']:,.0f}")
        table.add_row(kind, *cells, f"{q['per_s_to_bare']:.2f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--corpus", type=Path, help="JSONL of {id, text, metadata}; default: docstrings of this machine"
    )
    parser.add_argument("--n-bits", type=int, default=64)
    parser.add_argument("--untrained", action="store_true", help="measure on the untrained space")
    parser.add_argument("--database-url", help="default: a fresh SQLite file")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    figures = measure(arguments)
    show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
