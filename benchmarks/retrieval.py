"""Search as people type: words, codes and both, through the service itself, on judged queries and on known items.

    python -m benchmarks.retrieval DATA... [--n-bits 64] [--options JSON] [--json FILE]

DATA is one of

- `corpus.jsonl[.gz]` with `queries.jsonl[.gz]` and judgments beside it (`qrels_test.tsv` or `qrels.tsv`, or what
  `--judgments` names): nDCG at 10 and recall at 100.
- `docstrings`: the corpus of the demonstration, titled by its dotted names, and `known_items.jsonl`: queries that were
  written before any system was asked, with the names that answer them. The share of queries that have a right one
  among the first ten and the first three, and the mean reciprocal rank.
- `paragraphs/LANGUAGE.jsonl`: questions, each with the one paragraph that answers it. The same figures.

Everything runs in this process on SQLite in a temporary folder: documents are put, words and codes followed, a retrain
is run to its end, and each query is one request for the use case behind `/search` or `/similar`. In brackets: the
interval of 95 % over 2,000 bootstrap samples of the queries. `gain` is nDCG at 10 less that of BM25, query by query.
CPU is of one query for ten matches, the median, of all threads of the process. The constants of the
ranking were chosen on nfcorpus dev, the odd queries of vaswani, the odd known items and three further sets
(docs/experiments.md), so of these tables nfcorpus test alone is of other queries.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from service.config import Settings
from service.hashing.content import from_wire
from service.ingest.collections import WordChanges
from service.search.request import QueryOptions, SearchRequest, TextOptions
from service.services import Services
from service.store import collections, leases, spaces
from service.store.documents import NewDocument
from training.worker import kinds

HERE = Path(__file__).parent
TIMED = 200
"""Queries that are timed."""
SAMPLES = 2_000
"""Of the bootstrap."""
KNOWN_ITEMS, BM25 = "known_items.jsonl", "BM25"
_AT_ONCE = 500
_FIELDS: Any = ["id"]

Ask = Callable[[str, int], Awaitable[list[str]]]
"""The ids that a query finds, best first, at most so many."""


@dataclass(frozen=True)
class Document:
    """One document of a task."""

    id: str
    text: str
    title: str | None = None


@dataclass(frozen=True)
class Task:
    """Documents, queries, and the gain of each right document of a query; a known item is any one of them."""

    name: str
    documents: list[Document]
    queries: list[str]
    gains: list[dict[str, float]]
    is_known_item: bool

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of what `judge` gives."""
        return ("nDCG@10", "first 10", "first 3", "MRR") if self.is_known_item else ("nDCG@10", "recall@100")

    def judge(self, query: int, ids: Sequence[str]) -> list[float]:
        """Figures of one ranking."""
        right = self.gains[query]
        gains = [right.get(id, 0.0) for id in ids]
        missed = [gain for id, gain in right.items() if id not in ids]
        value = ndcg(np.array([*gains, *[0.0] * (10 - len(gains)), *missed], dtype=np.float32), 10)
        found = np.flatnonzero(gains)
        if not self.is_known_item:
            return [value, len(found) / len(right)]
        first = int(found[0]) if len(found) else len(gains) + 10
        return [value, float(first < 10), float(first < 3), 1 / (first + 1) if first < 10 else 0.0]


def ndcg(gains: NDArray[np.float32], depth: int) -> float:
    """Normalized discounted cumulative gain of a ranking's gains, with linear gains.

    Source: Jarvelin, Kekalainen (2002), as trec_eval computes `ndcg_cut`.
    """
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    best = np.sort(gains)[::-1][:depth]
    return float((gains[:depth] * discounts[: len(gains)]).sum() / (best * discounts[: len(best)]).sum())


@dataclass
class Row:
    """One method on one task: figures of each query, and the CPU of one."""

    method: str
    figures: NDArray[np.float64]
    cpu_ms: float

    def means(self) -> list[float]:
        """The figures over all queries."""
        return [float(mean) for mean in self.figures.mean(axis=0)]


# --- reading ---------------------------------------------------------------------------------------------------------


def read(data: str, judgments: str | None, folder: Path) -> Task:
    """The task that an argument names."""
    if data == "docstrings":
        return _docstrings(folder / "docstrings.jsonl")
    path = Path(data)
    if not path.name.startswith("corpus."):
        lines = _lines(path)
        documents = [Document(d["id"], d["text"]) for d in lines]
        gains = [{d["id"]: 1.0} for d in lines]
        return Task(f"{path.parent.name}/{path.stem}", documents, [d["query"] for d in lines], gains, True)
    return _judged(path, judgments)


def _docstrings(path: Path) -> Task:
    command = [sys.executable, "-W", "ignore", "-m", "service.cli.demo.corpus", str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    documents = [Document(d["id"], d["text"], d.get("title", d["id"])) for d in _lines(path)]
    there = {d.id for d in documents}
    items = [(k["query"], {name: 1.0 for name in k["answers"] if name in there}) for k in _lines(HERE / KNOWN_ITEMS)]
    items = [(query, right) for query, right in items if right]
    return Task("docstrings", documents, [query for query, _ in items], [right for _, right in items], True)


def _judged(path: Path, judgments: str | None) -> Task:
    documents = [Document(str(d["_id"]), d["text"] or "empty", d.get("title") or None) for d in _lines(path)]
    there = {d.id for d in documents}
    names = [judgments] if judgments else ["qrels_test.tsv", "qrels.tsv"]
    file = next(path.with_name(name) for name in names if path.with_name(name).exists())
    gains: dict[str, dict[str, float]] = {}
    with file.open() as lines:
        for query, document, gain in list(csv.reader(lines, delimiter="\t"))[1:]:
            if document in there and float(gain) > 0:
                gains.setdefault(query, {})[document] = float(gain)
    beside = [path.with_name(f"queries.jsonl{suffix}") for suffix in ("", ".gz")]
    asked = {str(q["_id"]): str(q["text"]) for q in _lines(next(file for file in beside if file.exists()))}
    ids = sorted(id for id in gains if id in asked)
    return Task(path.parent.name, documents, [asked[id] for id in ids], [gains[id] for id in ids], False)


def _lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return [json.loads(line) for line in file]


# --- measuring -------------------------------------------------------------------------------------------------------


async def measure(task: Task, n_bits: int, options: Mapping[str, Any], folder: Path) -> list[Row]:
    """Every row of the table of one task."""
    settings = Settings(
        database_url=f"sqlite:///{folder / 'nearbit.db'}", data_dir=folder, device="cpu", train_threads=1
    )
    services = Services.open(settings)
    services.start()
    rows: list[Row] = []

    async def row(method: str, ask: Ask) -> None:
        rows.append(await _row(task, method, ask))
        figures = ", ".join(f"{n} {m:.3f}" for n, m in zip(task.figures, rows[-1].means(), strict=True))
        Console(stderr=True).print(f"{task.name}: {method}: {figures}", highlight=False)

    try:
        await _fill(services, task, "plain", n_bits, "none")
        await row("BM25, no stems", _queries(services, "plain", "words"))
        await services.collections.drop("plain")
        await _fill(services, task, "texts", n_bits, "auto")
        await row(BM25, _queries(services, "texts", "words"))
        await row("hybrid, untrained", _queries(services, "texts", "hybrid"))
        if len(task.documents) >= settings.min_train_documents:
            await _retrain(services, "texts", options)
            await row(f"code, {n_bits} bits", _queries(services, "texts", "code"))
            await row(f"similar, re-ranked, {n_bits} bits", _similar(services, "texts"))
            await row(f"hybrid, {n_bits} bits", _queries(services, "texts", "hybrid"))
    finally:
        await services.close()
    return rows


async def _row(task: Task, method: str, ask: Ask) -> Row:
    figures = [task.judge(i, await ask(query, 100)) for i, query in enumerate(task.queries)]
    times = []
    for query in task.queries[:TIMED]:
        began = time.process_time()
        await ask(query, 10)
        times.append(time.process_time() - began)
    return Row(method, np.array(figures), median(times) * 1e3)


async def _fill(services: Services, task: Task, name: str, n_bits: int, language: str) -> None:
    """A collection of the documents of a task, followed to its last change."""
    await services.collections.create(name, "text", n_bits, WordChanges(language=language))
    for start in range(0, len(task.documents), _AT_ONCE):
        part = task.documents[start : start + _AT_ONCE]
        new = [NewDocument(d.id, from_wire(text=d.text, title=d.title), {}) for d in part]
        await services.documents.add(name, new)
    await _followed(services, name)


async def _followed(services: Services, name: str) -> None:
    """Wait until words and codes in memory are those of the database, in the active space."""
    while True:
        with services.database.read() as connection:
            collection = collections.get(connection, name)
            space = spaces.active(connection, collection.id)
        replica, words = services.follower.replica(collection.id), services.follower.documents(collection.id)
        if replica is not None and words is not None and replica.space.version == space.version:
            behind = min(replica.applied_seq, words.read_seq) < collection.last_seq
            if not behind and len(words.words) == len(replica.table):
                return
        await asyncio.sleep(0.05)


async def _retrain(services: Services, name: str, options: Mapping[str, Any]) -> None:
    job = await services.spaces.retrain(name, {**options, "force": True})
    run = kinds(services.database, services.settings)
    arguments = (services.database, services.settings.lease_s, run, threading.Event())
    await asyncio.to_thread(leases.work, *arguments, once=True)
    with services.database.read() as connection:
        active = spaces.active(connection, collections.get(connection, name).id)
    if active.version == 1:
        raise RuntimeError(f"the retrain {job.id} has failed")
    await _followed(services, name)


def _queries(services: Services, name: str, rank: str) -> Ask:
    async def ask(query: str, k: int) -> list[str]:
        options = QueryOptions.model_validate({"k": k, "rank": rank, "fields": _FIELDS})
        (result,) = await services.search.answer(
            SearchRequest.of(options, kind="search", collection=name, texts=[query])
        )
        return [match.document.id for match in result.matches]

    return ask


def _similar(services: Services, name: str) -> Ask:
    async def ask(query: str, k: int) -> list[str]:
        options = TextOptions(k=k, rerank="features", fields=_FIELDS)
        (result,) = await services.search.answer(SearchRequest.of(options, collection=name, texts=[query]))
        return [match.document.id for match in result.matches]

    return ask


# --- showing ---------------------------------------------------------------------------------------------------------


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The interval of 95 % of the mean, by bootstrap over queries."""
    rows = np.random.default_rng(0).integers(0, len(values), (SAMPLES, len(values)))
    low, high = np.quantile(values[rows].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def table_of(task: Task, rows: list[Row]) -> Table:
    """The rows for the screen."""
    table = Table(title=f"{task.name}: {len(task.documents):,} documents, {len(task.queries):,} queries")
    for heading in ("method", *task.figures, "gain", "CPU ms"):
        table.add_column(heading, justify="left" if heading == "method" else "right", no_wrap=True)
    base = next(row for row in rows if row.method == BM25).figures[:, 0]
    for row in rows:
        shown = [_with_interval(row.figures[:, j], "{:.3f}") for j in range(2 - task.is_known_item)]
        shown += [f"{mean:.3f}" for mean in row.means()[len(shown) :]]
        gain = "" if row.method == BM25 else _with_interval(row.figures[:, 0] - base, "{:+.3f}")
        table.add_row(row.method, *shown, gain, f"{row.cpu_ms:.2f}")
    return table


def _with_interval(values: NDArray[np.float64], form: str) -> str:
    low, high = interval(values)
    return f"{form.format(values.mean())} [{form.format(low)}, {form.format(high)}]"


def missed(task: Task, row: Row) -> Iterator[tuple[str, str]]:
    """The queries for known items without a right document in the first ten, and those in the first three."""
    for name in task.figures[1:3] if task.is_known_item else ():
        column = task.figures.index(name)
        yield name, "; ".join(q for q, figures in zip(task.queries, row.figures, strict=True) if not figures[column])


def main() -> None:
    """Print a table of each task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="corpus.jsonl[.gz], docstrings, or a file of paragraphs")
    parser.add_argument("--n-bits", type=int, default=64, help="width of codes")
    parser.add_argument("--options", type=json.loads, default={}, help='of the retrain: {"neighbors": 5}')
    parser.add_argument("--judgments", help="file beside the corpus, in place of qrels_test.tsv or qrels.tsv")
    parser.add_argument("--json", type=Path, help="write the means there")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    console, written = Console(width=None if sys.stdout.isatty() else 150), {}
    for data in arguments.data:
        with tempfile.TemporaryDirectory(prefix="nearbit-retrieval-") as name:
            task = read(data, arguments.judgments, Path(name))
            rows = asyncio.run(measure(task, arguments.n_bits, arguments.options, Path(name)))
        console.print(table_of(task, rows))
        for figure, lost in missed(task, rows[-1]):
            console.print(f"{rows[-1].method}: not among the {figure}: {lost}", highlight=False)
        written[task.name] = [
            {"method": r.method, "cpu_ms": r.cpu_ms, **dict(zip(task.figures, r.means(), strict=True))} for r in rows
        ]
    if arguments.json:
        arguments.json.write_text(json.dumps(written, indent=1))


if __name__ == "__main__":
    main()
