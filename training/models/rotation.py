"""The linear map from the logits of a wide network to the first logits of a narrow one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 50


def rotation(vectors: NDArray[np.float32], n_bits: int, seed: int) -> NDArray[np.float32]:
    """Orthonormal columns `(d, n_bits)` float32 for which the signs of the rotated vectors lose the least.

    The principal axes, rotated so that vectors come as near as possible to the corners of a cube.

    Source: Gong, Lazebnik (2011), "Iterative quantization", section 3.2.

    Args:
        vectors: `(n, d)` with `d` at least `n_bits`; they are centered here.
        n_bits: number of columns.
        seed: seed of the first rotation.
    """
    centered = (vectors - vectors.mean(axis=0)).astype(np.float64)
    _, eigenvectors = np.linalg.eigh(centered.T @ centered)  # ascending, (d, d)
    axes = eigenvectors[:, ::-1][:, :n_bits]  # (d, n_bits)
    reduced = centered @ axes  # (n, n_bits)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((n_bits, n_bits)))[0]
    for _ in range(_ROUNDS):
        u, _, vt = np.linalg.svd(np.sign(reduced @ turn).T @ reduced)
        turn = (u @ vt).T
    turned: NDArray[np.float32] = (axes @ turn).astype(np.float32)
    return turned


def spread_axes(vectors: NDArray[np.float32], n_bits: int, seed: int) -> NDArray[np.float32]:
    """As many rotations beside one another as `n_bits` takes, `(d, n_bits)` float32: one if that is at most `d`."""
    d = vectors.shape[1]
    widths = [min(d, n_bits - start) for start in range(0, n_bits, d)]
    return np.concatenate([rotation(vectors, width, seed + i) for i, width in enumerate(widths)], axis=1)
