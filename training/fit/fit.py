"""From documents to a hash function: featurizer, neighbor graph, the one optimisation loop, thresholds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from service.hashing.content import Content, Contents, Image, Text
from service.hashing.featurizers import Features, Featurizer
from service.hashing.featurizers.embedding import EmbeddingFeaturizer
from service.hashing.featurizers.image import ImageFeaturizer
from service.hashing.featurizers.text import TextFeaturizer
from service.hashing.function import HashFunction
from training.config import TrainingConfig
from training.data.split import first_by_id, split
from training.fit.run import Epoch, Progress, TrainingRun
from training.models import Plan
from training.neighbors.graph import Graph

MAX_JUDGED = 10_000
"""Most validation documents, and most held-out ones, whose loss is computed."""


class Cancelled(Exception):
    """The training was asked to stop, and did."""


@dataclass(frozen=True)
class FitResult:
    """What a fit gives.

    Attributes:
        function: the hash function, on the CPU.
        plan: every number of the run.
        history: one record per epoch.
        held_out_loss: reconstruction loss of the held-out documents from hard bits, in nats per document.
        n_documents: documents in each part of the split.
        seconds: wall time of each stage: features, graph, first network, network.
    """

    function: HashFunction
    plan: Plan
    history: list[Epoch]
    held_out_loss: float
    n_documents: dict[str, int]
    seconds: dict[str, float]


def fit(
    contents: Contents,
    ids: Sequence[str],
    config: TrainingConfig,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    checkpoint_dir: Path | None = None,
) -> FitResult:
    """Learn a hash function from documents; their ids alone say which are held out.

    Args:
        contents: at least three documents.
        ids: theirs, unique.
        config: what to learn, and how.
        progress: called after each epoch.
        cancelled: asked between batches; a yes raises `Cancelled`, what it raises passes through.
        checkpoint_dir: where the last epoch is kept; a fit that finds there its own goes on from it, bit for bit.

    Raises:
        Cancelled: `cancelled` said so.
        InvalidInput: too few documents, or they share no words.
    """
    clock = _Clock()
    check = _checker(cancelled)
    parts = split(ids)
    featurizer, output = featurizer_for(contents[0], config)
    featurizer.fit([contents[i] for i in parts.train])
    judged = [first_by_id(rows, ids, MAX_JUDGED) for rows in (parts.validation, parts.held_out)]
    train, validation, held_out = (featurizer.transform([contents[i] for i in rows]) for rows in (parts.train, *judged))
    clock.lap("features")
    plan = config.plan(len(parts.train), output)
    learning, graph = learn(train, validation, plan, config, progress=progress, check=check, folder=checkpoint_dir)
    clock.lap("graph")
    for name, epochs in (("first network", learning.before), ("network", learning.history)):
        clock.move("graph", name, sum(epoch.seconds for epoch in epochs))
    held_out_loss, _ = learning.validate(graph.dataset(held_out, check))
    function = learning.function(featurizer)
    counts = {"train": len(parts.train), "validation": len(parts.validation), "held_out": len(parts.held_out)}
    return FitResult(function, plan, [*learning.before, *learning.history], held_out_loss, counts, clock.laps)


def learn(
    train: Features,
    validation: Features,
    plan: Plan,
    config: TrainingConfig,
    *,
    progress: Progress | None = None,
    check: Callable[[], None] = lambda: None,
    folder: Path | None = None,
) -> tuple[TrainingRun, Graph]:
    """Learn from features alone; returns what was learned, and the graph that its targets came from.

    Where the plan says so, a wide network learns first, from the neighbors that the features show. Documents that it
    sees alike are better neighbors: the graph is drawn anew by them, and the network of n_bits goes on from its layers.

    Args:
        train: `(n, F)` features of the training documents.
        validation: `(m, F)` features of others, for the early stop.
        plan: every number of the run.
        config: seed, device, variant.
        progress: called after each epoch.
        check: called between batches; what it raises ends the learning.
        folder: where the last epoch is kept.
    """
    graph = Graph.of(train, plan, config.seed)
    first: TrainingRun | None = None
    if plan.first_epochs:
        datasets = graph.dataset(train, check, same=True), graph.dataset(validation, check)
        first = TrainingRun(*datasets, plan.first(), config, graph=graph)
        first.run(progress, check, None if folder is None else folder / "first", then=plan.epochs)
        graph = graph.refined(first.view, plan.refined_neighbors)
    datasets = graph.dataset(train, check, same=True), graph.dataset(validation, check)
    if first is not None and plan.likeness:
        datasets = replace(datasets[0], view=first.view), datasets[1]
    learning = TrainingRun(*datasets, plan, config, first, graph)
    learning.run(progress, check, folder)
    return learning, graph


def featurizer_for(content: Content, config: TrainingConfig) -> tuple[Featurizer, str]:
    """A featurizer for contents of that kind, and what their features are: counts, bits or reals."""
    if isinstance(content, Text):
        return TextFeaturizer(config.max_features, config.min_df), "counts"
    if isinstance(content, Image):
        return ImageFeaturizer(config.image_size, config.image_color), "bits"
    return EmbeddingFeaturizer(), "reals"


class _Clock:
    """Wall time of stages."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """The stage of that name ends here."""
        now = time.monotonic()
        self.laps[name] = now - self._last
        self._last = now

    def move(self, name: str, other: str, seconds: float) -> None:
        """So many seconds of one stage were another's; more than it has if an earlier run of the same fit took them."""
        self.laps[name] = max(0.0, self.laps[name] - seconds)
        self.laps[other] = seconds


def _checker(cancelled: Callable[[], bool] | None) -> Callable[[], None]:
    def check() -> None:
        if cancelled is not None and cancelled():
            raise Cancelled("the training was cancelled")

    return check
