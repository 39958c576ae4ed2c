import numpy as np
import pytest

from training.models.rotation import rotation


def loss(places, turned):
    reduced = (places - places.mean(axis=0)) @ turned
    return float(np.square(np.sign(reduced) - reduced).mean())


def test_columns_are_orthonormal_and_follow_from_the_seed():
    places = np.random.default_rng(0).standard_normal((200, 12)).astype(np.float32)
    turned = rotation(places, 5, 1)
    np.testing.assert_allclose(turned.T @ turned, np.eye(5), atol=1e-5)
    np.testing.assert_array_equal(turned, rotation(places, 5, 1))


def test_corners_of_a_turned_cube_are_found_again():
    rng = np.random.default_rng(3)
    corners = rng.choice([-1.0, 1.0], size=(500, 4)).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((9, 4)))[0].astype(np.float32)
    turned = rotation(corners @ turn.T + 2, 4, 0)
    bits = (corners @ turn.T @ turned - (corners @ turn.T @ turned).mean(axis=0)) > 0
    agree = np.abs(np.corrcoef(np.hstack([bits, corners > 0]).T)[:4, 4:])
    np.testing.assert_allclose(np.sort(agree.max(axis=0)), 1, atol=1e-6)


@pytest.mark.parametrize("n_bits", [2, 6])
def test_signs_lose_less_than_along_principal_axes(n_bits):
    rng = np.random.default_rng(5)
    places = (rng.standard_normal((400, 8)) * np.geomspace(3, 0.5, 8)).astype(np.float32)
    axes = np.linalg.svd(places - places.mean(axis=0), full_matrices=False)[2][:n_bits].T
    assert loss(places, rotation(places, n_bits, 1)) < loss(places, axes)
