"""Encoded: codes of contents, and how much they mean; what needs no network to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.hashing.codes import Codes


@dataclass(frozen=True, slots=True)
class Encoded:
    """Codes of contents, and how much they mean.

    Attributes:
        codes: `(n, n_bits // 8)`.
        n_known_features: `(n,)`, the number of nonzero features of each content. One without any still has a code,
            that of the empty row: its neighbors mean little, and answers say so.
        confidence: `(n, n_bits)` uint8, the distance of each logit from its threshold, in 255ths of the largest such
            distance of its content: bits of little confidence flip first.
    """

    codes: Codes
    n_known_features: NDArray[np.int64]
    confidence: NDArray[np.uint8]

    def __getitem__(self, rows: slice) -> Encoded:
        return Encoded(self.codes[rows], self.n_known_features[rows], self.confidence[rows])

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts, in order."""
        return cls(
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.n_known_features for part in parts]),
            np.concatenate([part.confidence for part in parts]),
        )


def confidence(margins: NDArray[np.float32]) -> NDArray[np.uint8]:
    """How far each of `(n, n_bits)` logits lies from its threshold, in 255ths of the farthest one of its row."""
    distances = np.abs(margins)
    farthest = distances.max(axis=1, keepdims=True, initial=1e-30)
    scaled: NDArray[np.uint8] = np.rint(distances * (255 / farthest)).astype(np.uint8)
    return scaled
