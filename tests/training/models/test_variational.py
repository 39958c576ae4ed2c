import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from training.models.variational import bernoulli_divergence, gaussian_divergence

PLAN = {"hidden": (64,), "n_bits": 16, "batch_size": 64, "epochs": 12}


@pytest.mark.parametrize("code", ["sigmoid", "linear"])
@pytest.mark.parametrize("output", ["bits", "reals", "counts"])
def test_the_bound_rises(digits, learn, code, output):
    bounds = [-record.loss for record in learn("variational", digits, code=code, output=output, **PLAN).history]
    assert bounds[-1] > bounds[2] > bounds[0]


def test_divergences_match_their_monte_carlo_estimates():
    generator = torch.Generator().manual_seed(0)
    logits, log_variance = (torch.randn(3, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    torch.manual_seed(0)
    posterior, prior = Normal(logits, torch.exp(0.5 * log_variance)), Normal(0.0, 1.0)
    codes = posterior.sample((200_000,))
    estimate = (posterior.log_prob(codes) - prior.log_prob(codes)).sum(dim=2).mean(dim=0)
    torch.testing.assert_close(gaussian_divergence(logits, log_variance), estimate, rtol=0.02, atol=0)

    coins, fair = Bernoulli(logits=logits), Bernoulli(logits=torch.zeros_like(logits))
    bits = coins.sample((200_000,))
    estimate = (coins.log_prob(bits) - fair.log_prob(bits)).sum(dim=2).mean(dim=0)
    torch.testing.assert_close(bernoulli_divergence(logits), estimate, rtol=0.02, atol=0)
    torch.testing.assert_close(bernoulli_divergence(logits), kl_divergence(coins, fair).sum(dim=1))


def test_divergences_stay_finite_where_the_posterior_is_certain():
    far = torch.tensor([[-200.0, 0.0, 200.0]], requires_grad=True)
    divergence = bernoulli_divergence(far)
    (slope,) = torch.autograd.grad(divergence.sum(), far)
    assert float(divergence.detach()) == pytest.approx(2 * np.log(2), abs=1e-5)
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("code", ["sigmoid", "linear"])
def test_samples_are_as_bright_as_the_data(digits, learn, code):
    digits = (digits > 0.5).astype(np.float32)
    model = learn("variational", digits, code=code, mirrored=True, **PLAN | {"epochs": 30}).model
    samples = model.sample(500, torch.Generator().manual_seed(0)).numpy()
    assert samples.shape == (500, 64)
    assert samples.min() >= 0
    assert samples.max() <= 1
    np.testing.assert_allclose(samples.mean(axis=0), digits.mean(axis=0), atol=0.15)
    assert samples.std(axis=0).mean() > 0.3 * digits.std(axis=0).mean()  # and they differ


def test_without_a_hidden_layer_the_variance_is_one_for_all_inputs(digits, learn):
    model = learn("variational", digits, code="linear", **PLAN | {"hidden": (), "epochs": 2}).model
    assert model.spread is None
    assert float(model.log_variance.detach().abs().max()) > 0
