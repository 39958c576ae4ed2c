import numpy as np
import pytest
from scipy.sparse import csr_matrix

from training.neighbors.exact import Nearest, SimilaritySpace, averaging, latent, latent_axes, nearest
from training.vectors import unit_rows


@pytest.fixture
def features():
    rng = np.random.default_rng(3)
    dense = rng.random((40, 15), dtype=np.float32) * (rng.random((40, 15)) < 0.5)
    dense[7] = 0
    return csr_matrix(unit_rows(dense.astype(np.float32)))


def brute_force(similarities, k):
    return -np.sort(-similarities, axis=1)[:, :k]


def test_nearest_are_those_of_brute_force(features):
    found = nearest(SimilaritySpace(features[:5]), SimilaritySpace(features), 6)
    similarities = (features[:5] @ features.T).toarray()
    np.testing.assert_allclose(found.similarities, brute_force(similarities, 6), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        np.take_along_axis(similarities, found.rows, axis=1), found.similarities, rtol=1e-5, atol=1e-6
    )


def test_a_document_is_no_neighbor_of_itself(features):
    found = nearest(SimilaritySpace(features), SimilaritySpace(features), 39, same=True)
    assert not (found.rows == np.arange(40)[:, None]).any()


def test_latent_similarity_counts_by_its_weight(features):
    beside = latent(features, latent_axes(features, 4, 0))
    found = nearest(SimilaritySpace(features, beside, 2.0), SimilaritySpace(features, beside, 2.0), 5)
    similarities = (features @ features.T).toarray() + 2 * beside @ beside.T
    np.testing.assert_allclose(found.similarities, brute_force(similarities, 5), rtol=1e-4, atol=1e-5)


def test_no_more_neighbors_come_than_there_are(features):
    assert nearest(SimilaritySpace(features[:2]), SimilaritySpace(features[:3]), 10).rows.shape == (2, 3)


def test_averaging_takes_the_mean_of_neighbors_that_share_something():
    found = Nearest(np.array([[1, 2], [0, 2]]), np.array([[0.5, 0.0], [0.9, 0.1]], dtype=np.float32))
    np.testing.assert_allclose(averaging(found, 3, 0.0).toarray(), [[0, 1, 0], [0.5, 0, 0.5]])
    np.testing.assert_allclose(averaging(found, 3, 0.2).toarray(), [[0.2, 0.8, 0], [0.4, 0.2, 0.4]], atol=1e-7)


def test_a_document_without_neighbors_keeps_itself():
    found = Nearest(np.array([[1], [0]]), np.zeros((2, 1), dtype=np.float32))
    np.testing.assert_allclose(averaging(found, 2, 0.1).toarray(), np.eye(2))


def test_a_search_stops_when_check_cancelled_raises(features):
    def check_cancelled():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nearest(SimilaritySpace(features), SimilaritySpace(features), 2, check_cancelled=check_cancelled)
