"""Records: what a network is like while it is trained, measured on a few documents, once per one per cent of the steps.

The documents, called landmarks, are of the validation part, so nothing is learned from them. To measure changes nothing
of the training: the numbers that are drawn and the weights are those of a training that nobody looks at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from service.hashing.codes import pack
from service.hashing.network import network_input
from training.data.batches import Dataset
from training.fit.word_vectors import WordVectors
from training.models import Autoencoder

N_LANDMARKS = 256
"""Most documents that are measured."""
_N_RECONSTRUCTED = 64
"""Most of them whose loss is computed, which for 256 took three quarters of the time that a record takes."""
N_BINS = 20
"""Bins of the histogram of the code units' activations, from 0 to 1."""
SATURATED_WITHIN = 0.05
"""A unit is saturated if it lies within this distance of 0 or 1."""


@dataclass(frozen=True, slots=True)
class Record:
    """What one network is like at one moment of a training.

    Attributes:
        percent: of the steps of all networks that were done, 0 to 100.
        network: which network it is of, from 1; the last gives the codes, of two the first is wide.
        networks: how many are trained, 1 or 2.
        epoch: of all networks, from 1.
        n_bits: of this network.
        loss: mean training loss since the record before, in nats per document; None before the first step of a network.
        parts: each named part of that loss.
        validation_loss: reconstruction loss of up to 64 landmarks from hard bits, in nats per document.
        saturated: share of the landmarks' code units within 0.05 of 0 or 1, without noise.
        noise: standard deviation of the noise before the sigmoid.
        learning_rate: of the next step.
        documents_per_s: documents learned from in a second since then; None before the first step of a network.
        eta_s: estimated duration of the steps to come, in seconds; None before the first step of a network.
        activations: number of the landmarks' units in each of 20 bins from 0 to 1.
        balance: `(n_bits,)` share of the landmarks that have a one.
        codes: `(n_landmarks, n_bits // 8)` uint8.
    """

    percent: int
    network: int
    networks: int
    epoch: int
    n_bits: int
    loss: float | None
    parts: dict[str, float]
    validation_loss: float
    saturated: float
    noise: float
    learning_rate: float
    documents_per_s: float | None
    eta_s: float | None
    activations: list[int]
    balance: list[float]
    codes: NDArray[np.uint8]


Keep = Callable[[Record], None]
"""Takes a record; it must not block."""


def landmark_rows(n: int) -> NDArray[np.int64]:
    """Positions of the landmarks among `n` validation documents, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, N_LANDMARKS)).astype(np.int64))


class Measured(Protocol):
    """The run that is measured."""

    model: Autoencoder
    device: torch.device
    words: WordVectors | None


class Landmarks:
    """The documents that are measured, with what they are to reconstruct.

    Args:
        validation: documents to choose them from.
        run: its network is measured.
    """

    def __init__(self, validation: Dataset, run: Measured) -> None:
        self._run = run
        rows = landmark_rows(len(validation))
        self._features = validation.features[rows]
        self._judged = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _N_RECONSTRUCTED)).astype(np.int64))
        self._target = torch.from_numpy(validation.targets(rows[self._judged])).to(run.device)  # (<= 64, n_outputs)

    @torch.no_grad()
    def logits(self) -> Tensor:
        """Logits `(n, n_bits)` as they are now; word vectors that wait for their steps are read with these."""
        encoder, words = self._run.model.encoder, self._run.words
        if words is None or not isinstance(self._features, csr_matrix):
            return encoder(network_input(self._features, self._run.device))  # type: ignore[no-any-return]
        used, places = np.unique(self._features.indices, return_inverse=True)
        shape = (self._features.shape[0], len(used))
        compact = csr_matrix((self._features.data, places, self._features.indptr), shape=shape)
        sums = np.ascontiguousarray(compact @ words.now(used.astype(np.int32)), dtype=np.float32)
        return encoder.layers_after(torch.from_numpy(sums))[-1]

    def loss(self, logits: Tensor) -> float:
        """Reconstruction loss in nats per document, given logits `(n, n_bits)`."""
        return float(self._run.model.hard_loss_of(logits[self._judged], self._target)[0])


class Recorder:
    """Makes the records of one run.

    Args:
        validation: documents to choose the landmarks from.
        run: the run.
        keep: takes each record.
        epochs: passes before those of this run, of this run, and of all runs together.
        learning_rate: of a step, by the share of this run that is done.
    """

    def __init__(
        self,
        validation: Dataset,
        run: Measured,
        keep: Keep,
        epochs: tuple[int, int, int],
        learning_rate: Callable[[float], float],
    ) -> None:
        self._landmarks, self._run, self._keep = Landmarks(validation, run), run, keep
        self._before, self._own, self._all = epochs
        self._learning_rate = learning_rate
        self._last = ceil(100 * self._before / self._all - 1e-9) - 1  # what the first network may have measured
        self._began: tuple[float, float] | None = None  # time and share at the first record
        self._since: tuple[float, int] = (0.0, 0)  # time of the last record, documents since
        self._sums: dict[str, float] = {}
        self._n_steps = 0

    def before_step(self, progress: float) -> None:
        """Measure if another per cent of all steps is done. The share of this run's that is done is `progress`."""
        share = (self._before + progress * self._own) / self._all
        if int(100 * share + 1e-9) > self._last:
            self._measure(progress, share, int(100 * share + 1e-9))

    def after_step(self, parts: Mapping[str, float], n_documents: int) -> None:
        """Count a step with this loss."""
        for name, part in parts.items():
            self._sums[name] = self._sums.get(name, 0.0) + part
        self._n_steps += 1
        self._since = self._since[0], self._since[1] + n_documents

    def end(self) -> None:
        """Measure the network as it came out, if it is the last one: it may be that of an earlier epoch."""
        if self._before + self._own == self._all:
            self._measure(1.0, 1.0, 100)

    def _measure(self, progress: float, share: float, percent: int) -> None:
        now = time.monotonic()
        if self._began is None:
            self._began = now, share
        logits = self._landmarks.logits()
        units = torch.sigmoid(logits).float().cpu().numpy()  # (n, n_bits)
        parts = {name: total / self._n_steps for name, total in self._sums.items()}
        plan, done = self._run.model.plan, share - self._began[1]
        elapsed = now - self._since[0]
        values = logits.float().cpu().numpy()
        bits = values > self._run.model.thresholds(values)  # (n, n_bits)
        self._keep(
            Record(
                percent=percent,
                network=2 if self._before else 1,
                networks=1 if self._own == self._all else 2,
                epoch=min(self._before + int(progress * self._own) + 1, self._before + self._own),
                n_bits=plan.n_bits,
                loss=sum(parts.values()) if parts else None,
                parts=parts,
                validation_loss=self._landmarks.loss(logits),
                saturated=float(np.mean(np.abs(units - 0.5) > 0.5 - SATURATED_WITHIN)),
                noise=self._run.model.noise_scale(progress),
                learning_rate=self._learning_rate(progress),
                documents_per_s=self._since[1] / elapsed if self._n_steps and elapsed > 0 else None,
                eta_s=(now - self._began[0]) / done * (1 - share) if done > 0 else None,
                activations=np.histogram(units, bins=N_BINS, range=(0.0, 1.0))[0].tolist(),
                balance=bits.mean(axis=0).tolist(),
                codes=pack(bits),
            )
        )
        self._last, self._sums, self._n_steps = percent, {}, 0
        self._since = time.monotonic(), 0
