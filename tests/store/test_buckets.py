from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.hashing.codes import Codes
from service.store import buckets, codes
from service.store.buckets import SqlNeighbors
from service.store.database import Database
from tests import oracles
from tests.conftest import new_collection
from tests.oracles import Match, clustered_codes

WIDTHS = [8, 16, 24, 32, 64, 72, 128, 256]


def matches(found: SqlNeighbors) -> list[Match]:
    return list(zip(found.distances.tolist(), found.keys.tolist(), strict=True))


def filled(database: Database, all_codes: Codes) -> tuple[int, dict[int, bytes]]:
    """A space with those codes, and the model of it."""
    collection, space = new_collection(database, 8 * all_codes.shape[1])
    keys = list(range(1, 1 + len(all_codes)))
    with database.lane(collection.id) as lane:
        codes.append(lane, space.id, keys, all_codes)
    return space.id, {key: row.tobytes() for key, row in zip(keys, all_codes, strict=True)}


@settings(max_examples=40)
@given(data=st.data(), n_bits=st.sampled_from(WIDTHS), seed=st.integers(0, 2**32 - 1))
def test_search_and_within_agree_with_brute_force(
    database: Database, data: st.DataObject, n_bits: int, seed: int
) -> None:
    """Few codes or hundreds, random or crowded in duplicates, k and radius up to more than there is."""
    rng = np.random.default_rng(seed)
    n, flip = data.draw(st.sampled_from([0, 1, 5, 60, 400])), data.draw(st.sampled_from([0.0, 0.02, 0.1, 0.5]))
    space, model = filled(database, clustered_codes(rng, n, n_bits, n_centers=3, flip=flip))
    query = clustered_codes(rng, 1, n_bits)[0]
    if model and data.draw(st.booleans()):
        query = np.frombuffer(model[data.draw(st.sampled_from(sorted(model)))], dtype=np.uint8)
    k, radius = (
        data.draw(st.sampled_from([1, 2, 10, n + 1])),
        data.draw(st.sampled_from([0, 1, 3, n_bits // 4, n_bits])),
    )
    with database.read() as connection:
        nearest = buckets.search(connection, space, query, k)
        ball = buckets.within(connection, space, query, radius)
    assert matches(nearest) == oracles.nearest(model, query.tobytes(), k)
    assert matches(ball) == oracles.within(model, query.tobytes(), radius)
    assert ball.radius == radius
    assert nearest.path in ("buckets", "scan")
    if nearest.path == "buckets":  # every code within the radius it names was looked at
        assert nearest.candidates >= len(oracles.within(model, query.tobytes(), nearest.radius))


@pytest.mark.parametrize(("n", "flip"), [(40, 0.1), (600, 0.02)])
def test_equal_distances_are_ordered_by_the_confidence_of_the_differing_bits(
    database: Database, n: int, flip: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(n)
    space, model = filled(database, clustered_codes(rng, n, 64, n_centers=3, flip=flip))
    query, confidence = np.frombuffer(model[3], np.uint8), rng.integers(0, 256, 64).astype(np.uint8)
    sure = {key: oracles.flip_cost(code, query.tobytes(), confidence) for key, code in model.items()}
    everything = sorted((distance, sure[key], key) for distance, key in oracles.nearest(model, query.tobytes(), n))
    expected = [(distance, key) for distance, _, key in everything]
    monkeypatch.setattr(buckets, "_ROWS_AT_ONCE", 17)
    with database.read() as connection:
        for k in (1, 5, n):
            assert matches(buckets.search(connection, space, query, k, confidence)) == expected[:k]
        for radius in (0, 3, 64):
            ball = [match for match in expected if match[0] <= radius]
            assert matches(buckets.within(connection, space, query, radius, confidence)) == ball


def test_near_codes_are_found_by_few_probes_among_many(database: Database) -> None:
    space, model = filled(database, clustered_codes(np.random.default_rng(0), 3_000, 64, n_centers=3_000))
    query = np.frombuffer(model[77], dtype=np.uint8)
    with database.read() as connection:
        found = buckets.search(connection, space, query, 1)
        ball = buckets.within(connection, space, query, 7)
    assert matches(found) == [(0, 77)]
    assert (found.path, found.probes, found.radius) == ("buckets", 4, 3)
    assert found.candidates < 100
    assert (ball.path, ball.probes, ball.radius) == ("buckets", 4 + 4 * 16, 7)


def test_within_probes_the_last_level_in_as_many_tables_as_the_radius_asks_for(database: Database) -> None:
    space, model = filled(database, clustered_codes(np.random.default_rng(0), 600, 64))
    query = np.frombuffer(model[1], dtype=np.uint8)
    with database.read() as connection:
        probes = [buckets.within(connection, space, query, radius).probes for radius in range(9)]
    assert probes == [1, 2, 3, 4, 4 + 16, 4 + 32, 4 + 48, 4 + 64, 4 + 64 + 120]


def test_far_codes_are_found_by_a_scan_when_that_is_less_work(database: Database) -> None:
    space, model = filled(database, clustered_codes(np.random.default_rng(0), 300, 64, flip=0.01))
    query = ~np.frombuffer(model[1], dtype=np.uint8)
    with database.read() as connection:
        found = buckets.search(connection, space, query, 5)
        ball = buckets.within(connection, space, query, 60)
    assert matches(found) == oracles.nearest(model, query.tobytes(), 5)
    assert (found.path, found.candidates, found.radius) == ("scan", 300, 64)
    assert matches(ball) == oracles.within(model, query.tobytes(), 60)
    assert ball.path == "scan"


def test_a_scan_in_parts_is_the_same_scan(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    space, model = filled(database, clustered_codes(np.random.default_rng(0), 100, 32))
    query = clustered_codes(np.random.default_rng(1), 1, 32)[0]
    monkeypatch.setattr(buckets, "_ROWS_AT_ONCE", 7)
    with database.read() as connection:
        found = buckets.search(connection, space, query, 20)
        keys, loaded = codes.load(connection, space, 4)
    assert found.path == "scan"
    assert matches(found) == oracles.nearest(model, query.tobytes(), 20)
    assert {key: row.tobytes() for key, row in zip(keys.tolist(), loaded, strict=True)} == model


@pytest.mark.parametrize(("n_bits", "n_tables"), [(8, 1), (16, 1), (24, 2), (32, 2), (64, 4), (72, 5), (256, 16)])
def test_substrings_are_at_most_16_bits_wide(n_bits: int, n_tables: int) -> None:
    assert buckets.n_tables(n_bits) == n_tables
