import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import oracles
from training.recall import Difference, all_distances, expected_recall, inclusion, recalls


def test_distances_are_hamming_distances():
    rng = np.random.default_rng(0)
    a, b = (rng.integers(256, size=(n, 3), dtype=np.uint8) for n in (5, 7))
    expected = np.bitwise_count(a[:, None, :] ^ b[None, :, :]).sum(axis=2)
    np.testing.assert_array_equal(all_distances(a, b), expected)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 40))
def test_the_shortlist_holds_in_expectation_as_many_as_asked_for(distances, shortlist):
    chances = inclusion(np.array(distances), shortlist)
    assert chances.sum() == pytest.approx(min(shortlist, len(distances)))
    nearer = np.array(distances)[:, None] < np.array(distances)[None, :]
    assert (chances[:, None] >= chances[None, :])[nearer].all()


def test_recall_under_ties_is_the_mean_over_random_orders():
    rng = np.random.default_rng(1)
    codes, query = (rng.integers(256, size=(n, 1), dtype=np.uint8) for n in (60, 1))
    truth = np.array([[3, 14, 15, 9, 26]])
    distances = oracles.distances(codes, query)
    drawn = [np.isin(truth[0], np.lexsort((rng.random(60), distances))[:10]).mean() for _ in range(4000)]
    assert expected_recall(query, codes, truth, 10) == pytest.approx(np.mean(drawn), abs=0.02)


def test_the_recall_of_each_query_is_its_share_of_the_true_nearest():
    codes = np.array([[0], [1], [3], [255]], dtype=np.uint8)
    truth = np.array([[0, 1], [0, 3]], dtype=np.int32)
    np.testing.assert_allclose(recalls(codes[:2], codes, truth, 2), [1, 0.5 * 0.5])


def test_a_difference_is_clear_where_nearly_every_query_says_so_and_not_where_they_disagree():
    rng = np.random.default_rng(3)
    theirs = rng.random(400)
    clear = Difference.of(theirs - 0.05, theirs)
    assert clear.low == pytest.approx(clear.mean)
    assert clear.high == pytest.approx(-0.05)
    unclear = Difference.of(theirs + rng.normal(-0.005, 0.3, 400), theirs)
    assert unclear.low < 0 < unclear.high
    assert unclear.high - unclear.low == pytest.approx(4 * 0.3 / 20, rel=0.2)
