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
