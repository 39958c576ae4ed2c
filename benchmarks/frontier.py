"""Topics against the very nearest: P@100 by label and recall@10 of every recipe, as a table and as a plot.

    python -m benchmarks.frontier DATA... [--n-bits 64] [--recipes "topics;both"] [--json FILE] [--plot FILE]

DATA is what `benchmarks/quality.py` takes, with the same protocol: database of the training documents, test documents
as queries, ties in expectation; recall@10 is the share of the ten nearest by features among the hundred nearest by
code. A point that the JSON file already has is not measured again: delete it there to do so. Without DATA the plot is
drawn from the file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import torch

matplotlib.use("Agg")
from matplotlib import pyplot

sys.path.insert(0, str(Path(__file__).parent))
from corpora import Corpus, read
from quality import BASELINES, Bits, Score, exact_cosine, learned, semantics, timed

from service.errors import InvalidInput
from training.config import TrainingConfig
from training.neighbors.exact import nearest

RECIPES: Mapping[str, Mapping[str, object]] = {
    "topics": {},
    "both": {"aim": "both"},
    "nearest": {"aim": "nearest"},
    "topics, likeness 0": {"likeness": 0},
    "topics, 100 refined neighbors": {"refined_neighbors": 100},
    "topics, partners, near targets": {"partners": 10, "near_neighbors": 5},
}
"""Options of the variant `neighbor`, by the name of the point."""
CLASSICAL = ("LSA + ITQ", "self-taught hashing")
COSINE = "cosine of the features, no code"

Points = dict[str, dict[str, dict[str, float]]]
"""By corpus and width, and by recipe: precision, mAP, recall, CPU seconds."""


def measure(corpus: Corpus, n_bits: int, recipes: list[str], seed: int) -> Iterator[tuple[str, Score]]:
    """Each recipe with its score, as soon as it is measured."""
    truth = nearest(semantics(corpus.test), semantics(corpus.train), 10).rows
    for recipe in recipes:
        if recipe == COSINE:
            yield recipe, exact_cosine(corpus)
        else:
            yield recipe, timed(recipe, corpus, truth, partial(bits_of, corpus, n_bits, recipe, seed))


def bits_of(corpus: Corpus, n_bits: int, recipe: str, seed: int) -> tuple[Bits, Bits]:
    """The codes of the training and of the test documents by one recipe."""
    if recipe in BASELINES:
        return BASELINES[recipe](corpus, n_bits, seed)
    return learned(corpus, TrainingConfig.parse({"n_bits": n_bits, "seed": seed, **RECIPES[recipe]}))


def point_of(score: Score) -> dict[str, float]:
    """What the file keeps of a score."""
    return {
        "precision": round(float(score.precision), 4),
        "mAP": round(float(score.mean_average_precision), 4),
        "recall": round(float(score.recall), 4),
        "cpu_seconds": round(score.cpu_seconds, 1),
    }


def draw(points: Points, path: Path) -> None:
    """One panel for each corpus and width; a line joins the codes that no other is as good as at both."""
    figure, axes = pyplot.subplots(1, len(points), figsize=(7 * len(points), 5.6), squeeze=False, layout="constrained")
    for axis, (title, recipes) in zip(axes.flat, points.items(), strict=True):
        for name, point in recipes.items():
            marker = "o" if name in RECIPES else "s"
            axis.plot(point["recall"], point["precision"], marker, color="C0" if name in RECIPES else "C7")
            side, shift = ("left", 6) if point["recall"] < 0.6 else ("right", -6)
            place = point["recall"], point["precision"]
            axis.annotate(name, place, (shift, 4), textcoords="offset points", ha=side, fontsize=8)
        best = frontier({name: point for name, point in recipes.items() if name != COSINE})
        axis.plot(*zip(*((recipes[n]["recall"], recipes[n]["precision"]) for n in best), strict=True), "C0-", alpha=0.4)
        axis.margins(0.16, 0.08)
        axis.set(title=title, xlabel="recall@10 of the nearest, among 100 by code", ylabel="P@100 by label")
    figure.savefig(path, dpi=110)


def frontier(points: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Names of the points that no other point is as good as at both figures, by rising recall."""
    names = sorted(points, key=lambda name: (points[name]["recall"], points[name]["precision"]))
    rest = [max((points[n]["precision"] for n in names[i + 1 :]), default=-np.inf) for i in range(len(names))]
    return [name for name, other in zip(names, rest, strict=True) if points[name]["precision"] > other]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", type=Path, help="bow.npz, corpus.jsonl[.gz] or mnist.npz")
    parser.add_argument("--n-bits", type=int, default=64)
    parser.add_argument("--recipes", help="names, separated by a semicolon; all by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0: all cores")
    parser.add_argument("--json", type=Path, default=Path("docs/frontier.json"), help="the points, read and written")
    parser.add_argument("--plot", type=Path, default=Path("docs/frontier.png"))
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    everything = [COSINE, *CLASSICAL, *RECIPES]
    asked = options.recipes.split(";") if options.recipes else everything
    if unknown := set(asked) - set(everything):
        raise SystemExit(f"error: no recipe {', '.join(sorted(unknown))}; there are {'; '.join(everything)}")
    points: Points = json.loads(options.json.read_text()) if options.json.exists() else {}
    for path in options.data:
        try:
            corpus = read(path)
        except InvalidInput as error:
            raise SystemExit(f"error: {error}") from None
        known = points.setdefault(f"{corpus.name}, {options.n_bits} bits", {})
        missing = [name for name in asked if name not in known]
        for name, score in measure(corpus, options.n_bits, missing, options.seed):
            known[name] = point_of(score)
            print(f"{corpus.name}, {name}: {known[name]}", flush=True)
            options.json.write_text(json.dumps(points, indent=1) + "\n")
    if not points:
        raise SystemExit(f"error: {options.json} has no points; name a corpus")
    draw(points, options.plot)


if __name__ == "__main__":
    main()
