import numpy as np
import pytest
import torch
from scipy.sparse import random_array

from service.hashing.content import Embedding, Text
from service.hashing.featurizers.embedding import EmbeddingFeaturizer
from service.hashing.featurizers.text import TextFeaturizer
from service.hashing.function import HashFunction
from service.hashing.network import ACTIVATIONS, EncoderNetwork, SparseBatch


def rows_of(features):
    return [
        (features.indices[start:stop], features.data[start:stop])
        for start, stop in zip(features.indptr[:-1], features.indptr[1:], strict=True)
    ]


@pytest.mark.parametrize("hidden", [(), (9,), (9, 5)])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_numpy_gives_the_logits_of_torch(hidden, activation):
    features = random_array((30, 50), density=0.1, format="csr", dtype=np.float32, rng=np.random.default_rng(1))
    network = EncoderNetwork(50, hidden, 16, activation)
    network.initialize(torch.Generator().manual_seed(3))
    with torch.inference_mode():
        expected = network(SparseBatch.of(features)).numpy()
    forward = network.in_numpy()
    np.testing.assert_allclose([forward.logits(row) for row in rows_of(features)], expected, rtol=1e-5, atol=1e-6)


def test_a_row_without_entries_gives_the_logits_of_the_biases():
    network = EncoderNetwork(50, (), 16)
    network.draw_signs(1)
    assert not network.in_numpy().logits((np.empty(0, np.int64), np.empty(0, np.float32))).any()


def test_weights_that_are_trained_on_count():
    network = EncoderNetwork(5, (), 8)
    network.draw_signs(1)
    forward = network.in_numpy()
    with torch.no_grad():
        network.first.mul_(3)
    assert (np.abs(forward.logits((np.array([2]), np.ones(1, np.float32)))) == 3).all()


def test_another_order_of_summation_leaves_the_bits_as_each_row_has_them_alone():
    rng = np.random.default_rng(2)
    features = random_array((400, 60), density=0.1, format="csr", dtype=np.float32, rng=rng)
    network = EncoderNetwork(60, (20,), 64)
    network.initialize(torch.Generator().manual_seed(4))
    forward = network.in_numpy()
    alone = np.stack([forward.logits(row) for row in rows_of(features)])
    thresholds = alone[7]  # of that row every bit is in doubt, of others some
    bits = alone > thresholds
    summed_otherwise = alone + np.float32(1e-6) * rng.standard_normal(alone.shape, dtype=np.float32)
    assert ((summed_otherwise > thresholds) != bits).any()
    forward.settle(features, summed_otherwise, thresholds)
    assert ((summed_otherwise > thresholds) == bits).all()


def test_a_text_on_its_thresholds_has_one_code_alone_and_among_others():
    texts = [Text(f"document number {i} about {subject}") for i in range(40) for subject in ("cats", "ships", "music")]
    featurizer = TextFeaturizer(min_df=1).fit(texts)
    network = EncoderNetwork(featurizer.n_features, (20,), 32)
    network.initialize(torch.Generator().manual_seed(5))
    logits = HashFunction(featurizer, network.eval(), np.zeros(32, np.float32)).logits(featurizer.transform(texts))
    for row in range(0, len(texts), 9):
        function = HashFunction(featurizer, network, logits[row])
        together = function.encode(texts).codes
        assert (function.codes_of(featurizer.transform(texts)) == together).all()
        for one in (row, row - 1):
            assert (function.encode([texts[one]]).codes == together[one]).all()


@pytest.mark.parametrize("hidden", [(), (20,)])
def test_a_vector_on_its_thresholds_has_one_code_alone_and_among_others(hidden):
    rng = np.random.default_rng(6)
    vectors = [Embedding(vector) for vector in rng.standard_normal((200, 96))]
    featurizer = EmbeddingFeaturizer().fit(vectors)
    network = EncoderNetwork(96, hidden, 64)
    network.initialize(torch.Generator().manual_seed(5))
    logits = HashFunction(featurizer, network.eval(), np.zeros(64, np.float32)).logits(featurizer.transform(vectors))
    for row in range(0, len(vectors), 9):
        function = HashFunction(featurizer, network, logits[row])
        together = function.encode(vectors).codes
        for some in ([row], [row - 1], [row, 3], list(range(row, len(vectors)))):
            assert (function.encode([vectors[i] for i in some]).codes == together[some]).all()
