import numpy as np
import pytest
import torch

from training.models.sparse import divergence


def rates(run, digits):
    with torch.no_grad():
        return torch.sigmoid(run.model.encoder(torch.from_numpy(digits))).mean(dim=0).numpy()


@pytest.mark.parametrize("target", [0.05, 0.2])
def test_units_meet_their_target_rate(digits, learn, target):
    plan = {"hidden": (), "n_bits": 64, "epochs": 40, "batch_size": 128, "target_rate": target}
    run = learn("sparse", digits, **plan)
    np.testing.assert_allclose(rates(run, digits).mean(), target, rtol=0.2)
    assert np.mean(np.abs(rates(run, digits) / target - 1) < 0.4) > 0.8


def test_bits_are_one_at_the_target_rate(digits, learn):
    run = learn("sparse", digits, hidden=(), n_bits=16, epochs=2, target_rate=0.1)
    logits = run.model.encoder(torch.from_numpy(digits)).detach().numpy()
    ones = (logits > run.model.thresholds(logits)).mean(axis=0)
    np.testing.assert_allclose(ones, 0.1, atol=0.002)


def test_the_absolute_penalty_silences_units(digits, learn):
    plan = {"hidden": (), "n_bits": 64, "epochs": 15, "sparsity": "l1"}
    loud = rates(learn("sparse", digits, penalty=0.0, **plan), digits)
    quiet = rates(learn("sparse", digits, penalty=0.3, **plan), digits)
    assert quiet.mean() < 0.5 * loud.mean()


def test_divergence_is_that_of_coins():
    mine = divergence(0.2, torch.tensor([0.1, 0.2, 0.7]))
    coins = torch.distributions.Bernoulli
    theirs = torch.distributions.kl_divergence(coins(0.2), coins(torch.tensor([0.1, 0.2, 0.7]))).sum()
    torch.testing.assert_close(mine, theirs)
