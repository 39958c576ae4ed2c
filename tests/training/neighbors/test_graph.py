import numpy as np
import pytest
from scipy.sparse import csr_matrix

from service.errors import InvalidInput
from service.hashing.featurizers.text import TextFeaturizer
from training.config import TrainingConfig
from training.neighbors.graph import Graph, check_output, heaviest, sources


@pytest.fixture(scope="module")
def features(corpus):
    return TextFeaturizer().fit(corpus.contents).transform(corpus.contents)


def graph_of(features, **options):
    config = TrainingConfig.parse(options)
    return Graph.of(features, config.plan(features.shape[0]), config.seed)


def nothing():
    pass


def same_topic(dataset, topics):
    edges = dataset.averaging.tocoo()
    others = edges.row != edges.col
    return np.mean(topics[edges.row[others]] == topics[edges.col[others]])


def test_neighbors_share_a_topic(corpus, features):
    assert same_topic(graph_of(features, neighbors=5).dataset(features, nothing, same=True), corpus.topics) > 0.95


def test_a_view_that_knows_the_topics_refines_the_neighbors(corpus, features):
    one_hot = np.eye(6, dtype=np.float32)[corpus.topics]
    # Nearly as many as a topic has: words alone reach into the other topics.
    rough = graph_of(features, neighbors=45, lsa_weight=0.0)
    refined = rough.refined(lambda rows: one_hot, 45)
    before, after = (same_topic(g.dataset(features, nothing, same=True), corpus.topics) for g in (rough, refined))
    assert before < 0.98
    assert after > 0.99


def test_refined_neighbors_are_mutual(features):
    graph = graph_of(features, neighbors=5).refined(lambda rows: np.ones((rows.shape[0], 1), dtype=np.float32), 20)
    edges = graph.dataset(features, nothing, same=True).averaging.toarray() > 0
    np.testing.assert_array_equal(edges, edges.T)


def test_half_of_a_refined_target_is_the_mean_of_the_nearest_by_features(features):
    one_view = lambda rows: np.ones((rows.shape[0], 1), dtype=np.float32)  # noqa: E731
    graph = graph_of(features, neighbors=5)
    plain, with_near = graph.refined(one_view, 20), graph.refined(one_view, 20, n_near=4, n_partners=3)
    dataset = with_near.dataset(features, nothing, same=True)
    halves = 2 * dataset.averaging - plain.dataset(features, nothing, same=True).averaging
    cosines = (features @ features.T).toarray() - 2 * np.eye(300)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :4]
    for row in range(20):
        found = np.flatnonzero(np.abs(halves.toarray()[row]) > 1e-6)
        assert len(found) == 5
        np.testing.assert_allclose(
            np.sort(cosines[row, found[found != row]]), np.sort(cosines[row, nearest[row]]), atol=1e-5
        )
    assert dataset.partners.shape == (300, 3)
    assert (dataset.partners != np.arange(300)[:, None]).all()
    others = with_near.dataset(features[:40], nothing)
    assert others.partners is None
    np.testing.assert_allclose(others.averaging.sum(axis=1), 1, rtol=1e-5)


def test_training_documents_are_in_their_own_mean_and_others_are_not(features):
    graph = graph_of(features[:200], neighbors=4)
    own = graph.dataset(features[:200], nothing, same=True).averaging
    other = graph.dataset(features[200:], nothing).averaging
    np.testing.assert_allclose(own.diagonal(), 1 / 5, rtol=1e-5)
    np.testing.assert_allclose(own.sum(axis=1), 1, rtol=1e-5)
    assert other.shape == (100, 200)
    np.testing.assert_allclose(other.sum(axis=1), 1, rtol=1e-5)


def test_without_neighbors_a_document_is_its_own_target(features):
    dataset = graph_of(features, variant="semantic_hashing").dataset(features[:3], nothing)
    expected = features[:3].toarray()
    np.testing.assert_allclose(dataset.targets(np.arange(3)), expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)


def test_targets_keep_the_words_of_most_weight(features):
    graph = graph_of(features, output_words=7, neighbors=3)
    sums = np.asarray(features.sum(axis=0)).ravel()
    assert set(heaviest(features, 7)) == set(np.argsort(-sums)[:7])
    assert graph.dataset(features, nothing, same=True).targets(np.arange(4)).shape == (4, 7)


def test_rare_words_count_more_in_targets(features):
    plain, rare = (graph_of(features, rarity=power).dataset(features, nothing, same=True) for power in (0.0, 1.0))
    frequency = np.bincount(features.indices, minlength=features.shape[1])
    common = np.argsort(-frequency)[:40]
    assert rare.targets(np.arange(300))[:, common].sum() < 0.95 * plain.targets(np.arange(300))[:, common].sum()
    np.testing.assert_allclose(rare.targets(np.arange(9)).sum(axis=1), 1, rtol=1e-5)


def test_drawn_neighbors_have_the_whole_mean_in_the_mean(features):
    dataset = graph_of(features, neighbors=20, drawn_neighbors=5, output_words=10).dataset(features, nothing, same=True)
    rng = np.random.default_rng(0)
    drawn = np.mean([dataset.targets(np.arange(6), rng) for _ in range(600)], axis=0)
    assert np.abs(drawn - dataset.targets(np.arange(6))).max() < 0.1
    assert not np.array_equal(dataset.targets(np.arange(6), rng), dataset.targets(np.arange(6), rng))


def test_bits_of_texts_are_which_words_are_there(features):
    assert set(np.unique(sources(features, "bits").data)) == {1.0}
    assert sources(features, "counts") is features


@pytest.mark.parametrize(
    ("rows", "output", "reason"),
    [([[-1.0, 0.5]], "counts", "0 or more"), ([[0.0, 2.0]], "bits", "between 0 and 1")],
)
def test_features_that_are_not_of_their_kind_are_refused(rows, output, reason):
    with pytest.raises(InvalidInput, match=reason):
        check_output(np.array(rows, dtype=np.float32), output)
    check_output(np.array(rows, dtype=np.float32), "reals")
    check_output(csr_matrix(np.abs(np.array(rows, dtype=np.float32))), "counts")
