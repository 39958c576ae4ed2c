import numpy as np
import pytest
from scipy.sparse import random as random_matrix

from training.data.corruption import Corruption

rng = np.random.default_rng
DENSE = rng(0).random((200, 50), dtype=np.float32) + 1
WORDS = random_matrix(200, 50, 0.2, "csr", dtype=np.float32, rng=rng(0))


def corrupted(features, kind, amount=0.3, seed=1):
    return Corruption.of(features, kind, amount).apply(features, rng(seed))


@pytest.mark.parametrize("kind", ["masking", "gaussian", "salt_pepper"])
@pytest.mark.parametrize("features", [DENSE, WORDS], ids=["dense", "words"])
def test_the_input_stays_and_equal_draws_give_equal_copies(kind, features):
    before = features.copy()
    first, second = corrupted(features, kind), corrupted(features, kind)
    assert abs(features - before).max() == 0
    assert abs(first - second).max() == 0
    assert first.shape == features.shape
    assert first.dtype == np.float32
    assert abs(first - features).max() > 0
    assert corrupted(features, kind, amount=0) is features


def test_masking_sets_its_share_of_dense_features_to_zero_and_leaves_the_others():
    noisy = corrupted(DENSE, "masking")
    assert np.mean(noisy == 0) == pytest.approx(0.3, abs=0.02)
    np.testing.assert_array_equal(noisy[noisy != 0], DENSE[noisy != 0])


def test_masked_words_are_gone_and_the_row_keeps_its_length():
    noisy = corrupted(WORDS, "masking")
    noisy.eliminate_zeros()
    assert 1 - noisy.nnz / WORDS.nnz == pytest.approx(0.3, abs=0.04)
    lengths = [np.sqrt(m.multiply(m).sum(axis=1)) for m in (noisy, WORDS)]
    np.testing.assert_allclose(lengths[0], lengths[1], rtol=1e-5)


def test_gaussian_noise_is_relative_to_the_features():
    for features, scale in ((DENSE, np.sqrt(np.mean(DENSE**2))), (WORDS, 1)):
        difference = corrupted(features, "gaussian") - features
        relative = difference / scale if features is DENSE else difference.data / WORDS.data
        assert relative.std() == pytest.approx(0.3, rel=0.05)


def test_salt_and_pepper_are_the_extremes_in_equal_parts():
    noisy = corrupted(DENSE, "salt_pepper")
    assert np.mean(noisy == DENSE.min()) == pytest.approx(0.15, abs=0.02)
    assert np.mean(noisy == DENSE.max()) == pytest.approx(0.15, abs=0.02)


def test_words_under_salt_and_pepper_are_dropped_or_replaced():
    noisy = corrupted(WORDS, "salt_pepper")
    assert np.mean(noisy.data == 0) == pytest.approx(0.15, abs=0.02)
    assert np.mean(noisy.indices != WORDS.indices) == pytest.approx(0.15 * 49 / 50, abs=0.02)
