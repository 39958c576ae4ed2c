"""What the service does when it is asked for three times what it can: what it answers, how late, and what it refuses.

    python -m benchmarks.overload [--documents 20000] [--seconds 10] [--json FILE]

Measures the capacity in a closed loop (8 connections, each sends when it has its answer), then sends in an open loop,
at given times whether answers have come or not: at half the capacity, and at three times it. Searches first, then puts
of 20 documents. The times of answers count from the moment a request was due, so a late client hides no late answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.serve import Http, free_port, ingest, process

CONNECTIONS = 8
MOST_CONNECTIONS = 400
DOCUMENTS_OF_PUT = 20
console = Console()
Make = Callable[[], bytes]


@dataclass(frozen=True)
class Figures:
    """Requests a second that were sent, answered and refused, and times of the answers in milliseconds."""

    sent_per_s: float
    answered_per_s: float
    refused_per_s: float
    unsent: int
    p50_ms: float
    p99_ms: float
    refusal_p99_ms: float
    statuses: dict[int, int]


class Connection(asyncio.Protocol):
    """One request at a time; calls `done` with the status of each answer."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.done: Callable[[Connection, int], None] = lambda connection, status: None
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, due: float, done: Callable[[Connection, int], None]) -> None:
        self.due, self.done = due, done
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.received[:end]).lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self.received) >= end + 4 + length:
            self.received.clear()
            self.done(self, int(head[9:12]))


class Run:
    """Sends requests for some seconds and keeps when each was answered."""

    def __init__(self, port: int, make: Make, seconds: float) -> None:
        self.port, self.make, self.seconds = port, make, seconds
        self.times: dict[bool, list[float]] = {True: [], False: []}
        self.statuses: Counter[int] = Counter()
        self.n_sent = self.n_unsent = 0

    async def connections(self, n: int) -> list[Connection]:
        loop = asyncio.get_running_loop()
        return [(await loop.create_connection(Connection, "127.0.0.1", self.port))[1] for _ in range(n)]

    def note(self, connection: Connection, status: int) -> None:
        self.statuses[status] += 1
        self.times[status < 300].append(time.perf_counter() - connection.due)

    async def closed(self, n_connections: int) -> Figures:
        """Each connection sends when it has its answer."""
        began = time.perf_counter()
        ended = asyncio.Event()

        def done(connection: Connection, status: int) -> None:
            self.note(connection, status)
            now = time.perf_counter()
            if now - began > self.seconds:
                ended.set()
            else:
                self.n_sent += 1
                connection.send(self.make(), now, done)

        opened = await self.connections(n_connections)
        for connection in opened:
            self.n_sent += 1
            connection.send(self.make(), time.perf_counter(), done)
        await ended.wait()
        return self.figures(time.perf_counter() - began, opened)

    async def open(self, per_s: float) -> Figures:
        """Requests at random times, so many a second, whether answers have come or not."""
        opened = await self.connections(MOST_CONNECTIONS)
        free = list(opened)

        def done(connection: Connection, status: int) -> None:
            self.note(connection, status)
            free.append(connection)

        draw = random.Random(5)
        began = due = time.perf_counter()
        while due - began < self.seconds:
            due += draw.expovariate(per_s)
            await asyncio.sleep(max(0.0, due - time.perf_counter() - 0.0005))
            if free:
                self.n_sent += 1
                free.pop().send(self.make(), due, done)
            else:
                self.n_unsent += 1
        seconds = time.perf_counter() - began
        await asyncio.sleep(0.5)
        return self.figures(seconds, opened)

    def figures(self, seconds: float, opened: list[Connection]) -> Figures:
        for connection in opened:
            connection.transport.abort()
        answered, refused = sorted(self.times[True]), sorted(self.times[False])
        return Figures(
            self.n_sent / seconds,
            len(answered) / seconds,
            len(refused) / seconds,
            self.n_unsent,
            _quantile(answered, 0.5),
            _quantile(answered, 0.99),
            _quantile(refused, 0.99),
            dict(self.statuses),
        )


def _quantile(sorted_times: list[float], q: float) -> float:
    return sorted_times[int(q * (len(sorted_times) - 1))] * 1e3 if sorted_times else float("nan")


def measure(port: int, make: Make, seconds: float) -> dict[str, Figures]:
    def run(loop: Callable[[Run], asyncio.Future[Figures]]) -> Figures:
        return uvloop.run(loop(Run(port, make, seconds)))  # type: ignore[arg-type]

    capacity = run(lambda r: r.closed(CONNECTIONS))  # type: ignore[arg-type, return-value]
    per_s = capacity.answered_per_s
    return {
        "one connection": run(lambda r: r.closed(1)),  # type: ignore[arg-type, return-value]
        "capacity, closed": capacity,
        "half, open": run(lambda r: r.open(per_s / 2)),  # type: ignore[arg-type, return-value]
        "three times, open": run(lambda r: r.open(per_s * 3)),  # type: ignore[arg-type, return-value]
    }


def request(method: str, path: str, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def show(name: str, figures: dict[str, Figures]) -> None:
    table = Table("", "sent/s", "answered/s", "refused/s", "p50 ms", "p99 ms", "refusals p99 ms", "unsent", title=name)
    for of, one in figures.items():
        numbers = (one.sent_per_s, one.answered_per_s, one.refused_per_s, one.p50_ms, one.p99_ms, one.refusal_p99_ms)
        table.add_row(of, *(f"{number:,.1f}" for number in numbers), f"{one.unsent:,}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    draw = random.Random(3)
    words = [
        f"{a}{b}{c}" for a in "bdfklmnprst" for b in "aeiou" for c in ("n", "r", "st", "lo", "mi", "ka", "sen", "tor")
    ]

    def text(n: int) -> str:
        return " ".join(draw.choices(words, k=n))

    def search() -> bytes:
        return request("GET", f"/v1/collections/texts/similar?k=10&q={quote(text(5))}")

    def put() -> bytes:
        documents = [{"text": text(40)} for _ in range(DOCUMENTS_OF_PUT)]
        return request("POST", "/v1/collections/puts/documents", {"documents": documents})

    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = [sys.executable, "-m", "service", "serve", "--port", str(port), "--no-trainer", "--no-job-runner"]
        settings = {"NEARBIT_DATABASE_URL": f"sqlite:///{folder}/nearbit.db", "NEARBIT_DATA_DIR": folder}
        with process(command, port, "/healthz", **settings):
            for collection in ("texts", "puts"):
                Http(port).call("PUT", f"/v1/collections/{collection}")
            ingest(port, [{"text": text(40)} for _ in range(options.documents)], "texts", 2)
            while Http(port).call("GET", "/readyz")[0] != 200:
                time.sleep(0.2)
            time.sleep(2)
            found = {"searches": measure(port, search, options.seconds), "puts": measure(port, put, options.seconds)}
    for name, figures in found.items():
        show(name, figures)
    if options.json is not None:
        options.json.write_text(json.dumps({k: {n: asdict(f) for n, f in v.items()} for k, v in found.items()}))


if __name__ == "__main__":
    main()
