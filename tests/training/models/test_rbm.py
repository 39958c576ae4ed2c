from itertools import product

import numpy as np
import pytest
import torch
from scipy.sparse import random as random_matrix

from service.errors import InvalidInput
from service.hashing.network import SparseBatch
from training.config import TrainingConfig
from training.models import Batch
from training.models.rbm import BoltzmannMachine, dense


def machine(n_visible=4, output="bits", steps=1):
    config = TrainingConfig(variant="rbm", n_bits=8, inner_steps=steps)
    plan = config.plan(100, output)
    model = BoltzmannMachine(n_visible, plan)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.7, generator=generator)
    return model


STATES = torch.tensor(list(product([0.0, 1.0], repeat=4)))
HIDDEN = torch.tensor(list(product([0.0, 1.0], repeat=8)))


def energy(model, visible, hidden):
    """Of every pair of states, `(n_visible_states, n_hidden_states)`, straight from the definition."""
    W = model.encoder.first
    return -(
        visible @ W @ hidden.T + (visible @ model.visible_bias)[:, None] + (hidden @ model.encoder.first_bias)[None]
    )


def log_likelihood(model, data):
    everything = torch.logsumexp(-energy(model, STATES, HIDDEN).flatten(), dim=0)
    return (torch.logsumexp(-energy(model, data, HIDDEN), dim=1) - everything).mean()


def test_conditionals_are_those_of_the_joint_distribution():
    model = machine()
    joint = torch.softmax(-energy(model, STATES, HIDDEN).flatten(), dim=0).view(len(STATES), len(HIDDEN))
    given_visible = (joint / joint.sum(dim=1, keepdim=True)) @ HIDDEN
    torch.testing.assert_close(torch.sigmoid(model.encoder(STATES)), given_visible)
    given_hidden = (joint / joint.sum(dim=0)).T @ STATES
    torch.testing.assert_close(model.visible_means(HIDDEN, torch.ones(1)), given_hidden)


def test_many_steps_of_contrastive_divergence_give_the_exact_gradient():
    model = machine(steps=60)
    data = STATES[[3, 5, 5, 12]].repeat(5000, 1)
    exact = torch.autograd.grad(-log_likelihood(model, STATES[[3, 5, 5, 12]]), list(model.parameters()))
    named = dict(zip([name for name, _ in model.named_parameters()], exact, strict=True))
    model.accumulate(Batch(data, data, 0.0), torch.Generator().manual_seed(1))
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, named[name], atol=0.02, rtol=0)


def test_one_step_points_uphill():
    model = machine(steps=1)
    data = STATES[[3, 5, 5, 12]]
    exact = torch.autograd.grad(-log_likelihood(model, data), list(model.parameters()))
    many = data.repeat(2000, 1)
    model.accumulate(Batch(many, many, 0.0), torch.Generator().manual_seed(1))
    mine = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    assert torch.cosine_similarity(mine, torch.cat([g.flatten() for g in exact]), dim=0) > 0.8


def test_conditionals_of_reals_are_those_of_the_joint_density():
    model = machine(output="reals")
    points = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))

    def energies(visible):
        """E(v, h) with every hidden state, `(n, n_hidden_states)`, straight from the definition."""
        alone = 0.5 * (visible - model.visible_bias).square().sum(dim=1)
        return alone[:, None] - visible @ model.encoder.first @ HIDDEN.T - (HIDDEN @ model.encoder.first_bias)[None]

    given_visible = torch.softmax(-energies(points), dim=1) @ HIDDEN
    torch.testing.assert_close(torch.sigmoid(model.encoder(points)), given_visible)
    # A Gaussian's mean is where its energy is least.
    means = model.visible_means(HIDDEN, torch.ones(1)).detach().requires_grad_()
    energies(means).diagonal().sum().backward()
    torch.testing.assert_close(means.grad, torch.zeros_like(means), atol=1e-5, rtol=0)


def test_constrained_poisson_rates_sum_to_the_length_of_the_document():
    model = machine(n_visible=30, output="counts")
    hidden = HIDDEN[:50]
    totals = torch.arange(1.0, 51.0)[:, None]
    means = model.visible_means(hidden, totals)
    torch.testing.assert_close(means.sum(dim=1, keepdim=True), totals)
    drawn = torch.stack([model.draw_visible(hidden, totals, torch.Generator().manual_seed(i)) for i in range(400)])
    assert torch.equal(drawn, drawn.round())
    torch.testing.assert_close(drawn.mean(dim=0), means, atol=0.6, rtol=0.2)
    torch.testing.assert_close(drawn.var(dim=0).mean(), means.mean(), rtol=0.1, atol=0)  # Poisson: variance is mean


@pytest.mark.parametrize("output", ["bits", "reals", "counts"])
def test_learning_lowers_the_error_of_reconstruction(digits, learn, output):
    counts = np.rint(digits * 16).astype(np.float32)
    features, targets = (counts, counts) if output == "counts" else (digits, None)
    history = learn("rbm", features, targets=targets, output=output, n_bits=32, batch_size=64, epochs=15).history
    assert history[-1].validation_loss < 0.9 * history[0].validation_loss or output == "counts"
    assert history[-1].validation_loss < history[0].validation_loss


def test_rows_of_words_become_dense():
    words = random_matrix(6, 12, 0.3, "csr", random_state=0)
    np.testing.assert_allclose(dense(SparseBatch.of(words), 12).numpy(), words.toarray(), rtol=1e-6)


def test_hidden_layers_are_refused(digits, learn):
    with pytest.raises(InvalidInput, match="one layer of sigmoid units"):
        learn("rbm", digits, hidden=(8,))


def test_what_its_rule_cannot_learn_from_is_refused(digits, learn):
    with pytest.raises(InvalidInput, match="no use for noise, balance"):
        learn("rbm", digits, noise=1.0, balance=0.1)
