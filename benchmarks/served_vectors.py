"""Milliseconds of a query by vector over HTTP: the service with the codes of a hash function that was learned."""

from __future__ import annotations

import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.serve import Http, free_port, process
from service.hashing.digest import digest_of
from service.hashing.function import HashFunction
from service.store import collections, spaces
from service.store.database import Database
from service.store.migrations import migrate

PATH = "/v1/collections/vectors"
NPY = "application/x-npy"
RERANKED: Mapping[str, dict[str, object]] = {
    "distance": {},
    "confidence": {"rerank": "confidence"},
    "re-scored": {"rerank": "features"},
}
"""What a query asks for, by how it is ranked: the shortlists are the service's own, 500 and 100 documents."""
_BATCH = 1_000

Vectors = NDArray[np.float32]


def query_ms(function: HashFunction, documents: Vectors, queries: Vectors) -> dict[str, float]:
    """The median time of a query, k = 10, by how it is ranked; one connection, one query at a time. Blocks.

    Args:
        function: gives the codes.
        documents: `(n, dims)` that are searched.
        queries: `(q, dims)`; each is asked in every way, in turns.
    """
    with served(function, documents) as http:
        times: dict[str, list[float]] = {ranked: [] for ranked in RERANKED}
        for query in queries:
            for ranked, options in RERANKED.items():
                body = {"vectors": [query.tolist()], "k": 10, "fields": ["id"], **options}
                content = json.dumps(body).encode()
                began = time.perf_counter()
                status, answer = http.send("POST", f"{PATH}/similar", "application/json", content)
                times[ranked].append(time.perf_counter() - began)
                _check(status, 200, answer)
    return {ranked: 1e3 * median(found) for ranked, found in times.items()}


@contextmanager
def served(function: HashFunction, documents: Vectors) -> Iterator[Http]:
    """A connection to a service whose only collection has the documents, with codes of the function, in memory."""
    with tempfile.TemporaryDirectory() as folder:
        url, port = f"sqlite:///{Path(folder) / 'nearbit.db'}", free_port()
        database = Database.open(url)
        migrate(database)
        environment = {"NEARBIT_DATABASE_URL": url, "NEARBIT_DATA_DIR": folder, "NEARBIT_LOG_LEVEL": "warning"}
        command = [sys.executable, "-m", "service", "serve", "--port", str(port), "--no-trainer"]
        with process(command, port, "/healthz", **environment):
            http = Http(port)
            settings = {"kind": "embedding", "dims": documents.shape[1], "n_bits": function.n_bits, "keep": "float32"}
            _check(http.call("PUT", PATH, settings)[0], 201)
            for start in range(0, len(documents), _BATCH):
                file = io.BytesIO()
                np.save(file, documents[start : start + _BATCH])
                _check(http.send("POST", f"{PATH}/documents", NPY, file.getvalue())[0], 201)
            _promote(database, function, http)
            yield http
        database.close()


def _promote(database: Database, function: HashFunction, http: Http) -> None:
    """Have the function take the place of the untrained one, and wait until memory answers."""
    content = function.to_bytes()
    with database.write() as connection:
        collection = collections.get(connection, "vectors")
        spaces.put_function(connection, content, digest_of(content))
        space = spaces.start(connection, collection.id, function.n_bits, "neighbor")
        spaces.set_digest(connection, space.id, digest_of(content))
        for state in ("encoding", "evaluating", "ready"):
            spaces.move(connection, space.id, state)
    status, answer = http.call("POST", f"{PATH}/spaces/{space.version}/promote")
    if status not in (200, 202):
        _check(status, 200, answer)
    deadline = time.monotonic() + 120
    ones = {"vectors": [[1.0] * function.featurizer.n_features], "k": 1, "rerank": "features"}
    while time.monotonic() < deadline:
        status, answer = http.call("POST", f"{PATH}/similar", ones)
        _check(status, 200, answer)
        (found,) = json.loads(answer)["answers"]
        if (found["space"]["version"], found["work"]["source"]) == (space.version, "memory"):
            return
        time.sleep(0.2)
    raise RuntimeError("the codes are not served from memory after two minutes")


def _check(status: int, wanted: int, answer: bytes = b"") -> None:
    if status != wanted:
        raise RuntimeError(f"{status}, not {wanted}: {answer[:300]!r}")
