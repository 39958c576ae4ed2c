"""What words have found tells the code where to look."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.hashing.codes import pack
from service.search import fuse


def codes_of(rng: np.random.Generator, n: int, n_bits: int) -> np.ndarray:
    return pack(rng.random((n, n_bits)) < 0.5)


@given(st.integers(0, 1_000), st.integers(1, 6), st.sampled_from([8, 64, 128]))
def test_feedback_is_the_mean_of_the_bits_by_squared_score(seed: int, n: int, n_bits: int) -> None:
    rng = np.random.default_rng(seed)
    codes, scores = codes_of(rng, n, n_bits), rng.random(n).astype(np.float32) + 0.1
    found = fuse.feedback(codes, scores)
    bits = np.unpackbits(codes, axis=1).astype(float) * 2 - 1
    expected = sum(s**2 * b for s, b in zip(scores, bits, strict=True)) / sum(s**2 for s in scores)
    assert np.allclose(found, expected, atol=1e-5)


def test_without_documents_or_scores_there_is_no_feedback() -> None:
    assert not fuse.feedback(np.empty((0, 8), np.uint8), np.empty(0, np.float32)).any()
    assert not fuse.feedback(np.zeros((2, 8), np.uint8), np.zeros(2, np.float32)).any()


def test_a_direction_that_is_known_alone_is_where_to_look() -> None:
    direction, nothing = np.array([1, -3, 2, -2] * 2, np.float32), np.zeros(8, np.float32)
    for blended in (fuse.blend(direction, nothing), fuse.blend(nothing, direction)):
        assert np.allclose(blended, direction / 2)
    assert not fuse.blend(nothing, nothing).any()


@given(st.integers(0, 1_000), st.sampled_from([8, 64]))
def test_the_code_that_lies_in_a_direction_agrees_with_it_most(seed: int, n_bits: int) -> None:
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal(n_bits).astype(np.float32)
    code, confidence = fuse.code_to_search(direction)
    assert confidence.max() == 255
    assert fuse.agreement(direction, code[None])[0] == pytest.approx(1, abs=1e-5)
    assert fuse.agreement(direction, ~code[None])[0] == pytest.approx(-1, abs=1e-5)
    others = fuse.agreement(direction, codes_of(rng, 20, n_bits))
    assert np.all((others >= -1.00001) & (others <= 1.00001))


def test_codes_count_more_the_more_bits_there_are_and_nothing_untrained() -> None:
    weights = [fuse.code_weight(n_bits, is_trained=True) for n_bits in (32, 64, 128, 256)]
    assert weights == sorted(weights)
    assert weights[1] == fuse.CODE_WEIGHT
    assert fuse.code_weight(64, is_trained=False) == 0
