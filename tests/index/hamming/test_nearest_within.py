from __future__ import annotations

import numpy as np
import pytest

from service.index.hamming.table import HammingTable
from tests import oracles


@pytest.mark.parametrize("n_bits", [16, 32, 64, 128])
@pytest.mark.parametrize("n", [0, 3, 2_000, 60_000])
def test_the_nearest_within_a_radius_are_those_of_brute_force(n: int, n_bits: int) -> None:
    rng = np.random.default_rng(n + n_bits)
    centres = rng.integers(0, 256, (20, n_bits // 8), np.uint8)
    flips = np.packbits(rng.random((n, n_bits)) < 0.06, axis=1)
    codes = centres[rng.integers(0, 20, n)] ^ flips
    keys = rng.permutation(3 * n)[:n].astype(np.int64)
    table = HammingTable.build(codes[: n // 2], keys[: n // 2])
    table.add(codes[n // 2 :], keys[n // 2 :])
    query = centres[0] ^ np.packbits(rng.random(n_bits) < 0.03)
    confidence = rng.integers(0, 256, n_bits).astype(np.uint8)
    distances = oracles.distances(codes, query)
    costs = np.unpackbits(codes ^ query, axis=1).astype(np.int64) @ confidence.astype(np.int64)
    for radius in (0, 2, 5, 9, n_bits, None):
        near = np.flatnonzero(distances <= (n_bits if radius is None else radius))
        for k in (1, 10, 300):
            (plain,) = table.search(query[None], k, radius=radius)
            expected = near[np.lexsort((keys[near], distances[near]))][:k]
            np.testing.assert_array_equal(plain.keys, keys[expected])
            np.testing.assert_array_equal(plain.distances, distances[expected])
            (sure,) = table.search(query[None], k, logits=confidence[None].astype(np.float32), radius=radius)
            expected = near[np.lexsort((keys[near], costs[near], distances[near]))][:k]
            np.testing.assert_array_equal(sure.keys, keys[expected])
            np.testing.assert_array_equal(sure.distances, distances[expected])
