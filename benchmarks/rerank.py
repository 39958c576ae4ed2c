"""Two-stage retrieval: a shortlist by code, re-ranked by TF-IDF, beside TF-IDF over everything and codes alone.

    python -m benchmarks.rerank DATA... [--n-bits 64,128] [--shortlists 100,2%,ball] [--json FILE] [--plot FILE.png]

The claim of Salakhutdinov and Hinton (2009), "Semantic hashing", section 4: codes as a filter before TF-IDF are at
least as good as TF-IDF over everything, at a fraction of the work. DATA is one of

- `bow.npz`, or `corpus.jsonl[.gz]` with labels, as in `benchmarks/quality.py`: test documents ask, what shares a label
  is relevant. Figures: precision at 10 and 100, mean average precision of the whole ranking; precision-recall curves.
- `corpus.jsonl[.gz]` with `queries.jsonl[.gz]` and judgments beside it (`qrels_test.tsv` or `qrels.tsv`): short
  queries ask, judges say what is relevant. Figures: nDCG at 10, recall at 100.

Codes learn from documents without labels, judgments or queries. A ranking goes on behind its shortlist in the order of
the codes. `ball` is the Hamming ball of the least radius that holds 100 documents on average, as the documents
themselves see it. Time is of one query on one thread, the median: TF-IDF over everything reads the postings of the
query's words (an inverted file); the second stage compares vectors as the service does; the features of the query are
given to all, its code is made in the time of those that need it.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix

from benchmarks.quality import read as read_labelled
from service.hashing.codes import Codes, hamming_distance, pack
from service.hashing.content import Text
from service.hashing.featurizers.text import TextFeaturizer
from service.hashing.function import HashFunction
from service.index.hamming.table import HammingTable
from service.search.rerank import Vector, cosines
from training.config import TrainingConfig
from training.data.split import id_positions
from training.fit.fit import learn

BALL = 100
"""Documents that the Hamming ball holds on average."""
TIMED = 200
"""Queries that are timed."""

Gains = NDArray[np.float32]
"""`(q, n)` relevance of each document to each query; what is zero is irrelevant."""


@dataclass(frozen=True)
class Task:
    """Documents and queries as features, and what is relevant to what.

    Attributes:
        name: of the corpus.
        documents: `(n, F)` features, rows of unit length.
        validation: `(m, F)` features for the early stop of the training: other documents, or some of the same.
        train: rows of `documents` that the network learns from.
        queries: `(q, F)` features.
        gains: `(q, n)`.
        judged: relevance has been judged for short queries; else it is a shared label.
    """

    name: str
    documents: csr_matrix
    validation: csr_matrix
    train: NDArray[np.int64]
    queries: csr_matrix
    gains: Gains
    judged: bool


@dataclass
class Row:
    """One method on one task: quality, and the cost of one query.

    `documents_compared` counts vectors that were multiplied, `codes_compared` codes whose distance was computed.
    """

    method: str
    n_bits: int | None
    figures: dict[str, float]
    us_per_query: float
    time_ratio: float
    documents_compared: float
    codes_compared: float
    curve: list[tuple[float, float]] = field(default_factory=list)


# --- reading ---------------------------------------------------------------------------------------------------------


def read(path: Path, judgments: Path | None = None) -> Task:
    """The task of a file; judgments of another file than those found beside it, if given."""
    beside = [path.with_name(f"queries.jsonl{suffix}") for suffix in ("", ".gz")]
    queries = next((file for file in beside if file.exists()), None)
    return _labelled(path) if queries is None else _judged(path, queries, judgments)


def _labelled(path: Path) -> Task:
    corpus = read_labelled(path)
    gains = (corpus.test_labels @ corpus.train_labels.T > 0).astype(np.float32)
    everything = np.arange(corpus.train.shape[0])
    return Task(corpus.name, corpus.train, corpus.validation, everything, corpus.test, gains, judged=False)


def _judged(path: Path, queries_path: Path, judgments: Path | None) -> Task:
    documents = _lines(path)
    ids = [str(d["_id"]) for d in documents]
    texts = [Text(f"{d.get('title', '')} {d['text']}".strip() or "empty") for d in documents]
    with (judgments or _judgments(path.parent)).open() as file:
        judged = [(q, d, float(score)) for q, d, score in list(csv.reader(file, delimiter="\t"))[1:]]
    asked = {str(q["_id"]): str(q["text"]) for q in _lines(queries_path)}
    query_ids = sorted({q for q, _, _ in judged if q in asked})
    row_of_query = {q: row for row, q in enumerate(query_ids)}
    row_of_document = {d: row for row, d in enumerate(ids)}
    gains = np.zeros((len(query_ids), len(ids)), dtype=np.float32)
    for q, d, score in judged:
        if q in row_of_query and d in row_of_document:
            gains[row_of_query[q], row_of_document[d]] = score
    is_validation = id_positions(ids) < 0.05
    train = np.flatnonzero(~is_validation)
    featurizer = TextFeaturizer().fit([texts[i] for i in train])
    features = featurizer.transform(texts)
    queries = featurizer.transform([Text(asked[q]) for q in query_ids])
    return Task(path.parent.name, features, features[is_validation], train, queries, gains, judged=True)


def _lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return [json.loads(line) for line in file]


def _judgments(folder: Path) -> Path:
    files = [folder / "qrels_test.tsv", folder / "qrels.tsv"]
    return next(file for file in files if file.exists())


# --- rankings --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Coded:
    """A task with codes of its documents and queries.

    Attributes:
        codes: `(n, n_bytes)` of the documents.
        query_codes: `(q, n_bytes)`.
        confidence: `(q, n_bits)` of the queries' bits.
        radius: of the ball.
    """

    task: Task
    function: HashFunction
    codes: Codes
    query_codes: Codes
    confidence: NDArray[np.float32]
    radius: int

    @classmethod
    def of(cls, task: Task, config: TrainingConfig) -> Coded:
        """Learn on the documents and encode everything."""
        train = task.documents[task.train]
        learning, _ = learn(train, task.validation, config.plan(train.shape[0]), config)
        function = learning.function(TextFeaturizer())
        codes = function.codes_of(task.documents)
        logits = function.logits(task.queries) - function.thresholds
        return cls(task, function, codes, pack(logits > 0), np.abs(logits), _radius_of_ball(codes))

    def by_code(self, query: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All documents in the order of the service, (distance, confidence, arrival), and their distances."""
        differing = np.bitwise_xor(self.codes, self.query_codes[query])
        flipped = np.unpackbits(differing, axis=1) @ self.confidence[query]
        distances = np.bitwise_count(differing).sum(axis=1, dtype=np.int64)
        order = np.lexsort((flipped, distances))
        return order, distances[order]


def _radius_of_ball(codes: Codes) -> int:
    """The least radius whose ball around a document holds `BALL` others on average."""
    rows = np.random.default_rng(0).choice(len(codes), min(500, len(codes)), replace=False)
    counts = np.zeros(8 * codes.shape[1] + 1)
    for row in rows:
        counts += np.bincount(hamming_distance(codes, codes[row]), minlength=len(counts))
    return int(np.argmax(np.cumsum(counts) / len(rows) > BALL))


def reranked(order: NDArray[np.int64], n: int, similar: NDArray[np.float32]) -> NDArray[np.int64]:
    """The first `n` documents of an order re-ranked by their cosines, ties as they were; then the others."""
    shortlist = order[:n]
    return np.concatenate([shortlist[np.argsort(-similar[shortlist], kind="stable")], order[n:]])


def n_of(shortlist: str, n_documents: int, distances: NDArray[np.int64], radius: int) -> int:
    """How many documents of a ranking with those distances a shortlist of that name holds."""
    if shortlist == "ball":
        return int(np.searchsorted(distances, radius, side="right"))
    if shortlist.endswith("%"):
        return round(n_documents * float(shortlist[:-1]) / 100)
    return min(int(shortlist), n_documents)


# --- measuring -------------------------------------------------------------------------------------------------------


class Quality:
    """Figures of a method, collected query by query."""

    def __init__(self, task: Task) -> None:
        n = task.documents.shape[0]
        self.task = task
        self.ranks = np.unique(np.minimum(2 ** np.arange(1, 30) - 1, n))
        self.figures: list[tuple[float, ...]] = []
        self.precision = np.zeros(len(self.ranks))
        self.recall = np.zeros(len(self.ranks))

    def add(self, query: int, ranking: NDArray[np.int64]) -> None:
        """One query's ranking of all documents; a query with nothing relevant counts nowhere."""
        gains = self.task.gains[query][ranking]
        n_relevant = int(np.count_nonzero(gains))
        if not n_relevant:
            return
        hits = np.cumsum(gains > 0)
        self.precision += hits[self.ranks - 1] / self.ranks
        self.recall += hits[self.ranks - 1] / n_relevant
        if self.task.judged:
            self.figures.append((ndcg(gains, 10), hits[min(100, len(hits)) - 1] / n_relevant))
        else:
            at = np.flatnonzero(gains)
            self.figures.append((hits[9] / 10, hits[99] / 100, float(np.mean(np.arange(1, n_relevant + 1) / (at + 1)))))

    def means(self) -> dict[str, float]:
        """The figures over all queries."""
        names = ("nDCG@10", "recall@100") if self.task.judged else ("P@10", "P@100", "mAP")
        return dict(zip(names, map(float, np.mean(self.figures, axis=0)), strict=True))

    def curve(self) -> list[tuple[float, float]]:
        """Mean (recall, precision) of the first 1, 3, 7, 15, ... documents, as the paper draws it."""
        n = len(self.figures)
        return list(zip((self.recall / n).tolist(), (self.precision / n).tolist(), strict=True))


def ndcg(gains: Gains, depth: int) -> float:
    """Normalized discounted cumulative gain of a ranking's gains, with linear gains.

    Source: Jarvelin, Kekalainen (2002), as trec_eval computes `ndcg_cut`.
    """
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    best = np.sort(gains)[::-1][:depth]
    return float((gains[:depth] * discounts[: len(gains)]).sum() / (best * discounts[: len(best)]).sum())


class Clock:
    """Times of one query by each method, in turns."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.postings = csr_matrix(task.documents.T)
        self.vectors = [vector_of(task.documents, row) for row in range(task.documents.shape[0])]
        rng = np.random.default_rng(0)
        self.queries = rng.permutation(task.queries.shape[0])[:TIMED].tolist()

    def everything(self, query: int) -> int:
        """TF-IDF over everything; returns the documents it met."""
        scores = self.task.queries[query] @ self.postings
        if scores.nnz > 100:
            np.argpartition(scores.data, scores.nnz - 100)
        return int(scores.nnz)

    def second_stage(self, query: int, rows: NDArray[np.int64]) -> None:
        """Re-rank the documents of a shortlist."""
        scores = cosines(vector_of(self.task.queries, query), [self.vectors[row] for row in rows.tolist()])
        np.argsort(-scores, kind="stable")

    def median_us(self, work: Callable[[int], object]) -> float:
        """Microseconds of a query, the median over queries, each the better of two."""
        times = []
        for query in self.queries:
            taken = []
            for _ in range(2):
                began = time.perf_counter()
                work(query)
                taken.append(time.perf_counter() - began)
            times.append(min(taken))
        return median(times) * 1e6


def vector_of(features: csr_matrix, row: int) -> Vector:
    """One row as the service keeps it."""
    begin, end = features.indptr[row : row + 2]
    return Vector(features.indices[begin:end].astype(np.int32), features.data[begin:end].copy())


def measure(task: Task, configs: Sequence[TrainingConfig], shortlists: Sequence[str]) -> Iterator[Row]:
    """Every row of the table, as it is measured."""
    clock = Clock(task)
    n = task.documents.shape[0]
    quality = Quality(task)
    for query, similar in _cosines(task):
        quality.add(query, np.argsort(-similar, kind="stable"))
    base_us = clock.median_us(clock.everything)
    met = float(np.mean([clock.everything(query) for query in clock.queries]))
    yield Row("TF-IDF over everything", None, quality.means(), base_us, 1.0, met, 0, quality.curve())
    for config in configs:
        coded = Coded.of(task, config)
        qualities = {name: Quality(task) for name in ("codes alone", *shortlists)}
        sizes: dict[str, list[int]] = {name: [] for name in shortlists}
        for query, similar in _cosines(task):
            order, distances = coded.by_code(query)
            qualities["codes alone"].add(query, order)
            for name in shortlists:
                size = n_of(name, n, distances, coded.radius)
                sizes[name].append(size)
                qualities[name].add(query, reranked(order, size, similar))
        table = HammingTable.build(coded.codes, np.arange(n))
        for name, measured in qualities.items():
            size = int(np.mean(sizes[name])) if name in sizes else 0
            us, n_codes = _cost(clock, coded, table, name, n)
            label = (
                name if not size else f"re-ranked: ball of {coded.radius}" if name == "ball" else f"re-ranked: {name}"
            )
            yield Row(label, config.n_bits, measured.means(), us, us / base_us, size, n_codes, measured.curve())


def _cost(clock: Clock, coded: Coded, table: HammingTable, name: str, n: int) -> tuple[float, float]:
    """Microseconds of a query by a method, code of the query included, and the codes it compares on average."""
    compared: list[int] = []

    def work(query: int) -> None:
        function, task = coded.function, coded.task
        logits = function.logits(task.queries[query]) - function.thresholds
        code = pack(logits > 0)
        if name == "ball":
            (found,) = table.within(code, coded.radius)
        else:
            size = 100 if name == "codes alone" else n_of(name, n, np.empty(0, np.int64), 0)
            (found,) = table.search(code, size, logits=logits)
        compared.append(found.stats.candidates)
        if name != "codes alone":
            clock.second_stage(query, found.keys)

    return clock.median_us(work), float(np.mean(compared))


def _cosines(task: Task) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Cosines of every document with each query."""
    documents = csr_matrix(task.documents.T)
    for start in range(0, task.queries.shape[0], 256):
        block = (task.queries[start : start + 256] @ documents).toarray()
        for row, similar in enumerate(block):
            yield start + row, similar


# --- showing ---------------------------------------------------------------------------------------------------------


def table_of(task: Task, rows: list[Row]) -> Table:
    """The rows for the screen."""
    table = Table(title=f"{task.name}: {task.documents.shape[0]:,} documents, {task.queries.shape[0]:,} queries")
    names = list(rows[0].figures)
    for heading in ("method", "bits", *names, "us", "time", "documents", "codes"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for row in rows:
        shown = [f"{row.figures[name]:.4f}" for name in names]
        cost = (f"{row.us_per_query:.0f}", f"{row.time_ratio:.2f}", f"{row.documents_compared:,.0f}")
        table.add_row(row.method, str(row.n_bits or ""), *shown, *cost, f"{row.codes_compared:,.0f}")
    return table


def plot(measured: dict[str, list[Row]], file: Path) -> None:
    """Precision-recall curves of each task, a panel each."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(measured), figsize=(6 * len(measured), 5), squeeze=False)
    for axis, (name, rows) in zip(axes[0], measured.items(), strict=True):
        widest = max(row.n_bits or 0 for row in rows)
        for row in (row for row in rows if row.n_bits in (None, widest)):
            recall, precision = zip(*row.curve, strict=True)
            label = row.method if row.n_bits is None else f"{row.method} ({row.n_bits} bits)"
            style = "k--" if row.n_bits is None else ":" if row.method == "codes alone" else "-"
            axis.plot(recall, precision, style, marker=".", label=label)
        axis.set(title=name, xlabel="recall", ylabel="precision", xscale="log")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(file, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path, help="bow.npz or corpus.jsonl[.gz]")
    parser.add_argument("--n-bits", default="64,128", help="widths of codes, comma-separated")
    parser.add_argument(
        "--shortlists",
        default="100,2%,ball",
        help="comma-separated: the nearest so many, or that share of all documents, or ball",
    )
    parser.add_argument("--training", type=json.loads, default={}, help='options of it: {"seed": 2, "corruption": 0.5}')
    parser.add_argument(
        "--judgments", type=Path, help="in place of those beside the corpus, to choose options on others"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--plot", type=Path, help="draw precision-recall curves there")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shortlists = options.shortlists.split(",")
    configs = [TrainingConfig.parse({"n_bits": int(n), **options.training}) for n in options.n_bits.split(",")]
    console, measured = Console(width=None if sys.stdout.isatty() else 130), {}
    for path in options.data:
        task, rows = read(path, options.judgments), []
        for row in measure(task, configs, shortlists):
            rows.append(row)
            figures = ", ".join(f"{name} {value:.3f}" for name, value in row.figures.items())
            Console(stderr=True).print(f"{task.name}: {row.method} {row.n_bits or ''}: {figures}")
        console.print(table_of(task, rows))
        measured[task.name] = rows
    if options.json:
        options.json.write_text(
            json.dumps({name: [asdict(r) for r in rows] for name, rows in measured.items()}, indent=1)
        )
    if options.plot:
        plot(measured, options.plot)


if __name__ == "__main__":
    main()
