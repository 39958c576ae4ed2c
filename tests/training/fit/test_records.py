import numpy as np
import pytest

from service.hashing.codes import unpack
from training.data.split import split
from training.fit.fit import fit
from training.fit.records import N_BINS, Record, landmark_rows


def measured(corpus, config):
    found: list[tuple[Record, list[str]]] = []
    result = fit(corpus.contents, corpus.ids, config, record=lambda *one: found.append(one))
    return result, [one for one, _ in found], [ids for _, ids in found]


def test_a_training_is_measured_once_per_one_per_cent_of_its_steps_and_at_its_end(corpus, quick):
    _, records, ids = measured(corpus, quick(epochs=6, patience=99, first_bits=24, batch_size=8))
    percents = [one.percent for one in records]
    assert percents == list(range(101))
    assert [one.network for one in records] == sorted(one.network for one in records)
    assert {one.n_bits for one in records if one.network == 1} == {24}
    assert {one.networks for one in records} == {2}
    assert (records[0].loss, records[0].eta_s, records[-1].eta_s) == (None, None, 0)
    stepped = [one for one in records if one.loss is not None]
    assert len(stepped) == 99  # neither network has made a step when it is measured first
    for one in stepped:
        assert one.loss == pytest.approx(sum(one.parts.values()))
        assert one.documents_per_s > 0
    assert all(some == ids[0] for some in ids)
    validation = {corpus.ids[i] for i in split(corpus.ids).validation}
    assert set(ids[0]) == validation


def test_a_record_says_what_the_codes_of_the_landmarks_are_like(corpus, quick):
    result, records, ids = measured(corpus, quick(epochs=8))
    contents = dict(zip(corpus.ids, corpus.contents, strict=True))
    last = records[-1]
    np.testing.assert_array_equal(last.codes, result.function.encode([contents[id] for id in ids[0]]).codes)
    for one in records:
        assert len(one.activations) == N_BINS
        assert sum(one.activations) == len(ids[0]) * one.n_bits
        np.testing.assert_allclose(one.balance, unpack(one.codes).mean(axis=0), atol=1e-6)
        assert 0 <= one.saturated <= 1
    assert [one.noise for one in records] == sorted(one.noise for one in records)


def test_to_measure_a_training_changes_nothing_of_it(corpus, quick):
    for n_networks, options in ((2, {}), (1, {"variant": "stacked", "epochs": 3})):
        config = quick(**options)
        alone = fit(corpus.contents, corpus.ids, config)
        watched, records, _ = measured(corpus, config)
        assert {one.networks for one in records} == {n_networks}
        assert watched.function.to_bytes() == alone.function.to_bytes(), options


def test_landmarks_are_evenly_spread_and_all_documents_where_there_are_few():
    assert landmark_rows(3).tolist() == [0, 1, 2]
    rows = landmark_rows(10_000)
    assert (len(rows), rows[0], rows[-1]) == (256, 0, 9_999)
    assert np.ptp(np.diff(rows)) <= 1
