"""The encoder network: the feed-forward net that every variant of the autoencoder trains, all that serving needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor, nn
from torch.nn import functional as F

from service.errors import InvalidInput
from service.hashing.forward import Forward

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
_SUM = 0  # of the modes of torch's embedding bag


@dataclass(frozen=True, slots=True)
class SparseBatch:
    """Rows of a sparse matrix as the bags of an embedding bag.

    `indices` (nnz,) int64 and `values` (nnz,) float32, row i from `offsets[i]`; `offsets` is (n + 1,).
    """

    indices: Tensor
    values: Tensor
    offsets: Tensor

    @classmethod
    def of(cls, features: csr_matrix, device: torch.device | str = "cpu") -> SparseBatch:
        """The rows of a CSR matrix, on a device."""
        return cls(
            torch.from_numpy(features.indices).to(device, torch.int64),
            torch.from_numpy(features.data).to(device, torch.float32),
            torch.from_numpy(features.indptr).to(device, torch.int64),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1


def network_input(
    features: csr_matrix | NDArray[np.float32], device: torch.device | str = "cpu"
) -> SparseBatch | Tensor:
    """Rows of features as the network takes them, on a device: bags of sparse ones, a tensor of dense ones."""
    if isinstance(features, np.ndarray):
        return torch.from_numpy(features).to(device)
    return SparseBatch.of(features, device)


class EncoderNetwork(nn.Module):
    """A feed-forward net from features to one logit per bit.

    The first layer is an embedding bag (a sum of word vectors) for sparse input and the same matrix product for dense
    input; the others are dense. The activation stands between layers, never after the last.

    Args:
        n_features: width of the input.
        hidden: widths of the hidden layers; none makes the net linear.
        n_bits: width of the code.
        activation: one of relu, tanh, sigmoid.
    """

    def __init__(self, n_features: int, hidden: Sequence[int], n_bits: int, activation: str = "relu") -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise InvalidInput(f"activation must be one of {sorted(ACTIVATIONS)}, got {activation!r}")
        self.n_features = n_features
        self.hidden = tuple(hidden)
        self.n_bits = n_bits
        self.activation = activation
        widths = [*self.hidden, n_bits]
        self.first = nn.Parameter(torch.empty(n_features, widths[0]))
        self.first_bias = nn.Parameter(torch.zeros(widths[0]))
        self.rest = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def initialize(self, generator: torch.Generator) -> None:
        """Draw every weight anew: Glorot-uniform layers, word vectors of about unit length, biases zero.

        Source: Glorot, Bengio (2010). Rows of features have unit length and few entries, so the first layer's scale
        follows its output width alone.
        """
        with torch.no_grad():
            self.first.normal_(0, 1 / self.first.shape[1] ** 0.5, generator=generator)
            self.first_bias.zero_()
            for layer in self.rest:
                assert isinstance(layer, nn.Linear)
                nn.init.xavier_uniform_(layer.weight, generator=generator)
                layer.bias.zero_()

    def draw_signs(self, seed: int) -> None:
        """Set the first layer to random signs that follow from a seed, on every machine and release of numpy alike.

        Source: Achlioptas (2003), "Database-friendly random projections".
        """
        raw = np.random.Philox(key=seed).random_raw(-(-self.first.numel() // 64)).astype("<u8")
        signs = np.unpackbits(raw.view(np.uint8), count=self.first.numel()).astype(np.float32) * 2 - 1
        with torch.no_grad():
            self.first.copy_(torch.from_numpy(signs).view_as(self.first))

    def forward(self, features: SparseBatch | Tensor) -> Tensor:
        """Logits of `(n, n_features)` features: `(n, n_bits)`; a bit is one where its logit passes its threshold."""
        return self.layers(features)[-1]

    def in_numpy(self) -> Forward:
        """The same network for one text at a time; on a CPU it shares the weights, elsewhere it has a copy of them."""
        first, first_bias, *rest = (parameter.detach().cpu().numpy() for parameter in self.parameters())
        return Forward(first, first_bias, list(zip(rest[::2], rest[1::2], strict=True)), self.activation)

    def layers(self, features: SparseBatch | Tensor) -> list[Tensor]:
        """What every layer gives before its activation, `(n, width)` each; the last are the logits."""
        return self.layers_after(self.first_sums(features))

    def first_sums(self, features: SparseBatch | Tensor) -> Tensor:
        """What the first matrix makes of the features, `(n, width)`; its bias is not in it."""
        if isinstance(features, SparseBatch):
            # Not by `F.embedding_bag`, whose checks take as long as the sum for one text.
            return torch.embedding_bag(
                self.first,
                features.indices,
                features.offsets,
                mode=_SUM,
                per_sample_weights=features.values,
                include_last_offset=True,
            )[0]
        return features @ self.first

    def layers_after(self, h: Tensor) -> list[Tensor]:
        """The same as `layers`, of what the first matrix has made of the features, `(n, width)`."""
        outputs = [h + self.first_bias]
        for layer in self.rest:
            outputs.append(layer(ACTIVATIONS[self.activation](outputs[-1])))
        return outputs
