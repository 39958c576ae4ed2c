"""How many vectors a second the service takes in over HTTP, by the form of the body, beside the same put without HTTP.

    python benchmarks/ingest.py [--dims 384] [--batches 10] [--rounds 3] [--database-url URL] [--json FILE]

Starts the service on a fresh SQLite file, or on a migrated database, and puts batches of 1,000 new vectors into one
collection, in each form in turn, so that the ratios hold on a noisy machine. Times are those of the fastest batch of a
form and of its fastest round; processor time (Linux) is that of the whole service: its index and its words follow
meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.serve import Http, free_port, process
from service.cli.sources.attached import Vectors, multipart_body
from service.config import Settings
from service.hashing.given import GivenContent
from service.hashing.vectors import VectorSettings
from service.services import Services
from service.store.documents import NewDocument

BATCH = 1_000
COLLECTION = "/v1/collections/vectors"
console = Console()

Batch = tuple[list[str], NDArray[np.float32]]
Body = tuple[str, bytes]


def as_lists(ids: list[str], vectors: NDArray[np.float32]) -> Body:
    rounded = np.round(vectors, 6).tolist()
    documents = [{"id": id, "vector": vector} for id, vector in zip(ids, rounded, strict=True)]
    return "application/json", json.dumps({"documents": documents}).encode()


def as_base64(entries: str) -> Callable[[list[str], NDArray[np.float32]], Body]:
    def write(ids: list[str], vectors: NDArray[np.float32]) -> Body:
        encoded = (base64.b64encode(vector.tobytes()).decode() for vector in vectors.astype(entries))
        documents = [{"id": id, "vector": vector} for id, vector in zip(ids, encoded, strict=True)]
        return "application/json", json.dumps({"documents": documents}).encode()

    return write


def as_parts(entries: str) -> Callable[[list[str], NDArray[np.float32]], Body]:
    def write(ids: list[str], vectors: NDArray[np.float32]) -> Body:
        documents = json.dumps({"documents": [{"id": id} for id in ids]}).encode()
        contents = [vector.tobytes() for vector in vectors.astype(entries)]
        return multipart_body(documents, Vectors(vectors.shape[1], entries), contents)

    return write


def as_npy(entries: str) -> Callable[[list[str], NDArray[np.float32]], Body]:
    def write(ids: list[str], vectors: NDArray[np.float32]) -> Body:
        rows = np.empty(len(ids), [("id", "S16"), ("vector", entries, (vectors.shape[1],))])
        rows["id"], rows["vector"] = ids, vectors
        file = io.BytesIO()
        np.save(file, rows)
        return "application/x-npy", file.getvalue()

    return write


FORMS: dict[str, Callable[[list[str], NDArray[np.float32]], Body]] = {
    "lists of numbers": as_lists,
    "base64 of float32": as_base64("<f4"),
    "base64 of float16": as_base64("<f2"),
    "parts, .npy of float32": as_parts("<f4"),
    "parts, .npy of float16": as_parts("<f2"),
    ".npy of float32 with ids": as_npy("<f4"),
    ".npy of float16 with ids": as_npy("<f2"),
}


class Batches:
    """Batches of new vectors, drawn one after the other."""

    def __init__(self, dims: int) -> None:
        self.dims = dims
        self.generator = np.random.default_rng(0)
        self.n = 0

    def next(self) -> Batch:
        ids = [f"v{self.n + i}" for i in range(BATCH)]
        self.n += BATCH
        return ids, self.generator.standard_normal((BATCH, self.dims)).astype(np.float32)


def processor_s(pid: int) -> float:
    """Seconds of processor that a process has used; nan where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def put(port: int, pid: int, bodies: list[Body], n_connections: int) -> dict[str, float]:
    """Microseconds a vector: of all in all, of the fastest batch, and of processor."""
    left = list(bodies)
    fastest: list[float] = []

    def send() -> None:
        connection = Http(port)
        while True:
            try:
                media_type, body = left.pop()
            except IndexError:
                return
            began = time.perf_counter()
            status, answer = connection.send("POST", f"{COLLECTION}/documents", media_type, body)
            if status != 201:
                raise RuntimeError(answer[:500])
            fastest.append(time.perf_counter() - began)

    threads = [threading.Thread(target=send) for _ in range(n_connections)]
    used, began = processor_s(pid), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    n, took = BATCH * len(bodies), time.perf_counter() - began
    return {
        "all": took / n * 1e6,
        "fastest": min(fastest) / BATCH * 1e6,
        "processor": (processor_s(pid) - used) / n * 1e6,
    }


async def without_http(batches: Batches, n_batches: int, folder: Path) -> float:
    """Microseconds a vector of the fastest batch that is put in this process, on a SQLite file of its own."""
    services = Services.open(Settings(database_url=f"sqlite:///{folder}/direct.db", data_dir=folder))
    services.start()
    try:
        await services.collections.create("vectors", "embedding", 64, vectors=VectorSettings(batches.dims))
        fastest = float("inf")
        for _ in range(n_batches):
            ids, vectors = batches.next()
            began = time.perf_counter()
            given = [GivenContent(vector=vector) for vector in vectors]
            contents = await services.documents.contents_of("vectors", given)
            new = [NewDocument(id, content, {}) for id, content in zip(ids, contents, strict=True)]
            await services.documents.add("vectors", new)
            fastest = min(fastest, time.perf_counter() - began)
    finally:
        await services.close()
    return fastest / BATCH * 1e6


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    batches = Batches(arguments.dims)
    figures: dict[str, Any] = {"dims": arguments.dims, "forms": {}}
    with tempfile.TemporaryDirectory() as name:
        port, folder = free_port(), Path(name)
        environment = {
            "NEARBIT_DATABASE_URL": arguments.database_url or f"sqlite:///{folder}/nearbit.db",
            "NEARBIT_DATA_DIR": name,
            "NEARBIT_LOG_LEVEL": "warning",
        }
        serve = [sys.executable, "-m", "service", "serve", "--port", str(port), "--no-trainer", "--no-job-runner"]
        with process(serve, port, "/healthz", **environment) as pid:
            Http(port).call("PUT", COLLECTION, {"kind": "embedding", "dims": arguments.dims, "n_bits": 64})
            put(port, pid, [FORMS["base64 of float32"](*batches.next())], 1)
            for _ in range(arguments.rounds):
                direct = asyncio.run(without_http(batches, arguments.batches, Path(tempfile.mkdtemp(dir=folder))))
                figures["without_http"] = min(direct, figures.get("without_http", direct))
                for form, write in FORMS.items():
                    for n_connections in (1, 2):
                        bodies = [write(*batches.next()) for _ in range(arguments.batches)]
                        found = put(port, pid, bodies, n_connections)
                        best = figures["forms"].setdefault(f"{form}, {n_connections}", found)
                        figures["forms"][f"{form}, {n_connections}"] = {k: min(v, best[k]) for k, v in found.items()}
    return figures


def show(figures: dict[str, Any]) -> None:
    direct = figures["without_http"]
    console.print(f"vectors of {figures['dims']} numbers in batches of {BATCH:,}; without HTTP {1e6 / direct:,.0f}/s")
    table = Table("form, connections", "vectors/s", "fastest batch", "to a put without HTTP", "processor, us a vector")
    for form, found in figures["forms"].items():
        cells = (f"{1e6 / found['all']:,.0f}", f"{1e6 / found['fastest']:,.0f}/s", f"{found['fastest'] / direct:.2f}")
        table.add_row(form, *cells, f"{found['processor']:.0f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dims", type=int, default=384)
    parser.add_argument("--batches", type=int, default=10, help="batches of each form in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database-url", help="default: a fresh SQLite file")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    figures = measure(arguments)
    show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
