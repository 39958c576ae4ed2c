"""What labels add: precision of codes that learned none, some or all of the labels of a corpus, measured in one run.

    python -m benchmarks.supervised DATA... [--shares 0,0.01,0.1,1] [--pairs 10000] [--n-bits 64] [--seed 1]

DATA is what `benchmarks/quality.py` reads, with labels. Of the training documents a share, drawn at random, has its
labels learned; or as many pairs of them are learned, half of which share a label. Queries are the test documents, of
which neither words nor labels are learned; they search all training documents, and what shares a label is relevant,
whether that label was learned or not. Ties count in expectation.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))
from corpora import Corpus, read
from quality import Score, measure, semantics

from service.hashing.codes import unpack
from service.hashing.featurizers.text import TextFeaturizer
from training.config import TrainingConfig, options_of
from training.data.supervision import Supervision
from training.fit.fit import learn, plan_for
from training.neighbors.exact import nearest


def labels_of(corpus: Corpus, share: float, seed: int) -> Supervision | None:
    """The labels of a share of the training documents; None of none."""
    n = corpus.train.shape[0]
    kept = np.random.default_rng(seed).permutation(n)[: round(share * n)]
    labels: list[list[str]] = [[] for _ in range(n)]
    for row in kept:
        labels[row] = [str(label) for label in np.flatnonzero(corpus.train_labels[row])]
    return Supervision.of(labels) if len(kept) else None


def pairs_of(corpus: Corpus, n_pairs: int, seed: int) -> Supervision:
    """So many pairs of training documents, drawn at random: half of them share a label, half do not."""
    rng, n = np.random.default_rng(seed), corpus.train.shape[0]
    ends = rng.integers(n, size=(200 * n_pairs, 2))
    alike = (corpus.train_labels[ends[:, 0]] * corpus.train_labels[ends[:, 1]]).sum(axis=1) > 0
    chosen = [*np.flatnonzero(alike)[: n_pairs // 2], *np.flatnonzero(~alike)[: n_pairs // 2]]
    return Supervision.of([[] for _ in range(n)], [(*ends[i].tolist(), bool(alike[i])) for i in chosen])


def score(corpus: Corpus, config: TrainingConfig, name: str, supervision: Supervision | None) -> Score:
    """The figures of codes that learned what is known of the training documents."""
    began, cpu = time.perf_counter(), time.process_time()
    plan, _ = plan_for(corpus.train, corpus.kind, config)
    learning, _ = learn(corpus.train, corpus.validation, plan, config, supervision=supervision)
    function = learning.function(TextFeaturizer())
    train, test = (unpack(function.codes_of(rows)).astype(bool) for rows in (corpus.train, corpus.test))
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    truth = nearest(semantics(corpus.test), semantics(corpus.train), 10).rows
    measured = measure(name, corpus, (train, test), truth)
    print(f"{corpus.name}: {name}: P@100 {measured.precision:.3f}", flush=True)
    return replace(measured, seconds=seconds, cpu_seconds=cpu_seconds)


def table_of(corpus: Corpus, rows: list[Score]) -> Table:
    """The rows for the screen."""
    size = f"{corpus.train.shape[0]:,} documents, {corpus.test.shape[0]:,} queries"
    table = Table(title=f"{corpus.name}: {size}")
    for heading in ("learned", "bits", "P@100", "worst", "mAP@100", "recall@10", "CPU s"):
        table.add_column(heading, justify="right")
    for row in rows:
        figures = (row.precision, row.precision_worst, row.mean_average_precision, row.recall)
        table.add_row(row.method, str(row.n_bits), *(f"{x:.3f}" for x in figures), f"{row.cpu_seconds:.0f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path, help="bow.npz, corpus.jsonl[.gz] or mnist.npz")
    parser.add_argument("--shares", default="0,0.01,0.1,1", help="of the labels, comma-separated")
    parser.add_argument("--pairs", default="", help="numbers of pairs, comma-separated")
    parser.add_argument("--n-bits", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="training options")
    options = parser.parse_args()
    config = TrainingConfig.parse({"n_bits": options.n_bits, "seed": options.seed, **options_of(options.set)})
    for path in options.data:
        corpus = read(path)
        shares = [float(share) for share in options.shares.split(",") if share]
        rows = [score(corpus, config, f"{x:.0%} of the labels", labels_of(corpus, x, config.seed)) for x in shares]
        for n in [int(n) for n in options.pairs.split(",") if n]:
            rows.append(score(corpus, config, f"{n:,} pairs", pairs_of(corpus, n, config.seed)))
        Console(width=None if sys.stdout.isatty() else 110).print(table_of(corpus, rows))


if __name__ == "__main__":
    main()
