import pytest
import torch
from scipy.sparse import random as random_matrix

from service.hashing.network import EncoderNetwork, SparseBatch
from training.models.contractive import jacobian, jacobian_norms


def small(hidden=(9, 7), activation="tanh"):
    network = EncoderNetwork(12, hidden, 8, activation)
    network.initialize(torch.Generator().manual_seed(0))
    return network.double()


INPUTS = torch.randn(6, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def by_autograd(network, inputs, sigmoid):
    def code(x):
        logits = network(x[None])[0]
        return torch.sigmoid(logits) if sigmoid else logits

    return torch.stack([torch.func.jacrev(code)(x) for x in inputs])


@pytest.mark.parametrize("sigmoid", [True, False])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("hidden", [(), (9,), (9, 7)])
def test_jacobian_and_its_norm_agree_with_autograd(hidden, activation, sigmoid):
    network = small(hidden, activation)
    expected = by_autograd(network, INPUTS, sigmoid)
    torch.testing.assert_close(jacobian(network, INPUTS, sigmoid=sigmoid), expected, rtol=1e-9, atol=1e-12)
    norms = jacobian_norms(network, INPUTS, sigmoid=sigmoid)
    torch.testing.assert_close(norms, expected.square().sum(dim=(1, 2)), rtol=1e-9, atol=1e-12)


def test_one_sigmoid_layer_has_the_closed_form():
    network = small(())
    units = torch.sigmoid(network(INPUTS))
    closed = ((units * (1 - units)).square() * network.first.square().sum(dim=0)).sum(dim=1)
    torch.testing.assert_close(jacobian_norms(network, INPUTS, sigmoid=True), closed)


def test_the_gradient_of_the_norm_agrees_with_autograd_through_the_jacobian():
    network = small()
    mine = torch.autograd.grad(jacobian_norms(network, INPUTS, sigmoid=True).sum(), list(network.parameters()))
    through = by_autograd(network, INPUTS, True).square().sum()
    theirs = torch.autograd.grad(through, list(network.parameters()), materialize_grads=True)
    for ours, expected in zip(mine, theirs, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-10)


def test_the_estimate_has_the_norm_as_its_mean():
    network = small()
    signs = torch.randn(6, 20_000, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64).sign()
    estimate = jacobian_norms(network, INPUTS, sigmoid=True, rows=signs) / 20_000
    torch.testing.assert_close(estimate, jacobian_norms(network, INPUTS, sigmoid=True), rtol=0.05, atol=0)


def test_few_rows_and_many_give_the_same_norms():
    network = small()
    signs = torch.randn(6, 1, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64).sign()
    together = jacobian_norms(network, INPUTS.repeat(3, 1), sigmoid=True, rows=signs.repeat(3, 1, 1))[:6]
    torch.testing.assert_close(jacobian_norms(network, INPUTS, sigmoid=True, rows=signs), together)
    by_hand = (signs @ by_autograd(network, INPUTS, True)).square().sum(dim=(1, 2))
    torch.testing.assert_close(together, by_hand)


def test_bags_of_words_have_the_norm_of_their_dense_rows():
    words = random_matrix(6, 12, 0.3, "csr", random_state=0)
    network = small().float()
    dense = torch.from_numpy(words.toarray()).float()
    sparse_norms = jacobian_norms(network, SparseBatch.of(words), sigmoid=True)
    torch.testing.assert_close(sparse_norms, jacobian_norms(network, dense, sigmoid=True))


@pytest.mark.parametrize("estimate", ["exact", "hutchinson"])
def test_the_penalty_makes_codes_move_less(digits, learn, estimate):
    plan = {"hidden": (32,), "n_bits": 16, "epochs": 8, "batch_size": 64, "jacobian": estimate}
    norms = []
    for penalty in (0.0, 1.0):
        encoder = learn("contractive", digits, penalty=penalty, **plan).model.encoder
        with torch.no_grad():
            norms.append(float(jacobian_norms(encoder, torch.from_numpy(digits), sigmoid=True).mean()))
    assert norms[1] < 0.5 * norms[0]
