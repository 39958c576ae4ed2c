"""Rows of matrices scaled to unit length, so that their products are cosines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.hashing.featurizers import Features


def unit_rows(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows of a matrix scaled to unit length, `(n, d)` float32; rows of zeros stay zero."""
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)  # (n, 1)
    scaled: NDArray[np.float32] = (matrix / np.where(norms > 0, norms, 1)).astype(np.float32)
    return scaled


def unit_features(features: Features) -> Features:
    """Features with rows of unit length: dense ones are scaled, sparse ones were scaled by their featurizer."""
    return unit_rows(features) if isinstance(features, np.ndarray) else features
