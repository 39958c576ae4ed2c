import json

import numpy as np
import pytest

from service.hashing.codes import pack
from service.hashing.untrained import untrained_hash_function
from training.data.supervision import Supervision
from training.evaluate import correlation, entropy, evaluate, saturated_share
from training.fit.fit import fit
from training.recall import Difference


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
    assert len(set(report.recall.values())) == len(set(report.topic.values())) == 1
    assert report.gain["active"]["both"] == Difference(0, 0, 0)
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


def test_codes_of_topics_find_documents_of_the_same_topic(corpus, quick):
    report = evaluate(fit(corpus.contents, corpus.ids, quick(epochs=60)).function, corpus.contents, corpus.ids)
    assert report.topic["this"] > report.topic["untrained"] + 0.05
    gain = report.gain["untrained"]["topic"]
    assert gain.low <= gain.mean <= gain.high
    assert gain.mean == pytest.approx(report.topic["this"] - report.topic["untrained"])


def test_a_report_gives_advice_about_codes_that_do_not_saturate_and_are_few(corpus, quick):
    function = fit(corpus.contents, corpus.ids, quick(n_bits=8, variant="undercomplete", epochs=2)).function
    report = evaluate(function, corpus.contents, corpus.ids, is_binary=True, agreement=0.01)
    assert {"unclear_neighbors", "not_saturated", "few_codes"} <= {one.kind for one in report.advice}
    assert report.n_distinct_codes <= 256
    silent = evaluate(function, corpus.contents, corpus.ids)
    assert not {"unclear_neighbors", "not_saturated"} & {one.kind for one in silent.advice}


def test_a_report_judges_by_labels_and_pairs_where_they_are_given(corpus, quick):
    function = fit(corpus.contents, corpus.ids, quick(epochs=30)).function
    rng = np.random.default_rng(1)
    pairs = [(int(a), int(b), bool(corpus.topics[a] == corpus.topics[b])) for a, b in rng.integers(300, size=(400, 2))]
    said = Supervision.of([[str(topic)] for topic in corpus.topics], pairs)
    report = evaluate(function, corpus.contents, corpus.ids, said=said)
    for figures in (report.label, report.pairs):
        assert figures["this"] > figures["untrained"] + 0.05
    assert report.n_asked["label"] == report.n_queries
    for name, figures in (("recall", report.recall), ("label", report.label), ("pairs", report.pairs)):
        assert report.found[name].low < figures["this"] == pytest.approx(report.found[name].mean)
        assert report.gain["untrained"][name].mean == pytest.approx(figures["this"] - figures["untrained"])
    assert evaluate(function, corpus.contents, corpus.ids).label == {}


def test_correlation_is_one_for_equal_bits_and_none_for_independent_ones():
    every = np.array([[i >> j & 1 for j in range(8)] for i in range(256)], dtype=bool)
    assert correlation(pack(every)) == pytest.approx(0, abs=1e-6)
    assert correlation(pack(np.repeat(every[:, :1], 8, axis=1))) == pytest.approx(1, abs=1e-3)
    assert correlation(pack(np.zeros((4, 8), dtype=bool))) == 0
