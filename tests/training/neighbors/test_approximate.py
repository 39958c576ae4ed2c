import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, random_array

from training.neighbors.approximate import LENGTH, InvertedFile, nearest_centroids
from training.neighbors.exact import SimilaritySpace, latent, latent_axes, nearest, unit_rows

N = 3_000


@pytest.fixture(scope="module")
def features():
    """Documents of 30 topics; a row in a hundred is empty."""
    rng = np.random.default_rng(5)
    words = csr_matrix(random_array((30, 400), density=0.1, rng=rng, dtype=np.float32))
    noise = csr_matrix(random_array((N, 400), density=0.02, rng=rng, dtype=np.float32))
    dense = (words[rng.integers(30, size=N)] + noise).toarray() * (rng.random((N, 400)) < 0.7)
    dense[::100] = 0
    return csr_matrix(unit_rows(dense.astype(np.float32)))


@pytest.fixture(scope="module")
def space(features):
    return SimilaritySpace(features, latent(features, latent_axes(features, 8, 0)), 0.5)


def recall(found, true):
    return np.mean([np.isin(a, b).mean() for a, b in zip(true.rows, found.rows, strict=True)])


def views_of(space):
    dense = np.ascontiguousarray(space.features.toarray())
    return {
        "words and latent": space,
        "words": SimilaritySpace(space.features),
        "reals and latent": SimilaritySpace(dense, space.latent, 0.5),
        "reals": SimilaritySpace(dense),
    }


@pytest.mark.parametrize("name", ["words and latent", "words", "reals and latent", "reals"])
def test_a_look_into_a_part_of_the_lists_finds_most_true_neighbors(space, name):
    database = views_of(space)[name]
    file = InvertedFile.of(database, 1, mean_length=40, n_probes=20)
    assert len(file.starts) > 60
    found, true = file.nearest(None, 10), nearest(database, database, 10, same=True)
    # Empty rows have no true neighbors.
    known = space.features.getnnz(axis=1) > 0
    hits = [np.isin(a, b).mean() for a, b in zip(true.rows[known], found.rows[known], strict=True)]
    assert np.mean(hits) > 0.85
    assert found.similarities[known].mean() > 0.97 * true.similarities[known].mean()


@pytest.mark.parametrize("name", ["words and latent", "words", "reals and latent", "reals"])
def test_a_look_into_every_list_finds_what_the_exact_search_finds(space, name):
    database = views_of(space)[name]
    file = InvertedFile.of(database, 1, mean_length=200, n_probes=1_000)
    found, true = file.nearest(None, 7), nearest(database, database, 7, same=True)
    np.testing.assert_allclose(found.similarities, true.similarities, atol=1e-5)
    asked = SimilaritySpace(database.features[5:25], None if database.latent is None else database.latent[5:25], 0.5)
    queries = file.nearest(asked, 7)
    np.testing.assert_allclose(queries.similarities, nearest(asked, database, 7).similarities, atol=1e-5)


def test_similarities_are_those_of_the_rows_found(space):
    found = InvertedFile.of(space, 1, mean_length=40, n_probes=8).nearest(None, 5)
    rows = np.arange(0, N, 97)
    features = space.features[rows] @ space.features.T
    similarities = features.toarray() + 0.5 * space.latent[rows] @ space.latent.T
    np.testing.assert_allclose(
        np.take_along_axis(similarities, found.rows[rows].astype(np.int64), axis=1), found.similarities[rows], atol=1e-5
    )


def test_no_document_is_its_own_neighbor_and_none_comes_twice(space):
    found = InvertedFile.of(space, 1, mean_length=40, n_probes=12).nearest(None, 20)
    assert not (found.rows == np.arange(N)[:, None]).any()
    ordered = np.sort(found.rows, axis=1)
    assert (ordered[:, 1:] > ordered[:, :-1]).all()


def test_one_seed_gives_one_answer(space):
    first, again = (InvertedFile.of(space, 3, n_probes=4).nearest(None, 5) for _ in range(2))
    np.testing.assert_array_equal(first.rows, again.rows)
    np.testing.assert_array_equal(first.similarities, again.similarities)


def test_lists_hold_every_document_once_and_no_more_than_they_may(space):
    file = InvertedFile.of(space, 1, mean_length=1_000)
    np.testing.assert_array_equal(np.sort(file.rows), np.arange(N))
    lengths = np.diff(file.starts)
    assert lengths.min() > 0
    assert lengths.max() <= LENGTH
    assert file.starts[-1] == N


def test_where_the_lists_hold_too_few_minus_infinity_fills_up(space):
    few = SimilaritySpace(space.features[1:60], space.latent[1:60], 0.5)
    found = InvertedFile.of(few, 1, mean_length=5, n_probes=1).nearest(None, 50)
    assert found.rows.shape == (59, 50)
    assert (found.similarities == -np.inf).any(axis=1).all()
    assert found.rows.min() >= 0
    assert found.rows.max() < 59


def test_centroids_come_nearest_first():
    rng = np.random.default_rng(0)
    places, centroids = (rng.standard_normal((n, 4)).astype(np.float32) for n in (50, 9))
    distances = np.linalg.norm(places[:, None] - centroids[None], axis=2)
    found = nearest_centroids(torch.from_numpy(places), torch.from_numpy(centroids), 3)
    np.testing.assert_array_equal(found, np.argsort(distances, axis=1)[:, :3])


@pytest.mark.parametrize("after", [0, 5, 12])
def test_building_and_search_stop_when_check_cancelled_raises(space, after):
    calls = iter(range(after + 1))

    def check_cancelled():
        if next(calls, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        InvertedFile.of(space, 1, check_cancelled=check_cancelled).nearest(None, 2, check_cancelled=check_cancelled)
