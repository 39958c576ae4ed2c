"""The battery over every registered featurizer."""

import io

import numpy as np
import pytest
from PIL import Image as PillowImage
from scipy.sparse import issparse

from service.errors import CorruptArtifact, InvalidContent
from service.hashing.content import Embedding, Image, Text
from service.hashing.featurizers import FEATURIZERS, restore_featurizer

TEXTS = [
    Text("The cat sat on the mat."),
    Text("A dog and a cat."),
    Text("the dog sat"),
    Text("东京的天气"),
    Text("天气不好"),
]


def _png(seed: int) -> Image:
    shades = np.random.default_rng(seed).integers(0, 256, (12, 9), dtype=np.uint8)
    file = io.BytesIO()
    PillowImage.fromarray(shades).save(file, "PNG")
    return Image(file.getvalue())


CONTENTS = {
    "text": TEXTS,
    "text-hashed": TEXTS,
    "image": [_png(i) for i in range(5)],
    "embedding": [Embedding(row) for row in np.random.default_rng(0).normal(size=(5, 7))],
}


def dense(features):
    return features.toarray() if issparse(features) else features


@pytest.mark.parametrize("name", sorted(FEATURIZERS))
class TestEveryFeaturizer:
    @pytest.fixture
    def contents(self, name):
        return CONTENTS[name]

    @pytest.fixture
    def featurizer(self, name, contents):
        return FEATURIZERS[name]().fit(contents)

    def test_features_are_float32_of_the_promised_width(self, featurizer, contents):
        features = featurizer.transform(contents)
        assert features.dtype == np.float32
        assert features.shape == (len(contents), featurizer.n_features)

    def test_a_content_has_the_same_row_alone_and_in_a_batch(self, featurizer, contents):
        together = dense(featurizer.transform(contents))
        for i, content in enumerate(contents):
            np.testing.assert_array_equal(dense(featurizer.transform([content]))[0], together[i])

    def test_no_content_gives_an_empty_matrix(self, featurizer):
        assert featurizer.transform([]).shape == (0, featurizer.n_features)

    def test_what_is_restored_gives_the_same_features(self, featurizer, contents, name):
        restored = restore_featurizer(name, *featurizer.state())
        np.testing.assert_array_equal(dense(restored.transform(contents)), dense(featurizer.transform(contents)))

    def test_a_content_of_another_kind_is_refused_with_its_place(self, featurizer, contents, name):
        stranger = Text("a") if name in ("image", "embedding") else Embedding([1.0])
        with pytest.raises(InvalidContent, match=r"documents\[5\]: must be of the kind"):
            featurizer.transform([*contents, stranger])


def test_an_unknown_name_or_a_missing_array_is_a_corrupt_artifact():
    with pytest.raises(CorruptArtifact, match="featurizer must be one of"):
        restore_featurizer("sound", {}, {})
    with pytest.raises(CorruptArtifact, match="lacks 'mean'"):
        restore_featurizer("embedding", {}, {})
