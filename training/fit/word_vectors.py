"""WordVectors: the first layer of an encoder, of which a step reads and writes only the words of its batch.

Adam moves every weight at every step, also those without a gradient, whose moments fade. With 20,000 words that is most
of a step, and a batch has few of them. Here a word that is not in a batch waits. Before it is read the next time it
makes up for the steps that it missed: without a gradient the mean `m` and the square `v` of its gradients fade by known
factors, so the sum of the missed steps is `m / sqrt(v)` times a number that follows from their sizes alone.

    w -= m / sqrt(v) * sum_j c_j r^j,    r = b1 / sqrt(b2),  c_j = lr_j sqrt(1 - b2^t) / (1 - b1^t) of the j-th step t

So the vectors are those of plain Adam, but for `epsilon`, which here does not grow in comparison with a `v` that fades.

Source: Kingma, Ba (2015), "Adam: a method for stochastic optimization", algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.profiler import record_function

from service.hashing.network import SparseBatch
from training.loops.reference import Rates
from training.loops.select import loops

_FEW = 64
"""Rows that are not worth a thread of their own."""


class WordVectors:
    """The vectors of words and the moments of their gradients, which lie in the state of an optimizer.

    After each call of `settle`, vectors and state are what plain Adam would have made.

    Args:
        vectors: `(F, width)` on the CPU; it must have no gradient when the optimizer makes its step.
        optimizer: Adam, whose sizes of steps are followed.
    """

    def __init__(self, vectors: nn.Parameter, optimizer: torch.optim.Adam) -> None:
        self.parameter, self.optimizer = vectors, optimizer
        optimizer.state[vectors] = {
            "step": torch.zeros(()),
            "exp_avg": torch.zeros_like(vectors, requires_grad=False),
            "exp_avg_sq": torch.zeros_like(vectors, requires_grad=False),
        }
        self._loops = loops().now
        self._ages = np.zeros(len(vectors), dtype=np.int32)
        self._places = np.zeros(len(vectors), dtype=np.int32)
        self._owed = np.zeros(1)
        self._entries: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]
        n_threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(n_threads) if n_threads > 1 else None

    def sums(self, batch: SparseBatch) -> Tensor:
        """The products `(B, width)` of a batch with the vectors: a leaf, whose gradient `step` takes."""
        with record_function("word vectors"):
            arrays = batch.indices.numpy(), batch.values.numpy(), batch.offsets.numpy()
            self._sort(*arrays)
            self._catch_up(self._entries[0])
            out = torch.empty(len(batch), self.parameter.shape[1])
            self._share(partial(self._loops.sum_rows, self._arrays()[0], *arrays, out.numpy()), len(batch))
        return out.requires_grad_()

    def step(self, gradient: Tensor) -> None:
        """One step of Adam for the words of the last batch, given the gradient `(B, width)` of its sums."""
        with record_function("word vectors"):
            group = self.optimizer.param_groups[0]
            mean_decay, square_decay = group["betas"]
            state = self.optimizer.state[self.parameter]
            state["step"] += 1
            n_steps = int(state["step"])
            square_left = 1 - square_decay**n_steps
            step = group["lr"] / (1 - mean_decay**n_steps)
            numbers = mean_decay, square_decay, step, square_left**-0.5, group["eps"]
            rates = cast(Rates, tuple(map(np.float32, numbers)))
            missed = np.arange(len(self._owed))
            decays = np.array([mean_decay**missed, square_decay**missed], dtype=np.float32)
            words, ends, _, _ = self._entries
            of_batch = self._entries[0], ends, *self._entries[2:], gradient.numpy()
            fixed = *self._arrays(), self._ages, decays, rates, *of_batch
            self._share(partial(self._loops.adam, *fixed), len(words))
            self._ages += 1
            self._ages[words] = 0
            fading = mean_decay / square_decay**0.5
            size = step * square_left**0.5
            self._owed = np.concatenate([[0.0], self._owed + size * fading ** (missed + 1)])

    def now(self, words: NDArray[np.int32]) -> NDArray[np.float32]:
        """The vectors of some words as they would be after `settle`, `(len(words), width)`; nothing is changed."""
        vectors, means, squares = (array[words] for array in self._arrays())
        places = np.arange(len(words), dtype=np.int32)
        owed = self._owed.astype(np.float32)
        self._loops.catch_up(vectors, means, squares, self._ages[words], owed, self._epsilon(), places, 0, len(words))
        return vectors

    def settle(self) -> None:
        """Let all words make up for what they missed, so that vectors and moments can be read."""
        self._catch_up(np.arange(len(self._ages), dtype=np.int32))
        _, means, squares = self._arrays()
        for moments, decay in zip((means, squares), self.optimizer.param_groups[0]["betas"], strict=True):
            moments *= np.power(decay, self._ages[:, None]).astype(np.float32)
        self._ages[:] = 0
        self._owed = np.zeros(1)

    def _arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Vectors, means and squares; a resumed run has put others into the state."""
        state = self.optimizer.state[self.parameter]
        return self.parameter.detach().numpy(), state["exp_avg"].numpy(), state["exp_avg_sq"].numpy()

    def _sort(self, indices: NDArray[np.int64], values: NDArray[np.float32], starts: NDArray[np.int64]) -> None:
        """Sort the entries of a batch by word."""
        n = len(indices)
        words, ends, rows = np.empty((3, n), dtype=np.int32)
        weights = np.empty(n, dtype=np.float32)
        found = self._loops.by_word(indices, values, starts, self._places, words, ends, rows, weights)
        self._entries = words[:found], ends[:found], rows, weights

    def _catch_up(self, words: NDArray[np.int32]) -> None:
        fixed = *self._arrays(), self._ages, self._owed.astype(np.float32), self._epsilon(), words
        self._share(partial(self._loops.catch_up, *fixed), len(words))

    def _epsilon(self) -> np.float32:
        """That of Adam, as it counts beside the square roots of moments that are not corrected."""
        group, n_steps = self.optimizer.param_groups[0], int(self.optimizer.state[self.parameter]["step"])
        return np.float32(group["eps"] * (1 - group["betas"][1] ** n_steps) ** 0.5)

    def _share(self, work: Callable[[int, int], None], n: int) -> None:
        """Do the work for `n` rows on all threads; each row is worked on by itself, so the result is the same."""
        if self._pool is None or n < 2 * _FEW:
            work(0, n)
            return
        bounds = np.linspace(0, n, torch.get_num_threads() + 1).astype(int).tolist()
        for done in [self._pool.submit(work, first, last) for first, last in pairwise(bounds)]:
            done.result()
