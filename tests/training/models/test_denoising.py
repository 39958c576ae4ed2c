import numpy as np
import torch

MEANS = np.array([[-1.5, 0.0], [1.0, 1.2], [0.6, -1.4]])
SPREAD = 0.35


def score(points, noise):
    """Gradient of the log density of the mixture, its samples blurred by Gaussian noise of that deviation."""
    variance = SPREAD**2 + noise**2
    away = points[:, None, :] - MEANS
    weights = np.exp(-0.5 * (away**2).sum(axis=2) / variance)
    weights /= weights.sum(axis=1, keepdims=True)
    return -(weights[:, :, None] * away).sum(axis=1) / variance


def test_reconstruction_minus_input_estimates_the_score(learn):
    rng = np.random.default_rng(0)
    points = (MEANS[rng.integers(3, size=3000)] + SPREAD * rng.normal(size=(3000, 2))).astype(np.float32)
    run = learn(
        "denoising",
        points,
        output="reals",
        corruption_kind="gaussian",
        corruption=0.2,
        hidden=(64, 64),
        activation="tanh",
        code="linear",
        n_bits=16,
        mirrored=True,
        epochs=60,
        batch_size=128,
    )
    inputs = torch.from_numpy(points)
    with torch.no_grad():
        vectors = (run.model.decode(run.model.encoder(inputs)) - inputs).numpy()
    noise = 0.2 * float(np.sqrt((points**2).mean()))
    true = score(points, noise)
    cosines = (vectors * true).sum(axis=1) / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(true, axis=1))
    assert np.mean(cosines) > 0.75
    assert np.corrcoef((vectors / noise**2).ravel(), true.ravel())[0, 1] > 0.75


def test_it_reconstructs_the_clean_input_better_than_a_plain_one_from_corrupted_inputs(digits, learn):
    plan = {"hidden": (64,), "n_bits": 16, "epochs": 20, "batch_size": 64}
    masked = digits * (np.random.default_rng(0).random(digits.shape) >= 0.4)
    losses = {}
    for variant in ("denoising", "undercomplete"):
        model = learn(variant, digits, code="sigmoid", **plan).model
        with torch.no_grad():
            units = torch.sigmoid(model.encoder(torch.from_numpy(masked.astype(np.float32))))
            losses[variant] = float(model.reconstruction(units, torch.from_numpy(digits)))
    assert losses["denoising"] < losses["undercomplete"]
