"""A search among allowed keys answers as brute force does over those keys, whichever way it takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.index.hamming import layout
from service.index.hamming.kernels.select import loops_for
from service.index.hamming.layout import ANSWER_WORDS, AUTO, FOUND, GATHER, PROBE, SCAN, UNLIMITED
from service.index.hamming.table import HammingTable
from service.index.hamming.view import Keys
from service.index.key_mask import KeyMask
from tests import oracles
from tests.examples import examples
from tests.oracles import Match, clustered_codes


def a_table(rng: np.random.Generator, keys: Keys, n_bits: int) -> tuple[HammingTable, dict[int, bytes]]:
    """Codes of a base and of a delta, of which some were replaced and some deleted."""
    codes = clustered_codes(rng, len(keys), n_bits)
    n_base = len(keys) * 3 // 4
    table = HammingTable.build(codes[:n_base], keys[:n_base])
    table.add(codes[n_base:], keys[n_base:])
    model = {int(key): code.tobytes() for key, code in zip(keys, codes, strict=True)}
    again = keys[::7]
    new = clustered_codes(rng, len(again), n_bits)
    table.add(new, again)
    model |= {int(key): code.tobytes() for key, code in zip(again, new, strict=True)}
    gone = keys[::5]
    table.delete(gone)
    return table, {key: code for key, code in model.items() if key not in set(gone.tolist())}


def matches(row: NDArray[np.int64]) -> list[Match]:
    found, half = int(row[FOUND]), (len(row) + ANSWER_WORDS) // 2
    return list(zip(row[half : half + found].tolist(), row[ANSWER_WORDS : ANSWER_WORDS + found].tolist(), strict=True))


def bitmap_of(keys: Keys, spare: int) -> KeyMask:
    """A mask of bits however far apart the keys are, beginning `spare` numbers before the first."""
    shown = np.zeros(int(keys[-1] - keys[0]) + 1 + spare, bool)
    shown[keys - keys[0] + spare] = True
    return KeyMask(int(keys[0]) - spare, np.packbits(shown, bitorder="little"))


@examples(60)
@given(
    n=st.integers(0, 500),
    spread=st.sampled_from([1, 2, 40, 1 << 40]),
    share=st.sampled_from([0.01, 0.1, 0.5, 1.0]),
    n_bits=st.sampled_from([8, 64, 72, 256]),
    k=st.sampled_from([1, 10, 1_000]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_way_finds_the_nearest_of_the_allowed(
    n: int, spread: int, share: float, n_bits: int, k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    keys = rng.permutation(np.unique(rng.integers(-spread * n, spread * n + 1, n)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "MIN_PROBED", 4)
        table, model = a_table(rng, keys, n_bits)
    allowed = np.unique(np.append(keys[rng.random(len(keys)) < share], rng.integers(-spread * n, spread * n + 1, 5)))
    masks = [KeyMask.of_keys(allowed)]
    if spread < 1 << 40:
        masks.append(bitmap_of(allowed, int(rng.integers(0, 20))))
    visible = {key: code for key, code in model.items() if key in set(allowed.tolist())}
    query = clustered_codes(rng, 1, n_bits)
    for mask in masks:
        for mode in (AUTO, SCAN, PROBE, GATHER):
            (row,) = table._answers(table._view, query, k, n_bits, k, mode, mask)
            assert matches(row) == oracles.nearest(visible, query.tobytes(), k)
            (row,) = table._answers(table._view, query, UNLIMITED, n_bits // 4, 500, mode, mask)
            assert matches(row) == oracles.within(visible, query.tobytes(), n_bits // 4)


@examples(30)
@given(share=st.sampled_from([0.02, 0.3, 0.9]), radius=st.integers(0, 16), seed=st.integers(0, 2**32 - 1))
def test_radius_and_logits_go_with_a_mask(share: float, radius: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = rng.permutation(900)[:300].astype(np.int64)
    table, model = a_table(rng, keys, 16)
    allowed = keys[rng.random(len(keys)) < share]
    visible = {key: code for key, code in model.items() if key in set(allowed.tolist())}
    confidence = rng.integers(0, 256, 16).astype(np.uint8)
    query = clustered_codes(rng, 1, 16)
    logits = confidence[None].astype(np.float32)
    (near,) = table.search(query, 20, KeyMask.of_keys(allowed), logits=logits, radius=radius)
    expected = [
        (distance, oracles.flip_cost(visible[key], query.tobytes(), confidence), key)
        for distance, key in oracles.within(visible, query.tobytes(), radius)
    ]
    assert near.keys.tolist() == [key for _, _, key in sorted(expected)[:20]]


@pytest.mark.parametrize("n_bits", [32, 64, 128])
@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.0005])
def test_many_codes_with_gaps_between_their_keys_are_found_by_every_way(n_bits: int, share: float) -> None:
    rng = np.random.default_rng(n_bits)
    n = 50_000
    codes, keys = clustered_codes(rng, n, n_bits, 40), np.sort(rng.permutation(n + n // 5)[:n])
    table = HammingTable.build(codes, keys)
    chosen = rng.random(n) < share
    mask, queries = bitmap_of(keys[chosen], 3), clustered_codes(rng, 20, n_bits, 40)
    for query in queries:
        distances = oracles.distances(codes[chosen], query)
        order = np.lexsort((keys[chosen], distances))[:10]
        expected = list(zip(distances[order].tolist(), keys[chosen][order].tolist(), strict=True))
        for mode in (AUTO, SCAN, PROBE, GATHER):
            (row,) = table._answers(table._view, query[None], 10, n_bits, 10, mode, mask)
            assert matches(row) == expected


@examples(60)
@given(
    n=st.integers(0, 300),
    spread=st.sampled_from([1, 3, 40, 1 << 40]),
    n_bits=st.sampled_from([8, 64, 72]),
    is_probed=st.booleans(),
    data=st.data(),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_mask_of_all_within_a_radius_is_that_of_brute_force(
    n: int, spread: int, n_bits: int, is_probed: bool, data: st.DataObject, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    keys = rng.permutation(np.unique(rng.integers(-spread * n, spread * n + 1, n)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "MIN_PROBED", 4 if is_probed else 1 << 15)
        table, model = a_table(rng, keys, n_bits)
    radius, query = data.draw(st.integers(0, n_bits + 3)), clustered_codes(rng, 1, n_bits)[0]
    allowed = keys[rng.random(len(keys)) < 0.5]
    expected = {key for _, key in oracles.within(model, query.tobytes(), radius)}
    assert set(table.within_mask(query, radius).allowed_keys().tolist()) == expected
    among = table.within_mask(query, radius, KeyMask.of_keys(allowed))
    assert set(among.allowed_keys().tolist()) == expected & set(allowed.tolist())


def test_allowed_keys_that_all_lie_far_away_are_found() -> None:
    """The filter leaves out exactly what is near."""
    rng = np.random.default_rng(0)
    n = 40_000
    codes = clustered_codes(rng, n, 64, 2)
    table = HammingTable.build(codes, np.arange(n))
    distances = oracles.distances(codes, codes[0])
    far = np.flatnonzero(distances > np.median(distances))
    (near,) = table.search(codes[:1], 10, KeyMask.of_keys(far))
    assert near.keys.tolist() == far[np.lexsort((far, distances[far]))[:10]].tolist()


def test_no_allowed_key_gives_no_match() -> None:
    table = HammingTable.build(np.zeros((50, 8), np.uint8), np.arange(50))
    query, none = np.zeros((2, 8), np.uint8), KeyMask.of_keys([])
    absent = KeyMask.of_keys([70, 1 << 50])
    for mask in (none, absent):
        assert [len(near.keys) for near in table.search(query, 3, mask)] == [0, 0]
        assert [len(ball.keys) for ball in table.within(query, 64, mask)] == [0, 0]


@pytest.mark.usefixtures("dear_scans")
@pytest.mark.skipif(loops_for(64).now.__name__.endswith("reference"), reason="numpy always scans")  # type: ignore[attr-defined]
def test_few_allowed_are_gathered() -> None:
    rng = np.random.default_rng(3)
    table = HammingTable.build(clustered_codes(rng, 40_000, 64, 20), np.arange(40_000))
    stats = table.search(np.zeros((1, 8), np.uint8), 3, KeyMask.of_keys(np.arange(0, 40_000, 400)))[0].stats
    assert stats.path == "gather"
    assert stats.candidates == 100
