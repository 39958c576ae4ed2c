"""TrainingRun: one network, trained by the one optimization loop, from features and targets to its best weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from service.hashing.device import resolve_device
from service.hashing.featurizers import Features, Featurizer
from service.hashing.function import HashFunction
from service.hashing.network import SparseBatch, network_input
from training.config import TrainingConfig
from training.data.batches import Dataset
from training.fit import checkpoint
from training.fit.records import SATURATED_WITHIN as SATURATED_WITHIN
from training.fit.records import Keep, Recorder
from training.fit.word_vectors import WordVectors
from training.models import MODELS, Autoencoder, Batch, Losses, Plan
from training.neighbors.graph import Graph
from training.vectors import unit_rows

SATURATED_SHARE = 0.9
"""An epoch counts as saturated if at least this share of the units is."""
_WARM_UP = 0.05
"""Share of the training over which the step size rises."""
CHECKPOINT_EVERY_S = 10.0
"""Smallest time between two checkpoints of a run: each writes all weights four times, and many epochs are shorter."""
_ROWS_AT_ONCE = 4096
MAX_SAMPLE = 100_000
"""Most training documents from which thresholds and the first weights of the bits are computed."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """Figures of one pass over the training documents.

    Attributes:
        epoch: number of the pass, from 1; the passes of a first network are counted too.
        epochs: number of passes planned; an early stop makes fewer.
        loss: mean training loss, in nats per document.
        parts: each named part of that loss.
        validation_loss: reconstruction loss of the validation documents from hard bits, in nats per document.
        saturated: share of the validation documents' code units within 0.05 of 0 or 1, without noise.
        seconds: duration of the pass.
        eta_s: estimated duration of the remaining passes, in seconds.
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
"""Called after each epoch; may raise to stop the run."""


class TrainingRun:
    """The one optimization loop: Adam with a linear warm-up and decay, early stop, checkpoints between epochs.

    Args:
        train: documents to learn from.
        validation: documents whose loss decides the early stop.
        plan: every number of the run.
        config: seed, device, variant.
        first: the run of the first network, if there was one: the encoder starts from its layers.
        graph: source of the word vectors that the encoder starts from if there was no first network and the plan has
            `start_dims`.

    Attributes:
        model: the autoencoder; after `run` it holds the best weights.
        before: epochs of the first network.
        history: epochs of this network.
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
        generator = torch.Generator().manual_seed(config.seed)
        self.model: Autoencoder = MODELS[config.variant](train.features.shape[1], plan)
        self.model.initialize(generator, torch.from_numpy(train.mean_target()), train.row_length())
        if first is not None:
            self.model.start_from(first.model)
            self.model.start_bits(first.logits(train.features[_evenly_spread(len(train))]), first.model, config.seed)
        elif graph is not None and graph.space is not None and plan.start_dims:
            width = self.model.encoder.first.shape[1]
            self.model.start_words(*graph.space.word_vectors(plan.start_dims, width, config.seed))
        self.model.to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=plan.learning_rate, fused=True)
        by_word = isinstance(train.features, csr_matrix) and self.model.has_plain_first_layer
        on_cpu = self.device.type == "cpu"
        self.words = WordVectors(self.model.encoder.first, self.optimizer) if by_word and on_cpu else None

    def run(
        self,
        progress: Progress | None,
        check_cancelled: Callable[[], None],
        checkpoint_dir: Path | None,
        epochs_after: int = 0,
        keep: Keep | None = None,
    ) -> None:
        """Train to the last epoch or to an early stop, and leave the best weights in `model`.

        Args:
            progress: called after each epoch.
            check_cancelled: called before each batch; may raise to stop the run.
            checkpoint_dir: folder for the checkpoint; a run with equal inputs resumes from it. None: no checkpoint.
            epochs_after: epochs of the network that is trained after this one, for the estimate of the time left.
            keep: takes what is measured once per one per cent of all steps. None: nothing is measured.

        Raises:
            FloatingPointError: the loss is no longer finite.
        """
        fingerprint = ""
        best: dict[str, Tensor] = {}
        if checkpoint_dir is not None:
            fingerprint = checkpoint.fingerprint(self.train.features, f"{self.config.model_dump_json()} {self.plan}")
            if saved := checkpoint.load(checkpoint_dir, fingerprint, self.model, self.optimizer):
                best, about = saved
                self.history = [Epoch(**record) for record in about["history"]]
        if not self.history:
            self._prepare(check_cancelled)
        recorder = None if keep is None else self._recorder(keep, epochs_after)
        patience = self.config.patience or max(3, self.plan.epochs // 4)
        saved_at = time.monotonic()
        for epoch in range(len(self.history), self.plan.epochs):
            if self._epochs_since_best() >= patience:
                break
            self._epoch(epoch, check_cancelled, epochs_after, recorder)
            if self._best_epoch() == epoch:
                best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
            if checkpoint_dir is not None and time.monotonic() - saved_at >= CHECKPOINT_EVERY_S:
                about = {"fingerprint": fingerprint, "history": [asdict(record) for record in self.history]}
                checkpoint.save(checkpoint_dir, self.model, self.optimizer, best, about)
                saved_at = time.monotonic()
            if progress is not None:
                progress(self.history[-1])
        self.model.load_state_dict(best)
        if recorder is not None:
            recorder.end()

    def _recorder(self, keep: Keep, epochs_after: int) -> Recorder:
        before, own = len(self.before), self.plan.epochs
        epochs = before, own, before + own + epochs_after
        return Recorder(self.validation, self, keep, epochs, lambda done: self.plan.learning_rate * annealed(done))

    def _prepare(self, check_cancelled: Callable[[], None]) -> None:
        """What the variant learns before the first epoch, for example layer by layer."""
        rng = np.random.default_rng([self.config.seed])
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(1 << 62)))

        def batches() -> Iterator[Batch]:
            for batch in self._batches((0.0, 0.0), rng):
                check_cancelled()
                yield batch

        self.model.prepare(batches, generator)

    def _batches(self, progress: tuple[float, float], rng: np.random.Generator) -> Iterator[Batch]:
        plan = self.plan
        return self.train.batches(plan.batch_size, plan.corruption, progress, rng, self.device, plan.corruption_kind)

    def _epoch(
        self, epoch: int, check_cancelled: Callable[[], None], epochs_after: int, recorder: Recorder | None
    ) -> None:
        """One pass over the training documents; its figures are appended to `history`."""
        started = time.monotonic()
        # Seeded by (seed, epoch), so that an epoch draws the same numbers after a restart.
        rng = np.random.default_rng([self.config.seed, epoch])
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(1 << 62)))
        progress = epoch / self.plan.epochs, (epoch + 1) / self.plan.epochs
        sums: dict[str, float] = {}
        n_batches = 0
        for batch in self._batches(progress, rng):
            check_cancelled()
            if recorder is not None:
                recorder.before_step(batch.progress)
            losses = self.step(batch, generator)
            n_batches += 1
            parts = {name: float(part.detach()) for name, part in losses.parts.items()}
            for name, part in parts.items():
                sums[name] = sums.get(name, 0.0) + part
            if recorder is not None:
                recorder.after_step(parts, len(batch.target))
        if self.words is not None:
            self.words.settle()
        parts = {name: total / n_batches for name, total in sums.items()}
        loss = sum(parts.values())
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss became {loss} in epoch {epoch + 1}: lower learning_rate")
        validation_loss, saturated = self.validate(self.validation)
        seconds = time.monotonic() - started
        before = [*self.before, *self.history]
        done, total = len(before) + 1, len(self.before) + self.plan.epochs + epochs_after
        eta_s = (seconds + sum(record.seconds for record in before)) / done * (total - done)
        self.history.append(Epoch(done, total, loss, parts, validation_loss, saturated, seconds, eta_s))

    def step(self, batch: Batch, generator: torch.Generator) -> Losses:
        """One step of Adam; returns the loss before it. The vectors of words are whole again after `words.settle`."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate * annealed(batch.progress)
        self.optimizer.zero_grad()
        if self.words is None or not isinstance(batch.input, SparseBatch):
            losses = self.model.accumulate(batch, generator)
        else:
            sums = self.words.sums(batch.input)
            losses = self.model.accumulate(replace(batch, sums=sums), generator)
            assert sums.grad is not None
            self.words.step(sums.grad)
        self.optimizer.step()
        return losses

    def validate(self, documents: Dataset) -> tuple[float, float]:
        """Reconstruction loss in nats per document (`Autoencoder.hard_loss`), and share of saturated units."""
        loss, saturated = 0.0, 0
        for start in range(0, len(documents), self.plan.batch_size):
            rows = np.arange(start, min(start + self.plan.batch_size, len(documents)))
            target = torch.from_numpy(documents.targets(rows)).to(self.device)
            part, units = self.model.hard_loss(network_input(documents.features[rows], self.device), target)
            loss += float(part) * len(rows)
            saturated += int(((units < SATURATED_WITHIN) | (units > 1 - SATURATED_WITHIN)).sum())
        return loss / len(documents), saturated / (len(documents) * self.plan.n_bits)

    def logits(self, features: Features) -> NDArray[np.float32]:
        """Logits of features `(n, F)`: `(n, n_bits)` float32."""
        starts = range(0, features.shape[0], _ROWS_AT_ONCE)
        with torch.inference_mode():
            parts = [self.model.encoder(network_input(features[s : s + _ROWS_AT_ONCE], self.device)) for s in starts]
            logits: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
            return logits

    def view(self, features: Features) -> NDArray[np.float32]:
        """Logits of features `(n, F)`, rows scaled to unit length: `(n, n_bits)` float32."""
        return unit_rows(self.logits(features))

    def function(self, featurizer: Featurizer) -> HashFunction:
        """The learned hash function, on the CPU; the model is moved there too."""
        network = self.model.encoder.cpu().eval().requires_grad_(False)
        learned = HashFunction(featurizer, network, np.zeros(self.plan.n_bits, dtype=np.float32))
        rows = self.train.features[_evenly_spread(len(self.train))]  # (at most MAX_SAMPLE, F)
        return replace(learned, thresholds=self.model.thresholds(learned.logits(rows)))

    def _merit(self, record: Epoch) -> tuple[bool, float]:
        """Orders epochs: saturated ones are better than all others; among equals the lower validation loss is.

        Of epochs that learn what people said the later is better: a reconstruction loss knows nothing of that.
        """
        if self.train.supervision is not None:
            return True, record.epoch
        return self.plan.noise == 0 or record.saturated >= SATURATED_SHARE, -record.validation_loss

    def _best_epoch(self) -> int:
        return max(range(len(self.history)), key=lambda i: self._merit(self.history[i]))

    def _epochs_since_best(self) -> int:
        """Epochs since the best one; 0 while no epoch is saturated, because training must not stop before."""
        if not self.history or not self._merit(self.history[self._best_epoch()])[0]:
            return 0
        return len(self.history) - 1 - self._best_epoch()


def annealed(progress: float) -> float:
    """Step size relative to its peak, from 0 to 1: it rises linearly over the first 5 % of training, then falls to 0.

    Args:
        progress: share of the training that is done, 0 to 1.
    """
    return min(progress / _WARM_UP + 0.01, (1 - progress) / (1 - _WARM_UP), 1.0)


def _evenly_spread(n: int) -> NDArray[np.int64]:
    """Positions of at most `MAX_SAMPLE` of `n` rows, evenly spread."""
    return np.linspace(0, n - 1, min(n, MAX_SAMPLE)).astype(np.int64)
