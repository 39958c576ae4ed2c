import numpy as np
import pytest
import torch
from scipy.sparse import random_array

from service.errors import InvalidInput
from service.hashing.network import EncoderNetwork, SparseBatch


@pytest.fixture
def features():
    rows = random_array((7, 50), density=0.1, format="csr", dtype=np.float32, rng=np.random.default_rng(1))
    rows.data[:] = np.linspace(-1, 1, len(rows.data), dtype=np.float32)
    return rows


@pytest.mark.parametrize("hidden", [(), (9,), (9, 5)])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_sparse_and_dense_input_give_the_same_logits(features, hidden, activation):
    network = EncoderNetwork(50, hidden, 16, activation)
    network.initialize(torch.Generator().manual_seed(3))
    logits = network(SparseBatch.of(features))
    assert logits.shape == (7, 16)
    torch.testing.assert_close(logits, network(torch.from_numpy(features.toarray())))


def test_equal_seeds_give_equal_weights():
    networks = [EncoderNetwork(50, (9,), 16) for _ in range(2)]
    for network in networks:
        network.initialize(torch.Generator().manual_seed(3))
    for ours, theirs in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_an_empty_row_gives_the_logits_of_the_biases(features):
    network = EncoderNetwork(50, (), 16)
    network.draw_signs(1)
    features.data[:] = 0
    assert (network(SparseBatch.of(features)) == 0).all()


def test_an_unknown_activation_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInput, match=r"one of \['relu', 'sigmoid', 'tanh'\], got 'swish'"):
        EncoderNetwork(50, (), 16, "swish")
