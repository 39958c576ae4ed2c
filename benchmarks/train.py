"""How fast nearbit learns and encodes: documents a second by stage, and what is spent outside matrix work.

    python benchmarks/train.py [CORPUS] [--n 100000] [--n-bits 64] [--device cpu|cuda] [--threads N] [--json FILE]

CORPUS is a JSONL file, plain or gzip, as for `python -m training fit`; without one, N short documents are drawn by a
law of real vocabularies (see `synthetic.py`). A thread beside the run notes the CPU seconds spent, so that each stage
has its own beside its wall seconds. Bandwidth is that of copying a gibibyte on the device, measured in the same run;
the share of it is what a step of learning must move at least (weights, gradients, moments), or encoding (word
vectors).
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from bisect import bisect
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from threading import Event, Thread

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from synthetic import synthetic_texts
from torch.profiler import ProfilerActivity, profile

from service.hashing.content import Contents, Text
from service.hashing.device import resolve_device
from service.hashing.featurizers import Features
from service.hashing.function import HashFunction
from service.hashing.network import SparseBatch
from training.config import TrainingConfig
from training.data.readers import read_corpus
from training.evaluate import evaluate
from training.fit.fit import FitResult, fit
from training.fit.run import Epoch, TrainingRun
from training.neighbors.graph import Graph

STEPS = 40
DOCUMENTS_PROFILED = 20_000
DOCUMENTS_ENCODED = 50_000
KINDS = {
    "products": ("aten::addmm", "aten::mm", "aten::bmm"),
    "word vectors": ("word vectors", "aten::_embedding_bag", "aten::_embedding_bag_dense_backward", "aten::index_add_"),
    "softmax": ("aten::_log_softmax", "aten::_log_softmax_backward_data"),
    "Adam": ("aten::_fused_adam_",),
}
"""What torch, or `record_function`, calls the work; whatever else it does is 'other'."""


@dataclass(frozen=True)
class Stage:
    """One stage: how long it took, for how many documents."""

    name: str
    documents: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.documents / max(self.seconds, 1e-9)

    @property
    def per_cpu_second(self) -> float:
        return self.documents / max(self.cpu_seconds, 1e-9)


class CpuClock:
    """Remembers how many CPU seconds this process had spent when: `cpu_at(wall)`."""

    def __init__(self) -> None:
        self.marks = [(time.monotonic(), time.process_time())]
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.mark()

    def mark(self) -> float:
        self.marks.append((time.monotonic(), time.process_time()))
        return self.marks[-1][0]

    def between(self, start: float, end: float) -> float:
        return self.cpu_at(end) - self.cpu_at(start)

    def cpu_at(self, wall: float) -> float:
        i = min(max(bisect(self.marks, (wall, float("inf"))), 1), len(self.marks) - 1)
        (w0, c0), (w1, c1) = self.marks[i - 1 : i + 1]
        return c0 + (c1 - c0) * min(max((wall - w0) / max(w1 - w0, 1e-9), 0), 1)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.mark()


# --- fit and encode --------------------------------------------------------------------------------------------------


def timed_fit(ids: list[str], contents: Contents, config: TrainingConfig) -> tuple[FitResult, list[Stage]]:
    """A fit, and its stages; documents of a network are those it saw, each as often as it did."""
    clock = CpuClock()
    ends: list[float] = []

    def report_epoch(epoch: Epoch) -> None:
        ends.append(clock.mark())
        line = f"epoch {epoch.epoch}/{epoch.epochs}: {epoch.seconds:.0f} s, validation {epoch.validation_loss:.4f}"
        print(f"{line}, peak {peak_gib():.1f} GiB", file=sys.stderr, flush=True)

    began = clock.mark()
    result = fit(contents, ids, config, progress=report_epoch)
    done = clock.mark()
    clock.stop()
    n = result.n_documents["train"]
    spans = [(end - epoch.seconds, end) for end, epoch in zip(ends, result.history, strict=True)]
    sums = np.cumsum([0.0, *(epoch.seconds for epoch in result.history)])
    n_first = int(np.argmin(np.abs(sums - result.seconds["first network"])))
    featured = began + result.seconds["features"]
    epochs = {"first network": spans[:n_first], "network": spans[n_first:]}
    cpu = {name: sum(clock.between(*span) for span in part) for name, part in epochs.items()}
    cpu["features"] = clock.between(began, featured)
    cpu["graph"] = clock.between(featured, ends[-1]) - cpu["first network"] - cpu["network"]
    seen = {"features": n, "graph": n, "first network": n * n_first, "network": n * (len(spans) - n_first)}
    stages = [Stage(name, seen[name], result.seconds[name], cpu[name]) for name in seen]
    return result, [*stages, Stage("fit", n, done - began, clock.between(began, done))]


def timed_encode(function: HashFunction, contents: Contents) -> list[Stage]:
    """Codes of some documents, from text and from features."""

    def lap() -> tuple[float, float]:
        return time.monotonic(), time.process_time()

    at = [lap()]
    features = function.featurizer.transform(contents)
    at.append(lap())
    function.codes_of(features)
    at.append(lap())
    n = len(contents)
    names = ("encode: features", "encode: network", "encode")
    spans = ((at[0], at[1]), (at[1], at[2]), (at[0], at[2]))
    return [Stage(name, n, b[0] - a[0], b[1] - a[1]) for name, (a, b) in zip(names, spans, strict=True)]


# --- what a step is made of ------------------------------------------------------------------------------------------


def shares_of_a_step(features: Features, config: TrainingConfig, n: int) -> tuple[dict[str, float], float]:
    """Milliseconds of one step of the network by kind of work, and the bytes that it must move.

    Args:
        features: some training documents; a graph is made of these alone.
        config: of the run.
        n: documents of the run, which the plan follows from.
    """
    plan = config.plan(n)
    plan = replace(plan, neighbors=plan.refined_neighbors or plan.neighbors, first_epochs=0)
    dataset = Graph.of(features, plan, config.seed).dataset(features, lambda: None, same=True)
    run = TrainingRun(dataset, dataset, plan, config)
    if plan.likeness:  # as a first network of about this size would see them
        run.train = replace(dataset, vectors=run.view(features))
    generator = torch.Generator(run.device).manual_seed(config.seed)
    on_card = run.device.type == "cuda"

    def synchronized() -> float:
        if on_card:
            torch.cuda.synchronize()
        return time.perf_counter()

    def steps(n_steps: int) -> tuple[float, float]:
        """Seconds of preparing batches and of learning from them."""
        batches = iter(run._batches((0.0, 0.5), np.random.default_rng(config.seed)))
        preparing = working = 0.0
        for _ in range(n_steps):
            start = synchronized()
            batch = next(batches)
            ready = synchronized()
            run.step(batch, generator)
            preparing, working = preparing + ready - start, working + synchronized() - ready
        return preparing, working

    n_steps = min(STEPS, len(dataset) // plan.batch_size)
    steps(2)
    preparing, working = steps(n_steps)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_card else [])]
    with profile(activities=activities) as seen:
        steps(n_steps)
    spent = {e.key: e.self_device_time_total if on_card else e.self_cpu_time_total for e in seen.key_averages()}
    # The profiler also sees tensors made while batches are prepared, and slows small work down: it gives proportions.
    total = sum(spent.values())
    parts = {kind: sum(spent.get(name, 0.0) for name in names) / total for kind, names in KINDS.items()}
    parts["other"] = 1 - sum(parts.values())
    milliseconds = {"batches": preparing / n_steps * 1e3}
    milliseconds |= {kind: share * working / n_steps * 1e3 for kind, share in parts.items()}
    weights = sum(p.numel() for p in run.model.parameters())
    batch = next(iter(run._batches((0.0, 0.5), np.random.default_rng(config.seed))))
    if run.words is not None and isinstance(batch.input, SparseBatch):
        n_waiting = run.model.encoder.n_features - len(batch.input.indices[batch.input.values != 0].unique())
        weights -= n_waiting * run.model.encoder.first.shape[1]
    # Written once and read once: gradient; read and written: weight, two moments.
    return milliseconds, weights * 4 * (2 + 6)


def copy_bandwidth(device: str) -> float:
    """Bytes a second read and written by copying a gibibyte, the best of five."""
    source = torch.zeros(1 << 28, device=device)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(5):
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        start = time.perf_counter()
        target.copy_(source)
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * source.nbytes / best


def peak_gib() -> float:
    """Most memory this process has held, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


# --- the command -----------------------------------------------------------------------------------------------------


def read(path: Path | None, n: int, seed: int) -> tuple[list[str], list[Text]]:
    """The documents of a file, or drawn ones."""
    if path is not None:
        ids, contents = read_corpus(path)
        return ids[:n], contents[:n]
    return [f"d{i}" for i in range(n)], [Text(text) for text in synthetic_texts(n, seed)]


def tables(stages: list[Stage], milliseconds: dict[str, float], figures: dict[str, float]) -> list[Table]:
    """For the screen."""
    speed = Table(title="documents a second")
    for heading in ("stage", "documents", "s", "CPU s", "a second", "a CPU second"):
        speed.add_column(heading, justify="left" if heading == "stage" else "right")
    for s in stages:
        rates = f"{s.per_second:,.0f}", f"{s.per_cpu_second:,.0f}"
        speed.add_row(s.name, f"{s.documents:,}", f"{s.seconds:.1f}", f"{s.cpu_seconds:.1f}", *rates)
    step = Table("work", "ms", "share", title="one step of the network")
    for kind, spent in milliseconds.items():
        step.add_row(kind, f"{spent:.2f}", f"{spent / sum(milliseconds.values()):.0%}")
    rest = Table("figure", "value", title="the run")
    for name, value in figures.items():
        rest.add_row(name, f"{value:,.3f}")
    return [speed, step, rest]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?", type=Path, help="corpus.jsonl[.gz]; without it documents are drawn")
    parser.add_argument("--n", type=int, default=100_000, help="documents to draw, or most to read")
    parser.add_argument("--n-bits", type=int, default=64, help="width of the codes")
    parser.add_argument("--seed", type=int, default=1, help="of the documents drawn and of the training")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0: all cores")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other training option")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    said = {name: json.loads(value) for name, _, value in (pair.partition("=") for pair in options.set)}
    device = resolve_device(options.device)
    config = TrainingConfig.parse({"n_bits": options.n_bits, "seed": options.seed, "device": device} | said)
    ids, contents = read(options.corpus, options.n, options.seed)
    result, stages = timed_fit(ids, contents, config)
    fit_peak = peak_gib()
    for stage in stages:
        print(f"{stage.name}: {stage.seconds:.0f} s, {stage.cpu_seconds:.0f} CPU s", file=sys.stderr, flush=True)
    function = result.function.to(device)
    stages += timed_encode(function, contents[:DOCUMENTS_ENCODED])
    n_train = result.n_documents["train"]
    features = function.featurizer.transform(list(islice(contents, DOCUMENTS_PROFILED)))
    milliseconds, step_bytes = shares_of_a_step(features, config, n_train)
    bandwidth = copy_bandwidth(device)
    step_seconds = sum(milliseconds.values()) / 1e3
    n_words = 0 if isinstance(features, np.ndarray) else features.nnz / features.shape[0]
    encode_bytes = 4 * function.network.hidden[0] * n_words if function.network.hidden else 0
    encoding = next(s for s in stages if s.name == "encode: network")
    report = evaluate(result.function.to("cpu"), contents, ids)
    work = sum(milliseconds[kind] for kind in ("products", "word vectors", "softmax"))
    figures = {
        "threads": torch.get_num_threads(),
        "batch size": result.plan.batch_size,
        "peak memory of fit, GiB": fit_peak,
        "share of a step outside products, word vectors and softmax": 1 - work / step_seconds / 1e3,
        "bandwidth of a copy, GB/s": bandwidth / 1e9,
        "share of it in a step": step_bytes / step_seconds / bandwidth,
        "share of it in encoding": encode_bytes * encoding.per_second / bandwidth,
        "saturated": report.saturated,
        **{f"recall@10 among {report.shortlist}, {name}": value for name, value in report.recall.items()},
    }
    console = Console(width=None if sys.stdout.isatty() else 110)
    for table in tables(stages, milliseconds, figures):
        console.print(table)
    if options.json:
        kept = {
            "documents": len(ids),
            "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
            "stages": [asdict(s) | {"per_second": s.per_second, "per_cpu_second": s.per_cpu_second} for s in stages],
            "step_ms": milliseconds,
            "figures": figures,
            "plan": asdict(result.plan),
            "validation_loss": [epoch.validation_loss for epoch in result.history],
        }
        options.json.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
