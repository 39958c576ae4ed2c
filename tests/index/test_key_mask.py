"""Key masks against sets of keys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.index.key_mask import KeyMask

near = st.sets(st.integers(-50, 200))
far = st.sets(st.integers(-(2**62), 2**62), max_size=20)


@given(near | far, near | far)
def test_a_mask_is_a_set_of_keys(one: set[int], other: set[int]) -> None:
    masks = [KeyMask.of_keys(one), KeyMask.of_keys(other)]
    asked = np.array(sorted(one | other | {0, 7, 2**61}), dtype=np.int64)
    for mask, keys in zip(masks, (one, other), strict=True):
        assert len(mask) == len(keys)
        assert mask.allowed_keys().tolist() == sorted(keys)
        assert mask.covers(asked).tolist() == [key in keys for key in asked.tolist()]
    assert (masks[0] & masks[1]).allowed_keys().tolist() == sorted(one & other)
    few = np.array(sorted(other)[:3], dtype=np.int64)
    assert masks[0].without(few).allowed_keys().tolist() == sorted(one - set(few.tolist()))


@pytest.mark.parametrize(("first", "other_first"), [(0, 8), (8, 0), (0, 3), (-16, 64)])
def test_bitmaps_that_begin_elsewhere_are_intersected(first: int, other_first: int) -> None:
    rng = np.random.default_rng(0)
    masks = [KeyMask(at, np.packbits(rng.random(99) < 0.5, bitorder="little")) for at in (first, other_first)]
    wanted = np.intersect1d(masks[0].allowed_keys(), masks[1].allowed_keys())
    assert (masks[0] & masks[1]).allowed_keys().tolist() == wanted.tolist()
