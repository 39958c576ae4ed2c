import numpy as np
import torch

from training.fit.fit import fit
from training.models.case_noise import case_noise


def test_a_case_has_the_same_noise_wherever_it_is_met():
    noise = case_noise(torch.arange(100), 64, 7)
    again = case_noise(torch.tensor([42, 3]), 64, 7)
    assert torch.equal(noise[[42, 3]], again)


def test_cases_units_and_keys_differ_in_their_noise():
    noise = case_noise(torch.arange(500), 64, 7)
    assert noise.unique().numel() > 0.99 * noise.numel()
    correlation = np.corrcoef(noise.T.numpy()) - np.eye(64)
    assert np.abs(correlation).max() < 0.25
    other = case_noise(torch.arange(500), 64, 8)
    assert abs(float(np.corrcoef(noise.ravel(), other.ravel())[0, 1])) < 0.02


def test_it_is_standard_normal():
    noise = np.sort(case_noise(torch.arange(4000), 64, (1 << 62) - 1).numpy().ravel())
    normal = torch.distributions.Normal(0.0, 1.0)
    reached = normal.cdf(torch.from_numpy(noise)).numpy()
    assert np.abs(reached - np.linspace(0, 1, len(noise))).max() < 1.95 / len(noise) ** 0.5  # Kolmogorov, 0.1 %


def test_training_under_fixed_noise_saturates_and_differs_from_fresh_noise(corpus, quick):
    fixed, again, fresh = (
        fit(corpus.contents, corpus.ids, quick(variant="semantic_hashing", epochs=60, noise=10.0, noise_kind=kind))
        for kind in ("fixed", "fixed", "fresh")
    )
    assert fixed.function.to_bytes() == again.function.to_bytes() != fresh.function.to_bytes()
    assert fixed.history[-1].saturated > fixed.history[0].saturated
