import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.hashing.untrained import untrained_hash_function
from tests import oracles
from training.evaluate import all_distances, entropy, evaluate, expected_recall, inclusion, saturated_share
from training.fit.fit import fit


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


def test_entropy_is_one_bit_for_a_fair_coin_and_none_for_a_dead_one():
    np.testing.assert_allclose(entropy(np.array([0.5, 0.0, 1.0])), [1, 0, 0], atol=1e-9)


def test_units_saturate_where_the_sigmoid_is_within_a_twentieth_of_an_end():
    assert saturated_share(np.array([[-3.0, -2.9, 0.0, 2.9, 3.0]], dtype=np.float32)) == 0.4


@pytest.fixture(scope="module")
def report(corpus):
    function = untrained_hash_function(16)
    return evaluate(function, corpus.contents, corpus.ids, others={"active": function}, reconstruction_loss=1.5)


def test_a_report_names_its_parts_and_is_json(report):
    assert report.n_queries + report.n_database == 300
    assert set(report.recall) == {"this", "untrained", "active"}
    assert len(set(report.recall.values())) == 1
    assert json.loads(json.dumps(report.to_dict()))["reconstruction_loss"] == 1.5
    assert len(report.bit_entropy) == len(report.bit_balance) == 16


def test_bucket_load_counts_documents_that_share_a_code(corpus):
    function = untrained_hash_function(16)
    twins = [*corpus.contents, *corpus.contents]
    report = evaluate(function, twins, [*corpus.ids, *(f"twin-{i}" for i in corpus.ids)])
    assert report.code_load.largest >= 2
    assert report.code_load.ratio == pytest.approx(report.code_load.largest / report.code_load.mean, abs=0.01)
    assert report.share_of_shared_codes > 0.7
    assert report.substring_load.n_tables == 1


def test_learned_codes_find_more_true_neighbors_than_untrained_ones(corpus, quick):
    function = fit(corpus.contents, corpus.ids, quick(epochs=60)).function
    report = evaluate(function, corpus.contents, corpus.ids)
    assert report.recall["this"] > report.recall["untrained"] + 0.05
    assert report.dead_bits == []
