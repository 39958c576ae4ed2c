"""Codes of embeddings: what each keeps of the floats, and what it costs.

    python -m benchmarks.embeddings DATA... [--peers minilm] [--n-bits 64,128,256] [--seeds 1,2,3] [--json FILE]

DATA is a `corpus.jsonl[.gz]`: with `queries.jsonl[.gz]` and judgments beside it nDCG at 10 is measured, else precision
at 100 by label, the queries of the split `test` (or a tenth by id), at most 1,000. No query is seen in a training.
Methods: cosine of the floats; their signs, as they come; PCA + ITQ as in its paper; signs after a random rotation;
codes learned with the default options. Each is ranked by distance; by confidence: the 500 nearest by distance in the
order of `flip_cost`, for which the query keeps its real values and documents are bits; and re-scored: the 100 nearest
by distance in the order of the cosine of the floats. Recall is of the ten nearest by cosine, in the first ten and in
the first hundred; ties count in expectation. Bytes are of a document in memory, ms of a query in process: its vector is
hashed, and the ten best found by plain numpy. The learned codes are also served: ms over HTTP are of the service, with
k = 10 and `rerank=confidence` or `features`, one query at a time; its shortlists are the same. Of several seeds the
mean stands, and how far apart recall in ten is; times are of the first.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))
from judged import TextTask, read_task
from peers import CACHE, PEERS, Vectors, embed
from quality import rank_figures

from benchmarks.served_vectors import query_ms
from service.hashing.codes import Codes, flip_cost, hamming_distance, pack
from service.hashing.content import Embedding
from service.hashing.encoded import confidence
from service.hashing.function import HashFunction
from training.config import TrainingConfig
from training.fit.fit import fit
from training.models.rotation import rotation
from training.recall import all_distances, inclusion

BY_CONFIDENCE, RESCORED = 500, 100
"""Documents of a shortlist."""
TIMED = 100
"""Queries that are timed."""
_MEANS = ("recall_in_10", "recall_in_100", "quality")
Levels = NDArray[np.int64]
"""`(n,)` rank of each document, from 0; equal ones tie."""


@dataclass(frozen=True)
class Set:
    """A set as one model sees it: vectors of documents and queries, the ten nearest of each query, what is right."""

    name: str
    task: TextTask
    documents: Vectors
    queries: Vectors
    truth: NDArray[np.int64]

    @classmethod
    def of(cls, task: TextTask, peer: str, cache: Path) -> Set:
        documents, queries = embed(peer, task.documents, cache), embed(peer, task.queries, cache)
        truth = np.argsort(-(queries @ documents.T), axis=1, kind="stable")[:, :10]
        return cls(f"{task.name}, {peer}", task, documents, queries, truth)


@dataclass(frozen=True)
class Hashed:
    """Documents and queries as one method hashes them; `hash_query` hashes one vector `(dims,)` again, to be timed.

    `function` is there for the codes that the service can serve.
    """

    codes: Codes
    queries: Codes
    confidence: NDArray[np.uint8]
    hash_query: Callable[[NDArray[np.float32]], object]
    function: HashFunction | None = None


@dataclass(frozen=True)
class Row:
    """One method, ranked in one way."""

    method: str
    n_bits: int | None
    ranked: str
    recall_in_10: float
    recall_in_100: float
    quality: float
    n_bytes: int
    ms: float
    http_ms: float | None = None
    spread: float = 0.0


# --- methods ---------------------------------------------------------------------------------------------------------


def by_axes(data: Set, axes: NDArray[np.float32] | None, mean: NDArray[np.float32] | None = None) -> Hashed:
    """Signs along axes `(dims, n_bits)`, None for the vectors' own, after a mean is subtracted."""

    def margins(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        centered = vectors if mean is None else vectors - mean
        return centered if axes is None else centered @ axes

    queries = margins(data.queries)
    hashed = pack(margins(data.documents) > 0), pack(queries > 0), confidence(queries)
    return Hashed(*hashed, lambda vector: pack(margins(vector[None]) > 0))


def pca_itq(data: Set, n_bits: int, seed: int) -> Hashed:
    """Gong, Lazebnik (2011)."""
    return by_axes(data, rotation(data.documents, n_bits, seed), data.documents.mean(axis=0))


def random_rotation(data: Set, n_bits: int, seed: int) -> Hashed:
    """Orthogonal directions. Source: Ji et al. (2012), "Super-bit locality-sensitive hashing"."""
    dims = data.documents.shape[1]
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((dims, dims)))[0].astype(np.float32)
    return by_axes(data, turn[:, :n_bits])


def learned(data: Set, n_bits: int, seed: int) -> Hashed:
    """The codes of nearbit, with default options."""
    config = TrainingConfig.parse({"n_bits": n_bits, "seed": seed})
    contents = [Embedding(vector) for vector in data.documents]
    function = fit(contents, data.task.ids, config).function
    documents, queries = function.encode(contents), function.encode([Embedding(vector) for vector in data.queries])
    return Hashed(
        documents.codes,
        queries.codes,
        queries.confidence,
        lambda vector: function.encode([Embedding(vector)]),
        function,
    )


METHODS: dict[str, Callable[[Set, int, int], Hashed]] = {
    "random rotation": random_rotation,
    "PCA + ITQ": pca_itq,
    "learned": learned,
}

# --- rankings and figures --------------------------------------------------------------------------------------------


def levels_of(costs: NDArray[np.floating]) -> Levels:
    """The rank of each of `(n,)` costs, equal ones tied."""
    return np.unique(costs, return_inverse=True)[1].astype(np.int64)


def among_nearest(distances: Levels, n: int, order: Callable[[NDArray[np.int64]], NDArray[np.floating]]) -> Levels:
    """The `n` nearest, by key where they tie, in the order of costs; after them all others."""
    nearest = np.argsort(distances, kind="stable")[:n]
    levels = np.full(len(distances), n, dtype=np.int64)
    levels[nearest] = levels_of(order(nearest))
    return levels


def rankings(data: Set, hashed: Hashed) -> Iterator[tuple[str, list[Levels]]]:
    """Each way of ranking the documents of all queries."""
    distances = all_distances(hashed.queries, hashed.codes)  # (q, n)
    yield "distance", list(distances)
    each = list(zip(distances, hashed.queries, hashed.confidence, data.queries, strict=True))
    yield (
        f"confidence, {BY_CONFIDENCE}",
        [among_nearest(d, BY_CONFIDENCE, lambda i, c=c, s=s: flip_cost(hashed.codes[i], c, s)) for d, c, s, _ in each],  # type: ignore[misc]
    )
    yield (
        f"re-scored, {RESCORED}",
        [among_nearest(d, RESCORED, lambda i, v=v: -(data.documents[i] @ v)) for d, _, _, v in each],  # type: ignore[misc]
    )


def expected_ndcg(levels: Levels, gains: NDArray[np.float32], depth: int = 10) -> float:
    """nDCG with linear gains, in expectation over ties, as trec_eval computes `ndcg_cut` without them."""
    sizes, sums = np.bincount(levels), np.bincount(levels, weights=gains)
    group = np.searchsorted(np.cumsum(sizes), np.arange(1, depth + 1))
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    best = np.sort(gains)[::-1][:depth]
    return float((sums[group] / sizes[group] * discounts).sum() / (best * discounts[: len(best)]).sum())


def figures(data: Set, ranked: list[Levels]) -> tuple[float, float, float]:
    """Recall in 10 and in 100, and nDCG@10 (judged) or P@100 (labelled), means over the queries."""
    rows = []
    for levels, true, gains in zip(ranked, data.truth, data.task.gains, strict=True):
        quality = expected_ndcg(levels, gains) if data.task.is_judged else rank_figures(levels, gains > 0)[0]
        rows.append([inclusion(levels, 10)[true].mean(), inclusion(levels, 100)[true].mean(), quality])
    means = np.mean(rows, axis=0)
    return float(means[0]), float(means[1]), float(means[2])


def milliseconds(data: Set, one: Callable[[int], object]) -> float:
    """Median time of one query in process."""
    times = []
    for query in range(min(TIMED, len(data.queries))):
        began = time.perf_counter()
        one(query)
        times.append(time.perf_counter() - began)
    return 1e3 * median(times)


def timings(data: Set, hashed: Hashed) -> list[float]:
    """Milliseconds of a query ranked by distance, by confidence, re-scored."""

    def nearest(query: int, k: int) -> NDArray[np.int64]:
        hashed.hash_query(data.queries[query])
        return np.argpartition(hamming_distance(hashed.codes, hashed.queries[query]), k)[:k]

    def by_confidence(query: int) -> object:
        found = nearest(query, BY_CONFIDENCE)
        return np.argsort(flip_cost(hashed.codes[found], hashed.queries[query], hashed.confidence[query]))[:10]

    def rescored(query: int) -> object:
        found = nearest(query, RESCORED)
        return np.argsort(-(data.documents[found] @ data.queries[query]))[:10]

    return [milliseconds(data, one) for one in (lambda query: nearest(query, 10), by_confidence, rescored)]


def exact(data: Set) -> Row:
    """The floats themselves."""
    ranked = [levels_of(-(data.documents @ vector)) for vector in data.queries]
    ms = milliseconds(data, lambda query: np.argpartition(-(data.documents @ data.queries[query]), 10)[:10])
    return Row("float cosine", None, "cosine", *figures(data, ranked), 4 * data.documents.shape[1], ms)


def rows_of(data: Set, method: str, hashed: Hashed, *, is_timed: bool) -> Iterator[Row]:
    """A method ranked in each way; re-scored it needs the floats too. What can be served is, if it is to be timed."""
    n_bytes = hashed.codes.shape[1]
    served = query_ms(hashed.function, data.documents, data.queries[:TIMED]) if hashed.function and is_timed else {}
    for (ranked, levels), ms in zip(rankings(data, hashed), timings(data, hashed), strict=True):
        floats = 4 * data.documents.shape[1] if ranked.startswith("re-scored") else 0
        http_ms = served.get(ranked.partition(",")[0])
        yield Row(method, 8 * n_bytes, ranked, *figures(data, levels), n_bytes + floats, ms, http_ms)


def measured(data: Set, widths: list[int], seeds: list[int]) -> Iterator[Row]:
    """Every row of the table, as it is measured."""
    yield exact(data)
    yield from rows_of(data, "signs", by_axes(data, None), is_timed=False)
    for n_bits in widths:
        for name, method in METHODS.items():
            if name == "learned" or n_bits <= data.documents.shape[1]:
                of_seeds = [
                    list(rows_of(data, name, method(data, n_bits, seed), is_timed=seed == seeds[0])) for seed in seeds
                ]
                yield from map(mean_of, zip(*of_seeds, strict=True))


def mean_of(rows: Sequence[Row]) -> Row:
    """The same row of several seeds as one: means, and the difference of the best and the worst recall in ten."""
    recalls = [row.recall_in_10 for row in rows]
    means = {name: float(np.mean([getattr(row, name) for row in rows])) for name in _MEANS}
    return replace(rows[0], **means, spread=max(recalls) - min(recalls))


def table_of(data: Set, rows: list[Row]) -> Table:
    """The rows for the screen."""
    size = f"{len(data.documents):,} documents of {data.documents.shape[1]} floats, {len(data.queries):,} queries"
    table = Table(title=f"{data.name}: {size}")
    figure = "nDCG@10" if data.task.is_judged else "P@100"
    headings = ("method", "bits", "ranked by", "recall@10", "seeds", "in 100", figure, "bytes", "ms", "ms over HTTP")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("method", "ranked by") else "right")
    for row in rows:
        shown = [f"{x:.3f}" for x in (row.recall_in_10, row.spread, row.recall_in_100, row.quality)]
        times = f"{row.ms:.2f}", "" if row.http_ms is None else f"{row.http_ms:.2f}"
        table.add_row(row.method, str(row.n_bits or ""), row.ranked, *shown, f"{row.n_bytes:,}", *times)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path, help="corpus.jsonl[.gz]")
    parser.add_argument("--peers", default=",".join(PEERS), help="models, comma-separated")
    parser.add_argument("--n-bits", default="64,128,256", help="widths of codes, comma-separated")
    parser.add_argument("--seeds", default="1,2,3", help="of trainings and rotations, comma-separated")
    parser.add_argument("--documents", type=int, default=0, help="of a labelled set at most; 0: all")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0: all cores")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder that keeps vectors")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    console = Console(width=None if sys.stdout.isatty() else 110)
    widths, seeds = ([int(n) for n in given.split(",")] for given in (options.n_bits, options.seeds))
    everything: dict[str, object] = {}
    for path in options.data:
        task = read_task(path, options.documents)
        for peer in options.peers.split(","):
            data, rows = Set.of(task, peer, options.cache), []
            for row in measured(data, widths, seeds):
                rows.append(row)
                everything[data.name] = [asdict(row) for row in rows]
                if options.json:
                    options.json.write_text(json.dumps(everything, indent=1))
            console.print(table_of(data, rows))


if __name__ == "__main__":
    main()
