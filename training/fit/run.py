"""TrainingRun: the one optimization loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.hashing.device import resolve_device
from service.hashing.featurizers import Features, Featurizer
from service.hashing.function import HashFunction
from service.hashing.network import network_input
from training.config import TrainingConfig
from training.data.batches import Dataset
from training.fit import checkpoint
from training.models import MODELS, Autoencoder, Batch, Plan
from training.neighbors.graph import Graph
from training.vectors import unit_rows

SATURATED_WITHIN = 0.05
SATURATED_SHARE = 0.9
_ROWS_AT_ONCE = 4096
_WARM_UP = 0.05
_SOME = 100_000
"""Most training documents that thresholds, and the bits to start from, are learned from."""


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


Progress = Callable[[Epoch], None]


class TrainingRun:
    """The one optimisation loop: Adam with a linear warm-up and decay, early stop, a checkpoint after each epoch.

    Args:
        train: what to learn from.
        validation: what the early stop looks at.
        plan: every number of the run.
        config: seed, device, variant.
        first: a learning that went before, whose layers but the last the encoder starts from.
        graph: its latent space, if the plan wants it, gives the word vectors that the encoder starts from otherwise.

    Attributes:
        model: the autoencoder; after `run` it holds the best weights.
        before: records of the learning that went before.
        history: one record per epoch done.
    """

    def __init__(
        self,
        train: Dataset,
        validation: Dataset,
        plan: Plan,
        config: TrainingConfig,
        first: TrainingRun | None = None,
        graph: Graph | None = None,
    ) -> None:
        self.train, self.validation, self.plan = train, validation, plan
        self.config = config
        self.device = torch.device(resolve_device(config.device))
        self.history: list[Epoch] = []
        self.before = [] if first is None else first.history
        drawn = torch.Generator().manual_seed(config.seed)
        self.model: Autoencoder = MODELS[config.variant](train.features.shape[1], plan)
        self.model.initialize(drawn, torch.from_numpy(train.mean_target()), train.row_length())
        if first is not None:
            self.model.start_from(first.model)
            self.model.start_bits(first.logits(train.features[_some(len(train))]), first.model, config.seed)
        elif graph is not None and graph.space is not None and plan.start_dims:
            width = self.model.encoder.first.shape[1]
            self.model.start_words(*graph.space.word_vectors(plan.start_dims, width, config.seed))
        self.model.to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=plan.learning_rate, fused=True)

    def run(self, progress: Progress | None, check: Callable[[], None], folder: Path | None, then: int = 0) -> None:
        """Train to the last epoch, or to an early stop; `then` epochs of another learning will follow."""
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
            self._epoch(epoch, check, then)
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

    def _epoch(self, epoch: int, check: Callable[[], None], then: int) -> None:
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
        before = [*self.before, *self.history]
        done, total = len(before) + 1, len(self.before) + self.plan.epochs + then
        eta_s = (seconds + sum(record.seconds for record in before)) / done * (total - done)
        self.history.append(Epoch(done, total, loss, parts, validation_loss, saturated, seconds, eta_s))

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

    def logits(self, features: Features) -> NDArray[np.float32]:
        """Logits `(n, n_bits)` float32 of features."""
        starts = range(0, features.shape[0], _ROWS_AT_ONCE)
        with torch.inference_mode():
            parts = [self.model.encoder(network_input(features[s : s + _ROWS_AT_ONCE], self.device)) for s in starts]
            logits: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
            return logits

    def view(self, features: Features) -> NDArray[np.float32]:
        """What the network sees in features: its logits, `(n, n_bits)` float32, rows of unit length."""
        return unit_rows(self.logits(features))

    def function(self, featurizer: Featurizer) -> HashFunction:
        """The hash function learned, on the CPU."""
        network = self.model.encoder.cpu().eval().requires_grad_(False)
        learned = HashFunction(featurizer, network, np.zeros(self.plan.n_bits, dtype=np.float32))
        rows = self.train.features[_some(len(self.train))]
        return replace(learned, thresholds=self.model.thresholds(learned.logits(rows)))

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


def _some(n: int) -> NDArray[np.int64]:
    """At most `_SOME` of `n` rows, evenly spread."""
    return np.linspace(0, n - 1, min(n, _SOME)).astype(np.int64)
