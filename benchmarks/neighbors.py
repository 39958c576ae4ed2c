"""The neighbors of many documents: the inverted file of training against FAISS and pynndescent.

    pip install faiss-cpu pynndescent
    python benchmarks/neighbors.py [CORPUS] [--n 100000] [--words 30] [--refined] [--rounds 2] [--only TEXT]

CORPUS is a JSONL file, plain or gzip, whose texts are cut into passages of `--words` words (real short documents);
without it N short documents are drawn (see `synthetic.py`). Similarity is the one a fit uses: cosine of TF-IDF plus a
weighted cosine of latent places; with `--refined` the latent places are the logits of a first network, trained for one
epoch.

A library searches the latent places, or sketches of both parts (a random projection of the TF-IDF row beside the
latent place, so that an inner product estimates the similarity), for `shortlist` documents, which compiled code then
re-ranks by the exact similarity. pynndescent also takes the similarity itself, as the cosine of sparse rows with the
latent places as further columns.

Each method has a process of its own, one thread, and its turn in every round. CPU seconds are the least of the rounds.
FAISS searches each query by itself, so it is timed on about 5,000 documents and scaled to all; the others search for
all documents at once, and are timed whole. Recall is the share of the 25 true nearest of 1,000 documents; a document as
similar as the 25th counts as one of them. Memory is what the process's peak grew by.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix, hstack, load_npz, save_npz
from synthetic import synthetic_texts

from service.hashing.content import Text
from service.hashing.featurizers.text import TextFeaturizer
from training.config import TrainingConfig
from training.data.readers import read_corpus
from training.fit.run import TrainingRun
from training.neighbors.approximate import InvertedFile
from training.neighbors.exact import SimilaritySpace, nearest
from training.neighbors.graph import Graph

K = 25
N_JUDGED = 1_000
QUERIES_TIMED = 4_000
LEAST_KNOWN_WORDS = 3
SKETCH_DIMS = 96

Rows = NDArray[np.int32]


# --- the documents ---------------------------------------------------------------------------------------------------


def texts_of(path: Path | None, n: int, n_words: int) -> list[str]:
    """Drawn texts, or the passages of a file in an order drawn once."""
    if path is None:
        return list(synthetic_texts(n, seed=1))
    _, contents = read_corpus(path)
    passages = []
    for content in contents:
        words = re.findall(r"\S+", content.text)
        passages += [" ".join(words[start : start + n_words]) for start in range(0, len(words), n_words)]
    order = np.random.default_rng(1).permutation(len(passages))[: 2 * n]
    return [passages[i] for i in order]


def space_of(texts: list[str], n: int, refined: bool) -> SimilaritySpace:
    """The space that a fit with default settings compares these documents in."""
    config = TrainingConfig.parse({"seed": 1})
    featurizer = TextFeaturizer(config.max_features, config.min_df)
    contents = [Text(text) for text in texts]
    featurizer.fit(contents)
    features = featurizer.transform(contents)
    features = features[features.getnnz(axis=1) >= LEAST_KNOWN_WORDS][:n]
    plan = config.plan(features.shape[0], "counts")
    graph = Graph.of(features, plan, config.seed)
    if refined:
        plan = replace(plan, first_epochs=1)
        some = features[:: max(1, features.shape[0] // 2_000)]
        datasets = graph.dataset(features, lambda: None, same=True), graph.dataset(some, lambda: None)
        first = TrainingRun(*datasets, plan.first(), config, graph=graph)
        first.run(None, lambda: None, None)
        graph = graph.refined(first.view, plan.refined_neighbors)
    assert graph.view is not None
    return SimilaritySpace(features, graph.view(features), graph.weight)


def save(space: SimilaritySpace, folder: Path) -> None:
    """Keep the documents, and the similarity of the 25th true neighbor of some of them."""
    n = space.features.shape[0]
    judged = np.sort(np.random.default_rng(2).choice(n, N_JUDGED, replace=False))
    queries = SimilaritySpace(space.features[judged], space.latent[judged], space.weight)  # type: ignore[index]
    found = nearest(queries, space, K + 1)
    others = np.where(found.rows == judged[:, None], -np.inf, found.similarities)
    farthest = np.sort(others, axis=1)[:, -K]
    save_npz(folder / "features.npz", csr_matrix(space.features), compressed=False)
    np.savez(folder / "rest.npz", latent=space.latent, weight=space.weight, judged=judged, farthest=farthest)


# --- the exact similarity of a shortlist -----------------------------------------------------------------------------


@njit(nogil=True, fastmath=True)
def rerank(indptr, indices, data, latent, weight, rows, shortlist, n_features, k):  # type: ignore[no-untyped-def]
    """The `k` most similar of each row's shortlist, `(n_rows, k)`; -1 in a shortlist stands for nothing."""
    out = np.full((len(rows), k), -1, dtype=np.int32)
    query = np.zeros(n_features, dtype=np.float32)
    scores = np.empty(shortlist.shape[1], dtype=np.float32)
    for i in range(len(rows)):
        row = rows[i]
        for e in range(indptr[row], indptr[row + 1]):
            query[indices[e]] = data[e]
        for j in range(shortlist.shape[1]):
            other = shortlist[i, j]
            if other < 0 or other == row:
                scores[j] = -np.inf
                continue
            score = np.float32(0)
            for e in range(indptr[other], indptr[other + 1]):
                score += query[indices[e]] * data[e]
            inner = np.float32(0)
            for d in range(latent.shape[1]):
                inner += latent[row, d] * latent[other, d]
            scores[j] = score + weight * inner
        for e in range(indptr[row], indptr[row + 1]):
            query[indices[e]] = 0
        floor = np.partition(scores, len(scores) - k)[len(scores) - k]
        n = 0
        for j in range(len(scores)):
            if scores[j] >= floor and scores[j] > -np.inf and n < k:
                out[i, n] = shortlist[i, j]
                n += 1
    return out


def reranked(space: SimilaritySpace, rows: NDArray[np.int64], shortlist: Rows) -> Rows:
    X = space.features
    return rerank(X.indptr, X.indices, X.data, space.latent, np.float32(space.weight), rows, shortlist, X.shape[1], K)


# --- the methods -----------------------------------------------------------------------------------------------------


@dataclass
class Search:
    """One setting of one method: finds `(n_rows, K)` neighbors of rows; None asks for those of all rows."""

    name: str
    find: Callable[[NDArray[np.int64] | None], Rows]
    whole: bool = False
    """All rows have to be searched at once."""


def inverted_file(space: SimilaritySpace) -> Iterator[Search]:
    for n_probes in (64, 32):
        file = InvertedFile.of(space, 1, n_probes=n_probes)
        yield Search(f"{n_probes} lists", lambda _, file=file: file.nearest(None, K).rows, whole=True)


def _places(space: SimilaritySpace, sketch: bool) -> NDArray[np.float32]:
    """Latent places `(n, d)`; or sketches, whose inner product estimates the similarity."""
    assert space.latent is not None
    if not sketch:
        return np.ascontiguousarray(space.latent)
    X = space.features
    signs = np.random.default_rng(3).choice([-1, 1], size=(X.shape[1], SKETCH_DIMS)).astype(np.float32)
    projected = X @ (signs / np.sqrt(np.float32(SKETCH_DIMS)))
    return np.ascontiguousarray(np.hstack([projected, np.sqrt(np.float32(space.weight)) * space.latent]))


def faiss_ivf(space: SimilaritySpace, sketch: bool = False) -> Iterator[Search]:
    import faiss

    places = _places(space, sketch)
    n_lists = len(places) // 160
    quantizer = faiss.IndexFlatIP(places.shape[1])
    index = faiss.IndexIVFFlat(quantizer, places.shape[1], n_lists, faiss.METRIC_INNER_PRODUCT)
    yield from _ivf_searches(space, index, places, [(26, 64), (256, 64), (512, 64), (1_024, 64), (2_048, 64)])


def faiss_fast_scan(space: SimilaritySpace) -> Iterator[Search]:
    """Two dimensions of a sketch in 4 bits, scanned by table look-ups in registers."""
    import faiss

    places = _places(space, sketch=True)
    quantizer = faiss.IndexFlatIP(places.shape[1])
    n_lists, n_codes = len(places) // 160, places.shape[1] // 2
    index = faiss.IndexIVFPQFastScan(quantizer, places.shape[1], n_lists, n_codes, 4, faiss.METRIC_INNER_PRODUCT)
    index.by_residual = False
    yield from _ivf_searches(space, index, places, [(128, 64), (256, 64), (512, 64), (512, 128), (1_024, 128)])


def _ivf_searches(  # type: ignore[no-untyped-def]
    space: SimilaritySpace, index, places: NDArray[np.float32], settings: list[tuple[int, int]]
) -> Iterator[Search]:
    """Fill an index as the inverted file is filled; a search for each pair of shortlist and lists looked into."""
    index.cp.niter, index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = 6, 24, 1
    index.train(places)
    index.add(places)

    def find(rows: NDArray[np.int64], shortlist: int, n_probes: int) -> Rows:
        index.nprobe = n_probes
        return _in_blocks(space, rows, lambda block: index.search(places[block], shortlist)[1])

    for shortlist, n_probes in settings:
        yield Search(f"{n_probes} lists, shortlist {shortlist}", lambda r, s=shortlist, p=n_probes: find(r, s, p))


def faiss_hnsw(space: SimilaritySpace, sketch: bool = False) -> Iterator[Search]:
    import faiss

    places = _places(space, sketch)
    index = faiss.IndexHNSWFlat(places.shape[1], 24, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 64
    index.add(places)

    def find(rows: NDArray[np.int64], shortlist: int) -> Rows:
        index.hnsw.efSearch = shortlist
        return _in_blocks(space, rows, lambda block: index.search(places[block], shortlist)[1])

    for shortlist in (256, 512, 1_024, 2_048):
        yield Search(f"M 24, shortlist {shortlist}", lambda r, s=shortlist: find(r, s))


def _in_blocks(
    space: SimilaritySpace, rows: NDArray[np.int64], shortlists: Callable[[NDArray[np.int64]], NDArray[np.int64]]
) -> Rows:
    blocks = [rows[start : start + 1_024] for start in range(0, len(rows), 1_024)]
    return np.concatenate([reranked(space, block, shortlists(block).astype(np.int32)) for block in blocks])


def pynndescent_latent(space: SimilaritySpace) -> Iterator[Search]:
    from pynndescent import NNDescent

    for k in (K + 1, 60):
        # Made when asked for, so that what it takes counts as the search.
        def find(rows: NDArray[np.int64], k: int = k) -> Rows:
            graph = NNDescent(space.latent, "dot", n_neighbors=k, random_state=1, n_jobs=1).neighbor_graph[0]
            return reranked(space, np.arange(len(graph)), graph.astype(np.int32))

        yield Search(f"latent places, graph of {k}, re-ranked", find, whole=True)


def pynndescent_both(space: SimilaritySpace) -> Iterator[Search]:
    from pynndescent import NNDescent

    latent = csr_matrix(np.sqrt(np.float32(space.weight)) * space.latent)
    both = csr_matrix(hstack([space.features, latent]), dtype=np.float32)
    both.sort_indices()
    for k in (K + 1,):

        def find(rows: NDArray[np.int64], k: int = k) -> Rows:
            graph = NNDescent(both, "cosine", n_neighbors=k, random_state=1, n_jobs=1).neighbor_graph[0]
            return reranked(space, np.arange(len(graph)), graph.astype(np.int32))

        yield Search(f"both parts as sparse rows, graph of {k}", find, whole=True)


METHODS: dict[str, Callable[[SimilaritySpace], Iterator[Search]]] = {
    "inverted file": inverted_file,
    "FAISS IVF, latent places": faiss_ivf,
    "FAISS HNSW, latent places": faiss_hnsw,
    "FAISS IVF, sketches": lambda space: faiss_ivf(space, sketch=True),
    "FAISS IVF of 4-bit codes, sketches": faiss_fast_scan,
    "FAISS HNSW, sketches": lambda space: faiss_hnsw(space, sketch=True),
    "pynndescent, latent places": pynndescent_latent,
    "pynndescent, both parts": pynndescent_both,
}


# --- one method in its process ---------------------------------------------------------------------------------------


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one_thread() -> None:
    import faiss
    import numba

    torch.set_num_threads(1)
    numba.set_num_threads(1)
    faiss.omp_set_num_threads(1)


def measure(method: str, folder: Path, limit_s: float) -> None:
    """Print a JSON line for each setting; none after one that took longer than the limit."""
    one_thread()
    features = csr_matrix(load_npz(folder / "features.npz"))
    rest = np.load(folder / "rest.npz")
    latent, judged, farthest = rest["latent"], rest["judged"], rest["farthest"]
    space = SimilaritySpace(features, latent, float(rest["weight"]))
    if method != "inverted file":  # compile
        few = SimilaritySpace(features[:1_000], latent[:1_000], space.weight)
        reranked(few, np.arange(100), np.tile(np.arange(200, dtype=np.int32), (100, 1)))
        if method.startswith("pynndescent"):
            next(METHODS[method](few)).find(None)
    n = features.shape[0]
    timed = np.union1d(judged, np.arange(0, n, max(1, n // QUERIES_TIMED)))
    before = peak_mib()
    mark = time.process_time(), time.monotonic()
    searches = METHODS[method](space)
    built: list[float] = []
    for search in searches:
        built = built or [time.process_time() - mark[0], time.monotonic() - mark[1]]
        start = time.process_time(), time.monotonic()
        rows = None if search.whole else timed
        found = search.find(rows)
        scale = 1.0 if search.whole else n / len(timed)
        cpu, wall = scale * (time.process_time() - start[0]), scale * (time.monotonic() - start[1])
        found = found[judged if search.whole else np.searchsorted(timed, judged)]
        line = {
            "method": method,
            "setting": search.name,
            "recall": recall(space, judged, found, farthest),
            "build_cpu_s": built[0],
            "search_cpu_s": cpu,
            "wall_s": built[1] + wall,
            "memory_mib": peak_mib() - before,
        }
        print(json.dumps(line), flush=True)
        if cpu > limit_s:
            return


def recall(space: SimilaritySpace, judged: NDArray[np.int64], found: Rows, farthest: NDArray[np.float32]) -> float:
    """Share of the true neighbors that were found."""
    assert space.latent is not None
    hits = 0
    for row, others, floor in zip(judged, found, farthest, strict=True):
        others = np.unique(others[(others >= 0) & (others != row)])
        words = (space.features[others] @ space.features[row].T).toarray().ravel()
        hits += min(K, int((words + space.weight * (space.latent[others] @ space.latent[row]) >= floor - 1e-5).sum()))
    return hits / (K * len(judged))


# --- the command -----------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?", type=Path, help="corpus.jsonl[.gz]; without it documents are drawn")
    parser.add_argument("--n", type=int, default=100_000, help="documents")
    parser.add_argument("--words", type=int, default=30, help="words of a passage of the corpus")
    parser.add_argument("--refined", action="store_true", help="latent places are the logits of a first network")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each method; the least CPU seconds count")
    parser.add_argument("--limit-s", type=float, default=300, help="no setting after one whose search takes longer")
    parser.add_argument("--only", default="", help="methods whose name has this")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]), options.limit_s)
        return
    torch.set_num_threads(1)
    lines: dict[tuple[str, str], dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        space = space_of(texts_of(options.corpus, options.n, options.words), options.n, options.refined)
        n = space.features.shape[0]
        print(f"{n:,} documents, {space.features.nnz / n:.1f} words each", file=sys.stderr)
        save(space, Path(name))
        for _ in range(options.rounds):
            for method in METHODS:
                if options.only not in method:
                    continue
                command = [sys.executable, __file__, "--measure", method, name, "--limit-s", str(options.limit_s)]
                child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
                for text in child.stdout.splitlines():
                    print(text, file=sys.stderr, flush=True)
                    line = json.loads(text)
                    key = line.pop("method"), line.pop("setting")
                    kept = lines.setdefault(key, line)
                    for figure in ("build_cpu_s", "search_cpu_s", "wall_s"):
                        kept[figure] = min(kept[figure], line[figure])
    table = Table(title=f"{K} neighbors of {n:,} documents, one thread")
    for heading in ("method", "setting", "recall", "build, CPU s", "search, CPU s", "both, wall s", "memory, MiB"):
        table.add_column(heading, justify="left" if heading in ("method", "setting") else "right")
    for (method, setting), line in lines.items():
        figures = [f"{line[name]:.1f}" for name in ("build_cpu_s", "search_cpu_s", "wall_s")]
        table.add_row(method, setting, f"{line['recall']:.3f}", *figures, f"{line['memory_mib']:,.0f}")
    Console(width=None if sys.stdout.isatty() else 130).print(table)
    if options.json:
        kept_lines = [{"method": method, "setting": setting} | line for (method, setting), line in lines.items()]
        options.json.write_text(json.dumps(kept_lines, indent=1))


if __name__ == "__main__":
    main()
