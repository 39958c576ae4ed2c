"""From documents to a hash function: split, featurizer, neighbor graph, one or two training runs, thresholds.

Read `fit` from top to bottom: it is the experiment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scipy.sparse import csr_matrix

from service.errors import InvalidInput
from service.hashing.analysis import Analyzer, decide_language
from service.hashing.content import Contents, Image, Text, of_kind
from service.hashing.featurizers import Features, Featurizer
from service.hashing.featurizers.embedding import EmbeddingFeaturizer
from service.hashing.featurizers.image import ImageFeaturizer
from service.hashing.featurizers.text import TextFeaturizer
from service.hashing.function import HashFunction
from training.config import TrainingConfig
from training.data.split import Split, first_by_id, split
from training.data.supervision import Supervision
from training.fit.records import Keep, Record, landmark_rows
from training.fit.run import Epoch, Progress, TrainingRun
from training.models import Plan
from training.neighbors.graph import Graph
from training.neighbors.rarity_choice import RarityChoice, choose_rarity

MAX_JUDGED = 10_000
"""Most validation documents, and most held-out documents, whose loss is computed."""


class Cancelled(Exception):
    """The training stopped because it was cancelled."""


@dataclass(frozen=True)
class FitResult:
    """A learned hash function, and how it was learned.

    Attributes:
        function: the hash function, on the CPU.
        plan: every number of the run.
        history: figures of each epoch, those of a first network first.
        held_out_loss: reconstruction loss of the held-out documents from hard bits, in nats per document.
        n_documents: number of documents in each part of the split: train, validation, held_out.
        seconds: duration of each stage: features, graph, first network, network.
        choice: what the corpus itself was asked for; None if nothing was left to it.
        is_binary: the training was to drive the code units to 0 and 1.
        supervision: what people said of the training documents, and was learned from; None: nothing was.
    """

    function: HashFunction
    plan: Plan
    history: list[Epoch]
    held_out_loss: float
    n_documents: dict[str, int]
    seconds: dict[str, float]
    choice: RarityChoice | None
    is_binary: bool
    supervision: Supervision | None = None


def fit(
    contents: Contents,
    ids: Sequence[str],
    config: TrainingConfig,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    checkpoint_dir: Path | None = None,
    supervision: Supervision | None = None,
    record: Callable[[Record, Sequence[str]], None] | None = None,
) -> FitResult:
    """A hash function learned from documents; a document's id alone decides whether it is held out.

    Args:
        contents: at least three documents.
        ids: the documents' ids, unique.
        config: the training options.
        progress: called after each epoch; may raise to stop the run.
        cancelled: called before each batch; if it returns true the run stops. It may also raise to stop the run.
        checkpoint_dir: folder for checkpoints. A fit of the same documents with the same options resumes from the
            last checkpoint, with equal results bit for bit.
        supervision: what people said of these documents; what they said of validation and held-out documents is not
            looked at. It needs the variant `neighbor`.
        record: takes what is measured once per one per cent of the steps, and the ids of the documents, of the
            validation part, that it is measured on. It must not block. None: nothing is measured.

    Returns:
        The hash function, the plan, and the figures of each epoch.

    Raises:
        Cancelled: `cancelled` returned true.
        InvalidInput: fewer than three documents, no two of them share a word, or nothing is said of training documents.
    """
    clock = _Clock()
    check_cancelled = _raise_if(cancelled)
    parts = split(ids)
    learned_said = None if supervision is None else _of_training_documents(supervision, parts, config)
    learned_from = [contents[i] for i in parts.train]
    featurizer, output = featurizer_for(learned_from, config)
    featurizer.fit(learned_from)
    judged = [first_by_id(rows, ids, MAX_JUDGED) for rows in (parts.validation, parts.held_out)]
    train, validation, held_out = (  # each (n, F)
        featurizer.transform([contents[i] for i in rows]) for rows in (parts.train, *judged)
    )
    clock.lap("features")
    landmarks = [ids[judged[0][row]] for row in landmark_rows(len(judged[0]))]
    plan, choice = plan_for(train, output, config, check_cancelled)
    run, graph = learn(
        train,
        validation,
        plan,
        config,
        progress=progress,
        check_cancelled=check_cancelled,
        checkpoint_dir=checkpoint_dir,
        supervision=learned_said,
        keep=None if record is None else lambda one: record(one, landmarks),
    )
    clock.lap("graph")
    for name, epochs in (("first network", run.before), ("network", run.history)):
        clock.move("graph", name, sum(epoch.seconds for epoch in epochs))
    held_out_loss, _ = run.validate(graph.dataset(held_out, check_cancelled))
    function = run.function(featurizer)
    counts = {"train": len(parts.train), "validation": len(parts.validation), "held_out": len(parts.held_out)}
    history = [*run.before, *run.history]
    is_binary = run.model.has_binary_units and plan.noise > plan.noise_start  # noise that grows drives them there
    return FitResult(function, plan, history, held_out_loss, counts, clock.laps, choice, is_binary, learned_said)


def plan_for(
    train: Features, output: str, config: TrainingConfig, check_cancelled: Callable[[], None] = lambda: None
) -> tuple[Plan, RarityChoice | None]:
    """Every number of a run on these features, and what the corpus was asked for; None if nothing was left to it.

    Args:
        train: `(n, F)` features of the training documents.
        output: what they are: counts, bits or reals.
        config: the options; a `rarity` that is given stays.
        check_cancelled: called between steps; may raise to stop the run.
    """
    plan = config.plan(train.shape[0], output, train.shape[1])
    asks = plan.neighbors and plan.lsa_weight and "rarity" not in config.explicit
    if output != "counts" or not asks or not isinstance(train, csr_matrix):
        return plan, None
    choice = choose_rarity(train, plan.lsa_dims, config.seed, check_cancelled)
    return replace(plan, rarity=choice.rarity), choice


def learn(
    train: Features,
    validation: Features,
    plan: Plan,
    config: TrainingConfig,
    *,
    progress: Progress | None = None,
    check_cancelled: Callable[[], None] = lambda: None,
    checkpoint_dir: Path | None = None,
    supervision: Supervision | None = None,
    keep: Keep | None = None,
) -> tuple[TrainingRun, Graph]:
    """A network learned from features, and the neighbor graph that its targets were made with.

    If the plan has `first_epochs`, a wide network is trained first, with the neighbors found by features. Its logits
    find better neighbors: they refine the graph, and the network of n_bits starts from its layers.

    Args:
        train: `(n, F)` features of the training documents.
        validation: `(m, F)` features of the validation documents, for the early stop.
        plan: every number of the run.
        config: seed, device, variant.
        progress: called after each epoch; may raise to stop the run.
        check_cancelled: called before each batch; may raise to stop the run.
        checkpoint_dir: folder for checkpoints; None: no checkpoints.
        supervision: what people said of the training documents; both networks learn it.
        keep: takes what is measured once per one per cent of the steps of both networks. None: nothing is measured.

    Returns:
        The run of the network of n_bits (`before` has the epochs of the first network), and the graph.
    """
    graph = Graph.of(train, plan, config.seed)
    first: TrainingRun | None = None
    if plan.first_epochs:
        datasets = graph.dataset(train, check_cancelled, same=True), graph.dataset(validation, check_cancelled)
        if supervision is not None:
            vectors = None if graph.view is None else graph.view(train)
            supervised = replace(datasets[0], supervision=supervision, vectors=vectors, has_cosines=True)
            datasets = supervised, datasets[1]
        first = TrainingRun(*datasets, plan.first(), config, graph=graph)
        first_dir = None if checkpoint_dir is None else checkpoint_dir / "first"
        first.run(progress, check_cancelled, first_dir, plan.epochs, keep)
        graph = graph.refined(first.view, plan.refined_neighbors, n_near=plan.near_neighbors, n_partners=plan.partners)
    datasets = graph.dataset(train, check_cancelled, same=True), graph.dataset(validation, check_cancelled)
    if first is not None and (plan.likeness or plan.nearest_likeness or supervision is not None):
        datasets = replace(datasets[0], vectors=first.view(train), supervision=supervision), datasets[1]
    elif plan.nearest_likeness or supervision is not None:
        datasets = replace(datasets[0], has_cosines=True, supervision=supervision), datasets[1]
    run = TrainingRun(*datasets, plan, config, first, graph)
    run.run(progress, check_cancelled, checkpoint_dir, keep=keep)
    return run, graph


def featurizer_for(contents: Contents, config: TrainingConfig) -> tuple[Featurizer, str]:
    """The featurizer, not yet fitted, for at least one content, and the kind of its features: counts, bits or reals."""
    if isinstance(contents[0], Text):
        texts = [content.whole for content in of_kind(contents, Text)]
        analyzer = Analyzer(decide_language(texts) if config.language == "auto" else config.language)
        return TextFeaturizer(config.max_features, config.min_df, analyzer, config.word_parts), "counts"
    if isinstance(contents[0], Image):
        return ImageFeaturizer(config.image_size, config.image_color), "bits"
    return EmbeddingFeaturizer(), "reals"


def _of_training_documents(supervision: Supervision, parts: Split, config: TrainingConfig) -> Supervision:
    """What people said of the training documents.

    Raises:
        InvalidInput: the variant cannot learn from it, or it is nothing.
    """
    if config.variant != "neighbor":
        raise InvalidInput(f"supervise needs variant 'neighbor', got {config.variant!r}")
    said = supervision.among(parts.train)
    if not said.says_something:
        raise InvalidInput(
            f"supervise needs two of the {len(parts.train):,} training documents that share a label or are a pair, "
            f"got {said.n_labelled} documents with a label, none of them shared, and no pair"
        )
    return said


class _Clock:
    """Durations of stages, in seconds."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """Record the time since the last call as the duration of this stage."""
        now = time.monotonic()
        self.laps[name] = now - self._last
        self._last = now

    def move(self, name: str, other: str, seconds: float) -> None:
        """Move seconds from one stage to another; the first keeps at least 0, since a resumed fit may move more."""
        self.laps[name] = max(0.0, self.laps[name] - seconds)
        self.laps[other] = seconds


def _raise_if(cancelled: Callable[[], bool] | None) -> Callable[[], None]:
    """A function that raises `Cancelled` when `cancelled` returns true."""

    def check_cancelled() -> None:
        if cancelled is not None and cancelled():
            raise Cancelled("the training was cancelled")

    return check_cancelled
