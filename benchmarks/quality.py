"""Quality of learned codes beside every classical baseline, on one corpus, measured in one run.

    python -m benchmarks.quality DATA [--n-bits 16,32,64,128] [--variant neighbor] [--seeds 1,2,3] [--peers] [--json F]

DATA is a `bow.npz` (word counts, labels, three splits), a `tfidf.npz` (the same with weights, taken as they are), a
`corpus.jsonl[.gz]` with `label` (and `split`, else a tenth is held out by id) or an `.npz` of pictures as MNIST comes.
Labels score and do nothing else: no label and no test document touches the training or the choice of a model.
Protocol: the database holds the codes of the training documents, the queries are the test documents, ranked by Hamming
distance, relevant is what shares a label. Ties in distance count in expectation (McSherry, Najork 2008), or, in the
worst case, irrelevant documents first. Beside what is measured stands what is published on the same data. `--peers`
adds what a user would pick instead (extra `bench`): static word vectors and MiniLM, the cosine of their floats and
their bits by PCA + ITQ. The JSON file is written anew after each row.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import LinearOperator, eigsh, svds
from sklearn.svm import LinearSVC

sys.path.insert(0, str(Path(__file__).parent))
from corpora import Corpus, read
from peers import CACHE, PEERS, Vectors, embed
from published import PUBLISHED

from service.errors import InvalidInput
from service.hashing.codes import pack, unpack
from service.hashing.featurizers import Features
from service.hashing.featurizers.text import TextFeaturizer
from training.config import TrainingConfig, options_of
from training.evaluate import entropy
from training.fit.fit import learn, plan_for
from training.models.rotation import rotation
from training.neighbors.exact import SimilaritySpace, latent_axes, nearest
from training.neighbors.latent import LatentSpace
from training.recall import all_distances, expected_recall
from training.vectors import unit_features, unit_rows

DEPTH = 100
"""Ranks that count: precision and mAP at 100."""
PICTURE_DEPTH = 1_000
"""Ranks of the mAP that is usual for pictures: each has thousands of others of its kind."""

Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Score:
    """One row of the table."""

    method: str
    n_bits: int | None
    precision: float
    precision_worst: float
    mean_average_precision: float
    recall: float
    bit_entropy: float | None
    seconds: float
    cpu_seconds: float
    picture_average_precision: float | None = None


# --- methods: each gives bits of the training and of the test documents ----------------------------------------------


def random_hyperplanes(corpus: Corpus, n_bits: int, seed: int) -> tuple[Bits, Bits]:
    """Charikar (2002)."""
    planes = np.random.default_rng(seed).standard_normal((corpus.train.shape[1], n_bits)).astype(np.float32)
    return corpus.train @ planes > 0, corpus.test @ planes > 0


def lsa_median(corpus: Corpus, n_bits: int, seed: int) -> tuple[Bits, Bits]:
    """Latent semantic analysis, each axis cut at its median."""
    axes = latent_axes(corpus.train, n_bits, seed)
    train, test = corpus.train @ axes, corpus.test @ axes
    return train > np.median(train, axis=0), test > np.median(train, axis=0)


def _centered_pca(corpus: Corpus, n_bits: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Principal components of the features, without ever making them dense."""
    X = corpus.train
    mean = np.asarray(X.mean(axis=0)).ravel()
    centered = LinearOperator(
        X.shape,
        matvec=lambda v: X @ v - mean @ v,
        rmatvec=lambda u: X.T @ u - mean * u.sum(),
        matmat=lambda V: X @ V - mean @ V,
        rmatmat=lambda U: X.T @ U - np.outer(mean, U.sum(axis=0)),
        dtype=np.float64,
    )
    _, _, vt = svds(centered, n_bits, rng=np.random.default_rng(seed))
    axes = vt.T[:, ::-1]
    return (X @ axes - mean @ axes).astype(np.float32), (corpus.test @ axes - mean @ axes).astype(np.float32)


def pca_hashing(corpus: Corpus, n_bits: int, seed: int) -> tuple[Bits, Bits]:
    """Signs of centered principal components."""
    train, test = _centered_pca(corpus, n_bits, seed)
    return train > 0, test > 0


def lsa_itq(corpus: Corpus, n_bits: int, seed: int, rounds: int = 50) -> tuple[Bits, Bits]:
    """Iterative quantization of latent semantic analysis."""
    axes = latent_axes(corpus.train, n_bits, seed)
    train, test = corpus.train @ axes, corpus.test @ axes
    mean = train.mean(axis=0)
    return _itq(train - mean, test - mean, seed, rounds)


def rare_words_lsa_itq(corpus: Corpus, n_bits: int, seed: int, rounds: int = 50) -> tuple[Bits, Bits]:
    """Iterative quantization of unit vectors on latent axes where words count by one more power of their idf."""
    axes = LatentSpace.of(corpus.train, n_bits, 1.0, seed).axes
    train, test = unit_rows(corpus.train @ axes), unit_rows(corpus.test @ axes)
    mean = train.mean(axis=0)
    return _itq(train - mean, test - mean, seed, rounds)


def pca_itq(corpus: Corpus, n_bits: int, seed: int, rounds: int = 50) -> tuple[Bits, Bits]:
    """Iterative quantization of principal components, as in its paper."""
    return _itq(*_centered_pca(corpus, n_bits, seed), seed, rounds)


def _itq(train: NDArray[np.float32], test: NDArray[np.float32], seed: int, rounds: int) -> tuple[Bits, Bits]:
    """Signs after the rotation that brings centered axes nearest to the corners of a cube.

    Source: Gong, Lazebnik (2011), "Iterative quantization", section 3.
    """
    n_bits = train.shape[1]
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((n_bits, n_bits)))[0].astype(np.float32)
    for _ in range(rounds):
        u, _, vt = np.linalg.svd(np.sign(train @ rotation).T @ train)
        rotation = (u @ vt).T
    return train @ rotation > 0, test @ rotation > 0


def spectral_hashing(corpus: Corpus, n_bits: int, seed: int) -> tuple[Bits, Bits]:
    """Signs of the Laplacian's eigenfunctions for a uniform box along the principal components.

    Source: Weiss, Torralba, Fergus (2008), "Spectral hashing", section 4.
    """
    train, test = _centered_pca(corpus, n_bits, seed)
    low, high = train.min(axis=0) - 1e-6, train.max(axis=0) + 1e-6
    ranges = high - low
    frequencies = np.arange(1, n_bits + 1)[:, None] * np.pi / ranges[None, :]
    smallest = np.argsort(frequencies, axis=None, kind="stable")[:n_bits]
    mode, axis = np.unravel_index(smallest, frequencies.shape)
    omega = frequencies[mode, axis]

    def bits(rows: NDArray[np.float32]) -> Bits:
        return np.sin(np.pi / 2 + (rows[:, axis] - low[axis]) * omega) > 0

    return bits(train), bits(test)


def self_taught_hashing(corpus: Corpus, n_bits: int, seed: int, k: int = 25) -> tuple[Bits, Bits]:
    """Laplacian eigenmaps of the neighbor graph cut at their medians, then one linear SVM per bit for new documents.

    Source: Zhang, Wang, Cai, Lu (2010), "Self-taught hashing for fast similarity search", sections 3.1 and 3.2.
    """
    found = nearest(SimilaritySpace(corpus.train), SimilaritySpace(corpus.train), k, same=True)
    n = corpus.train.shape[0]
    graph = csr_matrix((found.similarities.ravel(), found.rows.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    graph = graph.maximum(graph.T)
    graph.data = np.maximum(graph.data, 1e-6)
    scale = diags(1 / np.sqrt(np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1e-12)))
    start = np.random.default_rng(seed).random(n)
    _, vectors = eigsh(scale @ graph @ scale, n_bits + 1, which="LA", v0=start)
    embedded = (scale @ vectors)[:, ::-1][:, 1:]
    train = embedded > np.median(embedded, axis=0)
    machines = [LinearSVC(C=1.0, random_state=seed, max_iter=200).fit(corpus.train, bit) for bit in train.T]
    return train, np.stack([machine.predict(corpus.test).astype(bool) for machine in machines], axis=1)


BASELINES: dict[str, Callable[[Corpus, int, int], tuple[Bits, Bits]]] = {
    "random hyperplanes": random_hyperplanes,
    "PCA hashing": pca_hashing,
    "LSA + median": lsa_median,
    "LSA + ITQ": lsa_itq,
    "LSA of idf^2 + ITQ": rare_words_lsa_itq,
    "spectral hashing": spectral_hashing,
    "self-taught hashing": self_taught_hashing,
}
PICTURE_BASELINES = {
    "random hyperplanes": random_hyperplanes,
    "PCA hashing": pca_hashing,
    "PCA + ITQ": pca_itq,
    "LSA + median": lsa_median,
    "LSA + ITQ": lsa_itq,
    "spectral hashing": spectral_hashing,
}
"""Self-taught hashing is left out: a support vector machine per bit on 57,000 pictures takes hours."""


def learned(corpus: Corpus, config: TrainingConfig) -> tuple[Bits, Bits]:
    """The codes of nearbit, trained on the training documents and validated without labels."""
    plan, _ = plan_for(corpus.train, corpus.kind, config)
    learning, _ = learn(corpus.train, corpus.validation, plan, config)
    function = learning.function(TextFeaturizer())
    return unpack(function.codes_of(corpus.train)).astype(bool), unpack(function.codes_of(corpus.test)).astype(bool)


# --- measuring -------------------------------------------------------------------------------------------------------


def rank_figures(
    levels: NDArray[np.int64], relevant: NDArray[np.bool_], depth: int = DEPTH
) -> tuple[float, float, float]:
    """Precision in expectation and in the worst case, and expected average precision, of one query at `depth`.

    Args:
        levels: `(n,)` distance of each document; equal ones tie.
        relevant: `(n,)`.
        depth: ranks that count.
    """
    sizes = np.bincount(levels)
    hits = np.bincount(levels, weights=relevant)
    ends = np.cumsum(sizes)
    position = np.arange(1, min(depth, len(levels)) + 1)
    group = np.searchsorted(ends, position)
    size, hit = sizes[group], hits[group]
    rank_in_group = position - (ends[group] - size)
    hits_before = np.cumsum(hits)[group] - hit
    chance = hit / size
    others = np.where(size > 1, (rank_in_group - 1) * (hit - 1) / np.maximum(size - 1, 1), 0)
    average_precision = (chance * (hits_before + 1 + others) / position).sum() / max(min(relevant.sum(), depth), 1)
    worst = np.clip(rank_in_group - (size - hit), 0, None)[-1] + hits_before[-1]
    return float(chance.mean()), float(worst / len(position)), float(average_precision)


def measure(method: str, corpus: Corpus, bits: tuple[Bits, Bits], truth: NDArray[np.int64]) -> Score:
    """Score bits of the training and the test documents."""
    codes, query_codes = pack(bits[0]), pack(bits[1])
    are_pictures = corpus.kind == "bits"
    figures: list[tuple[float, ...]] = []
    for start in range(0, len(query_codes), 256):
        part = slice(start, start + 256)
        distances = all_distances(query_codes[part], codes)
        relevant = corpus.test_labels[part] @ corpus.train_labels.T > 0
        for row in zip(distances, relevant, strict=True):
            figures.append((*rank_figures(*row), rank_figures(*row, PICTURE_DEPTH)[2] if are_pictures else 0))
    precision, worst, average, deep = np.mean(figures, axis=0)
    recall = expected_recall(query_codes, codes, truth, DEPTH)
    mean_entropy = float(entropy(bits[0].mean(axis=0)).mean())
    deeper = deep if are_pictures else None
    return Score(method, bits[0].shape[1], precision, worst, average, recall, mean_entropy, 0, 0, deeper)


def semantics(features: Features) -> SimilaritySpace:
    """Features as what similarity is measured on."""
    return SimilaritySpace(unit_features(features))


def exact_cosine(corpus: Corpus) -> Score:
    """The ranking by the cosine of the features themselves: what codes are to replace."""
    name = "TF-IDF cosine (exact)" if corpus.kind == "counts" else "cosine of pixels (exact)"
    return cosine_of(corpus, name, corpus.train, corpus.test)


def cosine_of(corpus: Corpus, name: str, train: Features, test: Features) -> Score:
    """The ranking by the cosine of features of the training and the test documents."""
    began, cpu = time.perf_counter(), time.process_time()
    are_pictures = corpus.kind == "bits"
    found = nearest(semantics(test), semantics(train), PICTURE_DEPTH if are_pictures else DEPTH).rows
    relevant = np.stack(
        [corpus.train_labels[rows] @ labels > 0 for rows, labels in zip(found, corpus.test_labels, strict=True)]
    )
    precision, average = float(relevant[:, :DEPTH].mean()), _average_precision(corpus, relevant[:, :DEPTH])
    deeper = _average_precision(corpus, relevant) if are_pictures else None
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    truth = nearest(semantics(corpus.test), semantics(corpus.train), 10).rows
    recall = float(np.mean([np.isin(true, rows).mean() for true, rows in zip(truth, found[:, :DEPTH], strict=True)]))
    return Score(name, None, precision, precision, average, recall, None, seconds, cpu_seconds, deeper)


def _average_precision(corpus: Corpus, relevant: NDArray[np.bool_]) -> float:
    """mAP of rankings without ties, as deep as they are: `(n_queries, depth)`."""
    n_relevant = (corpus.test_labels @ corpus.train_labels.T > 0).sum(axis=1)
    depth = relevant.shape[1]
    so_far = np.cumsum(relevant, axis=1) / np.arange(1, depth + 1)
    return float(((so_far * relevant).sum(axis=1) / np.clip(n_relevant, 1, depth)).mean())


def vectors_of(corpus: Corpus, peer: str) -> tuple[Vectors, Vectors]:
    """Vectors of the training and the test documents."""
    return embed(peer, corpus.train_texts, CACHE), embed(peer, corpus.test_texts, CACHE)


def peer_itq(corpus: Corpus, peer: str, n_bits: int, seed: int) -> tuple[Bits, Bits]:
    """Iterative quantization of a peer's vectors."""
    train, test = vectors_of(corpus, peer)
    axes, mean = rotation(train, n_bits, seed), train.mean(axis=0)
    return (train - mean) @ axes > 0, (test - mean) @ axes > 0


def peer_scores(corpus: Corpus, widths: list[int], seeds: list[int], truth: NDArray[np.int64]) -> Iterator[Score]:
    """Rows of the peers: their floats, and their bits, the mean over the seeds."""
    for peer in PEERS:
        yield cosine_of(corpus, f"{peer} cosine", *vectors_of(corpus, peer))
        for n_bits in widths:
            rows = []
            for seed in seeds:
                rows.append(timed(peer, corpus, truth, lambda p=peer, n=n_bits, s=seed: peer_itq(corpus, p, n, s)))  # type: ignore[misc]
            yield mean_of(f"{peer} + PCA + ITQ", rows)


def scores(
    corpus: Corpus,
    widths: list[int],
    variants: list[str],
    seeds: list[int],
    base: bool,
    options: Mapping[str, object],
    peers: bool = False,
) -> Iterator[Score]:
    """Every row of the table, as it is measured; after the rows of several seeds their mean."""
    truth = nearest(semantics(corpus.test), semantics(corpus.train), 10).rows
    yield exact_cosine(corpus)
    if peers:
        yield from peer_scores(corpus, widths, seeds, truth)
    baselines = BASELINES if corpus.kind == "counts" else PICTURE_BASELINES
    for n_bits in widths:
        for name, baseline in baselines.items() if base else ():
            yield timed(name, corpus, truth, lambda b=baseline, n=n_bits: b(corpus, n, seeds[0]))  # type: ignore[misc]
        for variant in variants:
            rows = []
            for seed in seeds:
                config = TrainingConfig.parse({"n_bits": n_bits, "variant": variant, "seed": seed, **options})
                rows.append(timed(f"{variant}, seed {seed}", corpus, truth, lambda c=config: learned(corpus, c)))  # type: ignore[misc]
                yield rows[-1]
            if len(rows) > 1:
                yield mean_of(f"{variant}, mean of {len(rows)}", rows)


def timed(name: str, corpus: Corpus, truth: NDArray[np.int64], method: Callable[[], tuple[Bits, Bits]]) -> Score:
    """Score a method that is run now."""
    began, cpu = time.perf_counter(), time.process_time()
    bits = method()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    return replace(measure(name, corpus, bits, truth), seconds=seconds, cpu_seconds=cpu_seconds)


def mean_of(name: str, rows: list[Score]) -> Score:
    """The mean of each figure over rows of one width."""
    table = [{k: v for k, v in asdict(row).items() if k not in ("method", "n_bits")} for row in rows]
    measured = [key for key, value in table[0].items() if value is not None]
    return Score(name, rows[0].n_bits, **{key: float(np.mean([row[key] for row in table])) for key in measured})


def table_of(corpus: Corpus, rows: list[Score]) -> Table:
    """The rows for the screen, with what is published on the same data."""
    size = f"{corpus.train.shape[0]:,} documents, {corpus.test.shape[0]:,} queries"
    table = Table(title=f"{corpus.name}: {size}")
    for heading in ("method", "bits", "P@100", "worst", "mAP@100", "mAP@1000", "recall@10", "entropy", "s", "CPU s"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for row in rows:
        averages = (row.mean_average_precision, row.picture_average_precision)
        figures = (row.precision, row.precision_worst, *averages, row.recall, row.bit_entropy)
        shown = ["" if x is None else f"{x:.3f}" for x in figures]
        table.add_row(row.method, str(row.n_bits or ""), *shown, f"{row.seconds:.1f}", f"{row.cpu_seconds:.1f}")
    widths = {row.n_bits for row in rows}
    for method, figures_of in PUBLISHED.get(corpus.name, {}).items():
        for n_bits, precision in figures_of.items():
            if n_bits in widths:
                table.add_row(f"published: {method}", str(n_bits), f"{precision:.3f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path, help="bow.npz, corpus.jsonl[.gz] or mnist.npz")
    parser.add_argument("--n-bits", default="16,32,64,128", help="widths of codes, comma-separated")
    parser.add_argument("--variant", default="neighbor", help="variants of the autoencoder, comma-separated; '' none")
    parser.add_argument("--seeds", default="1", help="comma-separated")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="training options, to compare")
    parser.add_argument("--no-baselines", action="store_true", help="measure the learned codes only")
    parser.add_argument("--peers", action="store_true", help="measure what a user would pick instead (raw texts only)")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0: all cores")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    widths = [int(n) for n in options.n_bits.split(",")]
    variants = [v for v in options.variant.split(",") if v]
    seeds = [int(s) for s in options.seeds.split(",")]
    # Piped output has no width of its own; the table needs this much.
    console = Console(width=None if sys.stdout.isatty() else 110)
    everything: dict[str, object] = {}
    for path in options.data:
        try:
            corpus, rows = read(path), []
        except InvalidInput as error:
            raise SystemExit(f"error: {error}") from None
        if options.peers and not corpus.train_texts:
            raise SystemExit(f"error: {corpus.name} has no texts that the peers could read")
        given = options_of(options.set)
        for score in scores(corpus, widths, variants, seeds, not options.no_baselines, given, options.peers):
            rows.append(score)
            Console(stderr=True).print(f"{score.method} {score.n_bits or ''}: P@100 {score.precision:.3f}")
            published = PUBLISHED.get(corpus.name, {})
            everything[corpus.name] = {"measured": [asdict(row) for row in rows], "published": published}
            if options.json:
                options.json.write_text(json.dumps(everything, indent=1))
        console.print(table_of(corpus, rows))


if __name__ == "__main__":
    main()
