import numpy as np
import pytest

from service.hashing.content import Embedding
from training.config import TrainingConfig
from training.fit.fit import fit
from training.models.rotation import spread_axes

UNTRAINED = {"output": "reals", "learning_rate": 0.0, "epochs": 1, "n_bits": 4}


def turned_corners(n=400, n_bits=4, width=20):
    """Corners of a cube in a space of more dimensions, turned and moved; and the bits of each."""
    rng = np.random.default_rng(5)
    corners = rng.choice([-1.0, 1.0], size=(n, n_bits))
    turn = np.linalg.qr(rng.standard_normal((width, n_bits)))[0]
    return (corners @ turn.T + 0.5).astype(np.float32), corners > 0


def test_codes_of_vectors_start_where_signs_lose_the_least(learn):
    vectors, corners = turned_corners()
    bits = learn("neighbor", vectors, **UNTRAINED).logits(vectors) > 0
    agree = np.abs(np.corrcoef(np.hstack([bits, corners]).T)[:4, 4:])
    np.testing.assert_allclose(np.sort(agree.max(axis=0)), 1, atol=1e-6)


def test_the_decoder_starts_from_the_same_axes(learn):
    vectors, _ = turned_corners()
    run = learn("neighbor", vectors, **UNTRAINED)
    assert run.validate(run.train)[0] < 0.05 * np.square(vectors - vectors.mean(axis=0)).sum(axis=1).mean() / 2


def test_training_reconstructs_held_out_vectors_better_than_the_start():
    rng = np.random.default_rng(0)
    topics = rng.standard_normal((12, 40))
    contents = [
        Embedding(topics[i % 12] + 0.7 * rng.standard_normal(40) * np.linspace(1, 0.1, 40)) for i in range(1_500)
    ]
    ids = [str(i) for i in range(1_500)]
    start, learned = (
        fit(contents, ids, TrainingConfig(n_bits=16, device="cpu", **options))
        for options in ({"epochs": 1, "learning_rate": 1e-9}, {"epochs": 20})
    )
    assert learned.plan.hidden == ()
    assert {"reconstruction", "nearest_likeness"} <= learned.history[-1].parts.keys()
    assert learned.held_out_loss < start.held_out_loss


@pytest.mark.parametrize("n_bits", [8, 24, 56])
def test_more_bits_than_dimensions_are_rotations_beside_one_another(n_bits):
    vectors = np.random.default_rng(2).standard_normal((100, 24)).astype(np.float32)
    axes = spread_axes(vectors, n_bits, 7)
    assert axes.shape == (24, n_bits)
    for start in range(0, n_bits, 24):
        block = axes[:, start : start + 24]
        np.testing.assert_allclose(block.T @ block, np.eye(block.shape[1]), atol=1e-5)
