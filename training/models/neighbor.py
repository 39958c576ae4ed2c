"""Neighbor-aware hashing: the code of a document must predict the words of its neighbors, so neighbors get like codes.

Source: Hansen et al. (2020), "Unsupervised semantic hashing with pairwise reconstruction"; Ou et al. (2021),
"Refining BERT embeddings for document hashing via mutual information maximization" (balance); Hinton, Roweis (2002),
"Stochastic neighbor embedding" (likeness); noise as in Salakhutdinov, Hinton (2009).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor, nn

from training.models.base import START_DEVIATION, Autoencoder, Batch
from training.models.rotation import spread_axes

MOST_ROWS = 50_000
"""Most documents that the first weights of a linear encoder are computed from."""


class Neighbor(Autoencoder):
    """Semantic hashing whose decoder reconstructs the mean of a document's nearest neighbors.

    It uses word dropout on the input, growing noise before the sigmoid, balanced bits and likeness; the equation of
    each is in `training/models/base.py` or `losses.py`. Vectors of another model have no topics to be learned: their
    codes reconstruct the vectors themselves, with a linear encoder that starts from a rotation.
    """

    def prepare(self, batches: Callable[[], Iterator[Batch]], generator: torch.Generator) -> None:
        """Start a linear encoder of vectors, and its decoder, from their principal axes, rotated for their signs.

        The codes are then those of iterative quantization, and training can only better them.
        """
        if self.plan.hidden or self.plan.output != "reals":
            return
        n_batches = -(-MOST_ROWS // self.plan.batch_size)
        rows = torch.cat([_dense(batch) for batch in islice(batches(), n_batches)])  # (n, F)
        seed = int(torch.randint(1 << 31, (), generator=generator, device=generator.device))
        axes = torch.from_numpy(spread_axes(rows.cpu().numpy(), self.plan.n_bits, seed)).to(rows.device)  # (F, n_bits)
        mean = rows.mean(dim=0)  # (F,)
        along = (rows - mean) @ axes  # (n, n_bits)
        scale = START_DEVIATION / along.std().clamp_min(1e-6)
        decoding = self.decoder.layers[0]
        assert isinstance(decoding, nn.Linear)
        with torch.no_grad():
            self.encoder.first.copy_(scale * axes)
            self.encoder.first_bias.copy_(-scale * (mean @ axes))
            decoding.weight.copy_(along.abs().mean() * min(1.0, axes.shape[0] / axes.shape[1]) * axes)


def _dense(batch: Batch) -> Tensor:
    assert isinstance(batch.input, Tensor)
    return batch.input
