"""The linear map from a wide network's logits to few balanced bits that a narrow network starts from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 50


def rotation(places: NDArray[np.float32], n_bits: int, seed: int) -> NDArray[np.float32]:
    """Orthonormal columns `(d, n_bits)` along which the signs of places lose least.

    The principal axes, turned until places are nearest to the corners of a cube.

    Source: Gong, Lazebnik (2011), "Iterative quantization", section 3.2.

    Args:
        places: `(n, d)`, `d` at least `n_bits`; they are centered here.
        n_bits: columns.
        seed: draws the first rotation.
    """
    centered = (places - places.mean(axis=0)).astype(np.float64)
    _, vectors = np.linalg.eigh(centered.T @ centered)
    axes = vectors[:, ::-1][:, :n_bits]
    reduced = centered @ axes
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((n_bits, n_bits)))[0]
    for _ in range(_ROUNDS):
        u, _, vt = np.linalg.svd(np.sign(reduced @ turn).T @ reduced)
        turn = (u @ vt).T
    turned: NDArray[np.float32] = (axes @ turn).astype(np.float32)
    return turned
