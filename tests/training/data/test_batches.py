import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, identity

from training.data.batches import Dataset


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    return csr_matrix(rng.random((70, 12), dtype=np.float32) * (rng.random((70, 12)) < 0.4))


def batches(dataset, seed):
    rng = np.random.default_rng(seed)
    return list(dataset.batches(32, 0.0, (0.25, 0.5), rng, torch.device("cpu")))


def test_one_pass_gives_every_document_once_with_its_own_target(features):
    dataset = Dataset(features, features, None)
    seen = torch.cat([batch.target for batch in batches(dataset, 1)]).numpy()
    expected = features.toarray() / np.maximum(features.toarray().sum(axis=1, keepdims=True), 1e-12)
    np.testing.assert_allclose(seen[np.lexsort(seen.T)], expected[np.lexsort(expected.T)], rtol=1e-6)


def test_batches_follow_from_the_seed_and_know_the_progress_of_training(features):
    dataset = Dataset(features, features, None)
    first, again, other = batches(dataset, 1), batches(dataset, 1), batches(dataset, 2)
    assert all(torch.equal(a.target, b.target) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].target, other[0].target)
    progress = [batch.progress for batch in first]
    assert progress[0] == 0.25
    assert progress == sorted(progress)
    assert progress[-1] < 0.5


def test_targets_are_means_of_the_sources_that_sum_to_one(features):
    averaging = csr_matrix(np.full((70, 70), 1 / 70, dtype=np.float32))
    targets = Dataset(features, features, averaging).targets(np.array([3, 4]))
    mean = features.toarray().mean(axis=0)
    np.testing.assert_allclose(targets, np.tile(mean / mean.sum(), (2, 1)), rtol=1e-5)


def test_the_mean_target_is_the_same_with_and_without_averaging(features):
    plain = Dataset(features, features, None).mean_target()
    averaged = Dataset(features, features, identity(70, dtype=np.float32, format="csr")).mean_target()
    np.testing.assert_allclose(plain, averaged, rtol=1e-5)
    assert plain.sum() == pytest.approx(1, abs=1e-5)


def test_half_of_each_batch_are_partners_of_the_other_half(features):
    partners = ((np.arange(70)[:, None] + [1, 2, 3]) % 70).astype(np.int32)
    dataset = Dataset(features, features, None, partners=partners)
    sizes, drawn = [], []
    for batch in batches(dataset, 1):
        anchors, others = np.split(batch.cases.numpy(), 2)
        assert np.isin(others - anchors, [1, 2, 3, 1 - 70, 2 - 70, 3 - 70]).all()
        sizes.append(len(batch.cases))
        drawn += anchors.tolist()
    assert sum(sizes) == 70  # a pass costs what it costs without partners
    assert len(set(drawn)) == 35


def test_batches_with_vectors_know_the_likeness_by_topic_and_by_features(features):
    rows = csr_matrix(features / np.maximum(np.sqrt(features.power(2).sum(axis=1)), 1e-9))
    dataset = Dataset(rows, rows, None, vectors=np.ones((70, 1), dtype=np.float32))
    batch = batches(dataset, 1)[0]
    cosines = (rows @ rows.T).toarray()[np.ix_(batch.cases, batch.cases)]
    np.testing.assert_allclose(batch.cosines, cosines, atol=1e-6)
    np.testing.assert_allclose(batch.similarities, cosines + 1, atol=1e-6)
