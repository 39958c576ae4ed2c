"""The Hamming table answers as brute force does, whatever was added, replaced and deleted before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidInput
from service.hashing.codes import Codes, hamming_distance
from service.index.table import HammingTable, Keys, Neighbors

WIDTHS = [8, 16, 32, 64, 72, 128, 256]


def brute_force(model: dict[int, bytes], code: Codes, radius: int, k: int | None = None) -> list[tuple[int, int]]:
    """(distance, key) of all within radius, ascending, cut at k: the oracle."""
    pairs = [(int(hamming_distance(np.frombuffer(c, np.uint8), code)), key) for key, c in model.items()]
    return sorted(pair for pair in pairs if pair[0] <= radius)[:k]


def as_pairs(answer: Neighbors) -> list[tuple[int, int]]:
    return list(zip(answer.distances.tolist(), answer.keys.tolist(), strict=True))


def clustered(rng: np.random.Generator, n: int, n_bits: int, n_centres: int = 5) -> Codes:
    centres = rng.integers(0, 2, (n_centres, n_bits), np.uint8)
    flips = rng.random((n, n_bits)) < 0.08
    return np.packbits(centres[rng.integers(0, n_centres, n)] ^ flips, axis=1)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n_bits=st.sampled_from(WIDTHS), seed=st.integers(0, 2**32 - 1))
def test_any_history_of_writes_answers_as_brute_force(data: st.DataObject, n_bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = data.draw(st.integers(0, 60))
    codes = clustered(rng, n, n_bits)
    keys = rng.permutation(100)[:n].astype(np.int64) - 50
    table = HammingTable.build(codes, keys)
    model = {int(key): code.tobytes() for key, code in zip(keys, codes, strict=True)}
    for step in data.draw(st.lists(st.sampled_from(["add", "delete"]), max_size=5)):
        touched = rng.integers(-60, 60, data.draw(st.integers(0, 10)))
        if step == "add":
            new = clustered(rng, len(touched), n_bits)
            table.add(new, touched)
            model |= {int(key): code.tobytes() for key, code in zip(touched, new, strict=True)}
        else:
            table.delete(touched)
            model = {key: code for key, code in model.items() if key not in set(touched.tolist())}
    assert len(table) == len(model)
    queries = clustered(rng, 3, n_bits)
    k, radius = data.draw(st.integers(1, 80)), data.draw(st.integers(0, n_bits))
    allowed = data.draw(st.none() | st.sets(st.integers(-60, 60)))
    visible = {key: code for key, code in model.items() if allowed is None or key in allowed}
    for query, nearest, ball in zip(
        queries, table.search(queries, k, allowed), table.within(queries, radius, allowed), strict=True
    ):
        assert as_pairs(nearest) == brute_force(visible, query, n_bits, k)
        assert as_pairs(ball) == brute_force(visible, query, radius)
    wanted: Keys = np.arange(-60, 60)
    found_codes, found = table.get(wanted)
    assert {int(key): code.tobytes() for key, code in zip(wanted[found], found_codes[found], strict=True)} == model


def test_equal_distances_are_ordered_by_key() -> None:
    table = HammingTable.build(np.zeros((3, 8), np.uint8), np.array([7, -1, 3]))
    assert table.search(np.zeros((1, 8), np.uint8), 2)[0].keys.tolist() == [-1, 3]


@pytest.mark.parametrize("n_bits", [0, 12, 264])
def test_a_width_that_no_code_has_is_refused(n_bits: int) -> None:
    with pytest.raises(InvalidInput, match="n_bits must be"):
        HammingTable(n_bits)


def test_wrong_shapes_and_numbers_are_refused() -> None:
    table = HammingTable.build(np.zeros((1, 8), np.uint8), np.array([1]))
    query = np.zeros((1, 8), np.uint8)
    with pytest.raises(InvalidInput, match="codes must be"):
        table.search(np.zeros((1, 4), np.uint8), 1)
    with pytest.raises(InvalidInput, match="k must be"):
        table.search(query, 0)
    with pytest.raises(InvalidInput, match="radius must be"):
        table.within(query, -1)
    with pytest.raises(InvalidInput, match="keys must be"):
        table.add(query, np.array([1, 2]))
    with pytest.raises(InvalidInput, match="unique"):
        HammingTable.build(np.zeros((2, 8), np.uint8), np.array([1, 1]))
