import numpy as np
import pytest
from scipy.sparse import csr_matrix

from service.hashing.featurizers.text import TextFeaturizer
from training.fit.run import TrainingRun
from training.neighbors.exact import latent, latent_axes
from training.neighbors.graph import Graph
from training.neighbors.latent import LatentSpace, rarity


@pytest.fixture(scope="module")
def features(corpus):
    return TextFeaturizer().fit(corpus.contents).transform(corpus.contents)


def test_a_rare_word_counts_more_and_dense_features_all_alike():
    X = csr_matrix(np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [1, 1, 0]], dtype=np.float32))
    everywhere, twice, once = rarity(X, 2.0)
    assert everywhere == 1 < twice < once
    np.testing.assert_allclose(once, (np.log(5 / 2) + 1) ** 2, rtol=1e-6)
    assert set(rarity(X, 0.0)) == set(rarity(X.toarray(), 2.0)) == {1.0}


def test_without_rarity_it_is_plain_latent_semantic_analysis(features):
    space = LatentSpace.of(features, 8, 0.0, 3)
    np.testing.assert_allclose(space.view(features, 8), latent(features, latent_axes(features, 8, 3)), atol=1e-5)


def test_places_do_not_depend_on_the_length_of_a_row(features):
    space = LatentSpace.of(features, 6, 1.0, 1)
    np.testing.assert_allclose(space.view(3 * features, 4), space.view(features, 4), atol=1e-5)


def test_rarity_brings_documents_of_a_topic_together(corpus, features):
    """The filler words, in every document, fill the first axes unless rare words count more."""

    def share(power):
        places = LatentSpace.of(features, 6, power, 1).view(features, 6)
        cosines = places @ places.T
        same = corpus.topics[:, None] == corpus.topics[None, :]
        return cosines[same].mean() - cosines[~same].mean()

    assert share(2.0) > share(0.0)


def test_a_first_layer_of_word_vectors_has_zero_mean_and_unit_variance(features):
    vectors, bias = LatentSpace.of(features, 10, 1.0, 1).word_vectors(10, 400, 5)
    units = features @ vectors + bias
    assert vectors.shape == (features.shape[1], 400)
    np.testing.assert_allclose(units.mean(axis=0), 0, atol=1e-4)
    assert np.mean(units**2) == pytest.approx(1, abs=0.15)


def test_words_of_one_topic_start_alike(features, corpus):
    featurizer = TextFeaturizer().fit(corpus.contents)
    vectors, _ = LatentSpace.of(features, 6, 1.0, 1).word_vectors(6, 200, 5)
    names = np.array(featurizer.vocabulary)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    own, other = (np.char.startswith(names, f"topic{t}word") for t in (0, 1))
    assert (unit[own] @ unit[own].T).mean() > (unit[own] @ unit[other].T).mean() + 0.3


def test_equal_documents_have_an_axis_without_spread_and_finite_vectors():
    X = csr_matrix(np.ones((5, 4), dtype=np.float32) / 2)
    vectors, bias = LatentSpace.of(X, 2, 1.0, 0).word_vectors(2, 3, 0)
    assert np.isfinite(vectors).all()
    assert np.isfinite(bias).all()


def test_a_network_starts_from_latent_word_vectors_where_the_plan_says_so(features, quick):
    for dims in (12, 0):
        config = quick(start_dims=dims)
        plan = config.plan(features.shape[0])
        graph = Graph.of(features, plan, config.seed)
        dataset = graph.dataset(features, lambda: None, same=True)
        first = TrainingRun(dataset, dataset, plan, config, graph=graph).model.encoder.first.detach().numpy()
        assert np.linalg.matrix_rank(first, tol=1e-2) == (dims or 32)
