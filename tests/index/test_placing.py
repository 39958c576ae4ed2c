from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.hashing.codes import hamming_distance, unpack
from service.index.hamming.table import HammingTable
from service.index.placing import NEAREST, Landmarks, by_axes, jitter_radius, landmark_rows


def _codes(n: int, n_bits: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, n_bits // 8), dtype=np.uint8)


def _keys(n: int, seed: int = 0) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(seed).choice(10 * n, n, replace=False)).astype(np.int64)


@given(st.integers(1, 60), st.integers(1, 40))
def test_landmarks_stay_while_a_collection_grows(n: int, n_landmarks: int) -> None:
    keys = _keys(2 * n)
    before = keys[landmark_rows(keys[:n], n_landmarks)]
    after = keys[landmark_rows(keys, n_landmarks)]
    assert len(before) == min(n, n_landmarks)
    new = set(after.tolist()) - set(keys[:n].tolist())
    assert len(set(before.tolist()) - set(after.tolist())) <= len(new)
    assert set(after.tolist()) - new <= set(before.tolist()) | set(keys[:n].tolist())


@given(st.integers(1, 30), st.integers(1, 20))
def test_a_document_lies_at_the_median_of_its_nearest_landmarks(n: int, n_placed: int) -> None:
    codes, keys = _codes(n), _keys(n)
    positions = np.random.default_rng(1).normal(size=(n, 2)).astype(np.float32)
    asked = _codes(n_placed, seed=2)
    shuffled = np.random.default_rng(3).permutation(n)
    landmarks = Landmarks(keys[shuffled], codes[shuffled], positions[shuffled])
    placed = landmarks.place(asked, np.arange(n_placed))
    for code, found in zip(asked, placed, strict=True):
        near = np.lexsort((keys, hamming_distance(codes, code)))[:NEAREST]
        assert np.linalg.norm(found - np.median(positions[near], axis=0)) <= jitter_radius(positions) + 1e-5


def test_equal_codes_lie_near_one_another_and_do_not_hide_each_other() -> None:
    keys, codes = _keys(100), np.repeat(_codes(10), 10, axis=0)
    positions = by_axes(codes, keys)
    assert len(np.unique(positions, axis=0)) == 100
    assert np.array_equal(positions, by_axes(codes, keys))
    spread = positions.reshape(10, 10, 2).std(axis=1).max()
    assert spread < 0.05 * positions.std()


@given(st.integers(0, 40), st.sampled_from([8, 64, 256]))
def test_places_by_axes_are_those_of_the_principal_components(n: int, n_bits: int) -> None:
    codes, keys = _codes(n, n_bits), _keys(n) if n else np.empty(0, np.int64)
    positions = by_axes(codes, keys)
    assert positions.shape == (n, 2)
    if n < 3:
        return
    bits = unpack(codes).astype(float)
    centered = bits - bits.mean(axis=0)
    _, s, _ = np.linalg.svd(centered)
    spread = np.linalg.norm(positions - positions.mean(axis=0), axis=0)
    assert np.allclose(spread, s[:2], rtol=0.1, atol=0.2)


def test_all_entries_of_a_table_come_in_the_order_of_their_keys() -> None:
    keys, codes = _keys(50), _codes(50)
    table = HammingTable.build(codes[::2], keys[::2])
    table.add(codes[1::2][::-1].copy(), keys[1::2][::-1].copy())
    table.add(codes[:1], keys[7:8])
    table.delete(keys[3:5])
    codes[7] = codes[0]
    left = np.delete(np.arange(50), [3, 4])
    found, values = table.entries()
    assert np.array_equal(found, keys[left])
    assert np.array_equal(values, codes[left])
