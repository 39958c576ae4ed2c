"""CPU of one search by words and codes among many documents, all of it but HTTP and reading the documents from SQL.

    python -m benchmarks.query_search [N...]

Made-up documents of 60 words whose ranks follow Zipf's law (`benchmarks.words`), codes of 64 bits, uniform and
clustered; a query of three words: its clauses, the best by BM25, its code, where to look, the nearest codes, one score.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.words import Language
from service.hashing.analysis import Analyzer
from service.hashing.codes import Codes
from service.hashing.content import Text
from service.hashing.untrained import untrained_hash_function
from service.index.columns import ColumnIndex
from service.index.document_replica import DocumentReplica
from service.index.hamming.table import HammingTable
from service.index.replica import Replica
from service.index.words import WordIndex
from service.search.fuse import direction_of
from service.search.hybrid import HybridRanker
from service.search.sources import MemorySource
from service.search.word_query import word_query
from service.store.database import Database
from service.store.overviews import SpaceReference
from service.store.words import WordSettings
from tests.oracles import clustered_codes

N_QUERIES = 100


def measure(n: int, table: Table) -> None:
    """Rows for `n` documents."""
    language, index = Language(n), WordIndex()
    for keys, bodies, titles in language.documents(n, 1):
        index.put(keys, bodies, titles)
    index.wait()
    words = DocumentReplica(1, WordSettings(language="none"), 0, Analyzer("none"), index, ColumnIndex(), 1)
    rng = np.random.default_rng(0)
    kinds = {"uniform": rng.integers(0, 256, (n, 8), dtype=np.uint8), "clustered": clustered_codes(rng, n, 64)}
    for kind, codes in kinds.items():
        for asked in ("text", "common"):
            queries = [" ".join(query) for query in language.queries(asked)][:N_QUERIES]
            times = laps(codes, words, queries)
            table.add_row(f"{n:,}", kind, asked, f"{np.median(times):.2f}", f"{np.percentile(times, 95):.2f}")


def laps(codes: Codes, words: DocumentReplica, queries: list[str]) -> list[float]:
    """Milliseconds of CPU of each query, asked once before."""
    replica = Replica(SpaceReference(2, 2, 64, "2"), HammingTable.build(codes, np.arange(len(codes))), 1)
    source, function = MemorySource(replica), untrained_hash_function(64)
    database = Database.open("sqlite://")

    def ask(query: str) -> None:
        found = word_query(query, words, is_prefix=False, with_typos=True)
        encoded = function.encode([Text(found.text)])
        own = direction_of(encoded.codes[0], encoded.confidence[0])
        HybridRanker(source, words, found.clauses, own, encoded.codes[0]).best(connection, 10)

    times = []
    with database.read() as connection:
        for query in queries * 2:
            began = time.process_time()
            ask(query)
            times.append((time.process_time() - began) * 1e3)
    database.close()
    return times[len(queries) :]


if __name__ == "__main__":
    results = Table("documents", "codes", "words of the query", "median ms", "p95 ms")
    for size in map(int, sys.argv[1:] or ("20000", "1000000")):
        measure(size, results)
    Console().print(results)
