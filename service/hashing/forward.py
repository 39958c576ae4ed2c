"""The encoder network for one content at a time, in numpy, and what that decides for contents that come together.

torch takes twice the time for one text, and with two threads waits for the second. Sums of floats depend on their
order, and the order in which a batch is summed depends on its size and on the device. So a bit whose logit is nearly
its threshold could differ between a document, encoded with a thousand others, and a query of the same content. Where
that is possible, the content is encoded alone, which makes its code the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from service.hashing.featurizers.text import Bag

_DOUBT, _DENSE_DOUBT = 1e-3, 1e-4
"""Share of a row's largest logit: a threshold that is nearer leaves a bit in doubt. Orders of summation differ by a
thousandth of that, and by a hundredth for dense rows: these cost more alone."""

Matrix = NDArray[np.float32]


def _sigmoid(values: Matrix) -> Matrix:
    with np.errstate(over="ignore"):  # of what is far below zero: zero
        return np.asarray(1 / (1 + np.exp(-values)), np.float32)


def _relu(values: Matrix) -> Matrix:
    return np.maximum(values, 0)


_ACTIVATIONS: dict[str, Callable[[Matrix], Matrix]] = {"relu": _relu, "tanh": np.tanh, "sigmoid": _sigmoid}


@dataclass(frozen=True, slots=True)
class Forward:
    """A network's layers.

    Attributes:
        first: `(n_features, width)` float32.
        first_bias: `(width,)`.
        rest: weights `(width, width before)` and bias of each further layer.
        activation: between layers: relu, tanh or sigmoid.
    """

    first: Matrix
    first_bias: Matrix
    rest: Sequence[tuple[Matrix, Matrix]]
    activation: str

    def logits(self, bag: Bag) -> Matrix:
        """The logits `(n_bits,)` of one sparse row. Cost: every weight of the layers after the first, once.

        By products that have one order of summation, and one thread: not by BLAS's of a matrix, which has many.
        """
        columns, values = bag
        return self._logits(values, self.first.take(columns, axis=0))

    def _logits(self, values: Matrix, first: Matrix) -> Matrix:
        """The logits of the values of a row, whose rows of the first matrix are given."""
        h = np.einsum("i,ij->j", values, first) + self.first_bias
        activate = _ACTIVATIONS[self.activation]
        for weights, bias in self.rest:
            h = np.vecdot(activate(h), weights) + bias
        return np.asarray(h, np.float32)

    def settle(self, features: csr_matrix | Matrix, logits: Matrix, thresholds: Matrix) -> None:
        """Write over the rows of `(n, n_bits)` logits that leave a bit in doubt, each as that row has it alone.

        Args:
            features: `(n, n_features)`, of which the logits are.
            logits: from any order of summation.
            thresholds: `(n_bits,)`.
        """
        nearest = np.abs(logits - thresholds).min(axis=1)
        doubt = _DENSE_DOUBT if isinstance(features, np.ndarray) else _DOUBT
        in_doubt = nearest <= doubt * np.abs(logits).max(axis=1)
        for row in np.flatnonzero(in_doubt).tolist():
            if isinstance(features, np.ndarray):
                logits[row] = self._logits(features[row], self.first)
                continue
            entries = slice(features.indptr[row], features.indptr[row + 1])
            columns = features.indices[entries].astype(np.int64)
            logits[row] = self.logits((columns, features.data[entries].astype(np.float32)))
