import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidContent, InvalidInput
from service.hashing.content import Embedding
from service.hashing.featurizers.embedding import EmbeddingFeaturizer

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def embeddings(n=20, width=5, mean=3.0):
    return [Embedding(row) for row in np.random.default_rng(0).normal(mean, 1, (n, width))]


@pytest.mark.parametrize("unit", [True, False])
def test_features_are_centred_and_have_a_mean_square_of_one(unit):
    features = EmbeddingFeaturizer(unit=unit).fit(embeddings()).transform(embeddings())
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-5)
    assert np.mean(features**2) == pytest.approx(1, rel=1e-5)


def test_only_the_direction_counts_unless_told_otherwise():
    once, twice = Embedding([1, 2]), Embedding([2, 4])
    features = EmbeddingFeaturizer().fit([once]).transform([once, twice])
    np.testing.assert_allclose(features[0], features[1], atol=1e-7)
    plain = EmbeddingFeaturizer(unit=False, center=False).fit([once]).transform([once, twice])
    np.testing.assert_allclose(plain[1], 2 * plain[0])


@given(st.lists(finite, min_size=3, max_size=3))
def test_every_vector_has_one_length_or_is_zero(vector):
    features = EmbeddingFeaturizer(center=False).fit([Embedding(vector)]).transform([Embedding(vector)])
    length = np.linalg.norm(features[0])
    assert length == pytest.approx(3**0.5 if any(vector) else 0, rel=1e-5)


def test_a_vector_of_another_width_is_refused_with_its_place():
    featurizer = EmbeddingFeaturizer().fit(embeddings(width=5))
    with pytest.raises(InvalidContent, match=r"documents\[1\]: an embedding must have 5 entries, got 4"):
        featurizer.transform([*embeddings(1), Embedding([1, 2, 3, 4])])


def test_an_empty_collection_cannot_be_learned_from():
    with pytest.raises(InvalidInput, match="at least one embedding"):
        EmbeddingFeaturizer().fit([])


def cone(n=200, width=64):
    """Vectors around an axis that all share."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, width)) + 20 * rng.normal(size=width)


def test_the_direction_that_wide_vectors_share_is_taken_out_of_queries_too():
    rows = cone()
    featurizer = EmbeddingFeaturizer().fit([Embedding(row) for row in rows])
    axis = featurizer.mean / np.linalg.norm(featurizer.mean)
    rng = np.random.default_rng(2)
    near_the_cone, far_from_it = (featurizer.transform([Embedding(row)])[0] for row in (rows[0], rng.normal(size=64)))
    assert abs(near_the_cone @ axis) < 1e-3
    assert abs(far_from_it @ axis) < 1e-3


def test_narrow_vectors_keep_that_direction():
    features = EmbeddingFeaturizer().fit(embeddings(width=2)).transform(embeddings(width=2))
    assert np.linalg.matrix_rank(features) == 2


def test_a_featurizer_stored_before_directions_were_taken_out_gives_the_features_it_gave():
    contents = [Embedding(row) for row in cone()]
    subtracting = EmbeddingFeaturizer(project=False).fit(contents)
    parameters, arrays = subtracting.state()
    del parameters["project"]
    restored = EmbeddingFeaturizer.restore(parameters, arrays)
    np.testing.assert_array_equal(restored.transform(contents), subtracting.transform(contents))
    parameters, arrays = EmbeddingFeaturizer().fit(contents).state()
    assert EmbeddingFeaturizer.restore(parameters, arrays).project
