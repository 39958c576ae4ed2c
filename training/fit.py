"""From documents to a hash function: featurizer, neighbor graph, the one optimisation loop, thresholds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from service.errors import InvalidInput
from service.hashing.content import Content, Contents, Image, Text
from service.hashing.featurizers import Features, Featurizer
from service.hashing.featurizers.embedding import EmbeddingFeaturizer
from service.hashing.featurizers.image import ImageFeaturizer
from service.hashing.featurizers.text import TextFeaturizer
from service.hashing.function import HashFunction
from service.hashing.network import network_input
from training import checkpoint
from training.config import TrainingConfig
from training.dataset import Dataset, split
from training.models import MODELS, Autoencoder, Batch, Plan
from training.neighbors import Semantics, averaging, latent, latent_axes, nearest, unit_rows

SATURATED_WITHIN = 0.05
SATURATED_SHARE = 0.9
_OWN_SHARE = 1 / 21
_WARM_UP = 0.05
_THRESHOLD_ROWS = 100_000
"""Most training documents that thresholds are learned from."""


class Cancelled(Exception):
    """The training was asked to stop, and did."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """How one pass over the training documents went.

    Attributes:
        epoch: from 1.
        epochs: how many there will be, unless it stops early.
        loss: mean training loss, in nats per document.
        parts: the same by part.
        validation_loss: reconstruction loss of the validation documents from hard bits, in nats per document.
        saturated: share of their code units within 0.05 of 0 or 1, without noise.
        seconds: how long it took.
        eta_s: seconds that the remaining passes will take.
    """

    epoch: int
    epochs: int
    loss: float
    parts: dict[str, float]
    validation_loss: float
    saturated: float
    seconds: float
    eta_s: float


@dataclass(frozen=True)
class FitResult:
    """What a fit gives.

    Attributes:
        function: the hash function, on the CPU.
        plan: every number of the run.
        history: one record per epoch.
        held_out_loss: reconstruction loss of the held-out documents from hard bits, in nats per document.
        n_documents: documents in each part of the split.
        seconds: wall time of each stage.
    """

    function: HashFunction
    plan: Plan
    history: list[Epoch]
    held_out_loss: float
    n_documents: dict[str, int]
    seconds: dict[str, float]


Progress = Callable[[Epoch], None]


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
    featurizer, output = _featurizer(contents[0], config)
    featurizer.fit([contents[i] for i in parts.train])
    train, validation, held_out = (
        featurizer.transform([contents[i] for i in rows]) for rows in (parts.train, parts.validation, parts.held_out)
    )
    clock.lap("features")
    plan = config.plan(len(parts.train), output)
    graph = Graph(train, plan, config.seed)
    learning = Learning(graph.dataset(train, check, same=True), graph.dataset(validation, check), plan, config)
    clock.lap("neighbors")
    learning.run(progress, check, checkpoint_dir)
    clock.lap("epochs")
    held_out_loss, _ = learning.validate(graph.dataset(held_out, check))
    function = learning.function(featurizer)
    counts = {"train": len(parts.train), "validation": len(parts.validation), "held_out": len(parts.held_out)}
    return FitResult(function, plan, learning.history, held_out_loss, counts, clock.laps)


class Graph:
    """The training documents as a source of targets: what a document's decoder must give.

    Args:
        features: `(m, F)` of the training documents.
        plan: how many neighbors, and by which similarity.
        seed: of the latent axes.
    """

    def __init__(self, features: Features, plan: Plan, seed: int) -> None:
        check_output(features, plan.output)
        self.features = features
        self.plan = plan
        self._axes: NDArray[np.float32] | None = None
        if plan.neighbors and plan.lsa_weight > 0 and min(features.shape) > 2:
            self._axes = latent_axes(features, plan.lsa_dims, seed)
        self._semantics = self._of(features)

    def _of(self, features: Features) -> Semantics:
        beside = None if self._axes is None else latent(features, self._axes)
        rows = unit_rows(features) if isinstance(features, np.ndarray) else features
        return Semantics(rows, beside, self.plan.lsa_weight)

    def dataset(self, features: Features, check: Callable[[], None], *, same: bool = False) -> Dataset:
        """Documents with their targets; `same` says that they are the training documents themselves."""
        output = self.plan.output
        if not self.plan.neighbors:
            return Dataset(features, sources(features, output), None, output)
        queries = self._semantics if same else self._of(features)
        found = nearest(queries, self._semantics, self.plan.neighbors, same=same, check=check)
        averages = averaging(found, self.features.shape[0], _OWN_SHARE if same else 0.0)
        return Dataset(features, sources(self.features, output), averages, output)


class Learning:
    """The one optimisation loop: Adam with a linear warm-up and decay, early stop, a checkpoint after each epoch.

    Attributes:
        model: the autoencoder; after `run` it holds the best weights.
        history: one record per epoch done.
    """

    def __init__(self, train: Dataset, validation: Dataset, plan: Plan, config: TrainingConfig) -> None:
        self.train, self.validation, self.plan = train, validation, plan
        self.config = config
        self.device = _device(config.device)
        self.history: list[Epoch] = []
        drawn = torch.Generator().manual_seed(config.seed)
        self.model: Autoencoder = MODELS[config.variant](train.features.shape[1], plan)
        self.model.initialize(drawn, torch.from_numpy(train.mean_target()), train.row_length())
        self.model.to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=plan.learning_rate, fused=True)

    def run(self, progress: Progress | None, check: Callable[[], None], folder: Path | None) -> None:
        """Train to the last epoch, or to an early stop."""
        mark = ""
        best: dict[str, Tensor] = {}
        if folder is not None:
            mark = checkpoint.fingerprint(self.train.features, f"{self.config.model_dump_json()} {self.plan}")
            if kept := checkpoint.load(folder, mark, self.model, self.optimizer):
                best, about = kept
                self.history = [Epoch(**record) for record in about["history"]]
        if not self.history:
            self._prepare(check)
        patience = self.config.patience or max(3, self.plan.epochs // 4)
        for epoch in range(len(self.history), self.plan.epochs):
            if self._stale() >= patience:
                break
            self._epoch(epoch, check)
            if self._best() == epoch:
                best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
            if folder is not None:
                about = {"fingerprint": mark, "history": [asdict(record) for record in self.history]}
                checkpoint.save(folder, self.model, self.optimizer, best, about)
            if progress is not None:
                progress(self.history[-1])
        self.model.load_state_dict(best)

    def _prepare(self, check: Callable[[], None]) -> None:
        rng = np.random.default_rng([self.config.seed])
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(1 << 62)))

        def batches() -> Iterator[Batch]:
            for batch in self._batches((0.0, 0.0), rng):
                check()
                yield batch

        self.model.prepare(batches, generator)

    def _batches(self, span: tuple[float, float], rng: np.random.Generator) -> Iterator[Batch]:
        plan = self.plan
        return self.train.batches(plan.batch_size, plan.corruption, span, rng, self.device, plan.corruption_kind)

    def _epoch(self, epoch: int, check: Callable[[], None]) -> None:
        began = time.monotonic()
        # Drawn anew from (seed, epoch), so that an epoch is the same after a restart.
        rng = np.random.default_rng([self.config.seed, epoch])
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(1 << 62)))
        span = epoch / self.plan.epochs, (epoch + 1) / self.plan.epochs
        sums: dict[str, float] = {}
        n_batches = 0
        for batch in self._batches(span, rng):
            check()
            for group in self.optimizer.param_groups:
                group["lr"] = self.plan.learning_rate * annealed(batch.progress)
            self.optimizer.zero_grad()
            losses = self.model.accumulate(batch, generator)
            self.optimizer.step()
            n_batches += 1
            for name, part in losses.parts.items():
                sums[name] = sums.get(name, 0.0) + float(part.detach())
        parts = {name: total / n_batches for name, total in sums.items()}
        loss = sum(parts.values())
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss became {loss} in epoch {epoch + 1}: lower learning_rate")
        validation_loss, saturated = self.validate(self.validation)
        seconds = time.monotonic() - began
        spent = seconds + sum(record.seconds for record in self.history)
        eta_s = spent / (epoch + 1) * (self.plan.epochs - epoch - 1)
        self.history.append(Epoch(epoch + 1, self.plan.epochs, loss, parts, validation_loss, saturated, seconds, eta_s))

    def validate(self, documents: Dataset) -> tuple[float, float]:
        """Reconstruction loss in nats per document, as `Autoencoder.hard_loss` has it, and share of saturated units."""
        loss, saturated = 0.0, 0
        for start in range(0, len(documents), self.plan.batch_size):
            rows = np.arange(start, min(start + self.plan.batch_size, len(documents)))
            target = torch.from_numpy(documents.targets(rows)).to(self.device)
            part, units = self.model.hard_loss(network_input(documents.features[rows], self.device), target)
            loss += float(part) * len(rows)
            saturated += int(((units < SATURATED_WITHIN) | (units > 1 - SATURATED_WITHIN)).sum())
        return loss / len(documents), saturated / (len(documents) * self.plan.n_bits)

    def function(self, featurizer: Featurizer) -> HashFunction:
        """The hash function learned, on the CPU."""
        network = self.model.encoder.cpu().eval().requires_grad_(False)
        learned = HashFunction(featurizer, network, np.zeros(self.plan.n_bits, dtype=np.float32))
        rows = np.linspace(0, len(self.train) - 1, min(len(self.train), _THRESHOLD_ROWS)).astype(np.int64)
        return replace(learned, thresholds=self.model.thresholds(learned.logits(self.train.features[rows])))

    def _rank(self, record: Epoch) -> tuple[bool, float]:
        """Saturated epochs before all others, then the lower validation loss."""
        return self.plan.noise == 0 or record.saturated >= SATURATED_SHARE, -record.validation_loss

    def _best(self) -> int:
        return max(range(len(self.history)), key=lambda i: self._rank(self.history[i]))

    def _stale(self) -> int:
        """Epochs since the best one, if it may be the last."""
        if not self.history or not self._rank(self.history[self._best()])[0]:
            return 0
        return len(self.history) - 1 - self._best()


def annealed(progress: float) -> float:
    """The step size at that share of the training, relative to its peak: a linear rise to 1, then linearly to 0."""
    return min(progress / _WARM_UP + 0.01, (1 - progress) / (1 - _WARM_UP), 1.0)


def sources(features: Features, output: str) -> Features:
    """What targets of that kind are made of: the features; for bits of texts, which words are there."""
    if output == "bits" and isinstance(features, csr_matrix):
        present = features.copy()
        present.data = np.ones_like(features.data)
        return present
    return features


def check_output(features: Features, output: str) -> None:
    """Refuse features that cannot be of that kind.

    Raises:
        InvalidInput: counts below zero, or dense bits outside 0..1.
    """
    if not isinstance(features, np.ndarray) or output == "reals":
        return
    low, high = float(features.min()), float(features.max())
    if low < 0 or (output == "bits" and high > 1):
        wanted = "between 0 and 1" if output == "bits" else "0 or more"
        raise InvalidInput(f"output {output!r} needs features {wanted}, they lie between {low:.3g} and {high:.3g}")


def _featurizer(content: Content, config: TrainingConfig) -> tuple[Featurizer, str]:
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


def _checker(cancelled: Callable[[], bool] | None) -> Callable[[], None]:
    def check() -> None:
        if cancelled is not None and cancelled():
            raise Cancelled("the training was cancelled")

    return check


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)
