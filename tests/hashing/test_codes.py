from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.errors import InvalidInput
from service.hashing.codes import (
    check_n_bits,
    flip_masks,
    hamming_distance,
    pack,
    substring_widths,
    substrings,
    unpack,
)

bit_rows = st.integers(1, 32).flatmap(lambda n_bytes: arrays(np.uint8, (3, 8 * n_bytes), elements=st.integers(0, 1)))


@given(bit_rows)
def test_unpacking_a_packed_code_gives_its_bits_back(bits):
    assert (unpack(pack(bits)) == bits).all()


def test_the_first_bit_is_the_most_significant_one():
    assert pack(np.array([[1, 0, 0, 0, 0, 0, 0, 0]], dtype=np.uint8)).tolist() == [[128]]


@given(bit_rows)
def test_distance_counts_the_bits_that_differ(bits):
    codes = pack(bits)
    assert hamming_distance(codes[0], codes[1]) == (bits[0] != bits[1]).sum()


def test_distances_broadcast_to_a_matrix():
    codes = np.array([[0, 0], [255, 0], [255, 255]], dtype=np.uint8)
    assert hamming_distance(codes[:, None], codes[None]).tolist() == [[0, 8, 16], [8, 0, 8], [16, 8, 0]]


@given(st.integers(1, 12), st.integers(0, 12))
def test_flip_masks_are_all_patterns_of_that_many_bits(n_bits, n_flips):
    masks = list(flip_masks(n_bits, n_flips))
    assert len(masks) == len(set(masks)) == comb(n_bits, n_flips)
    assert all(mask.bit_count() == n_flips and mask < 1 << n_bits for mask in masks)


@given(bit_rows, st.integers(1, 16))
def test_substrings_cut_a_code_into_integers_that_join_to_it(bits, n_tables):
    n_bits = bits.shape[1]
    n_tables = max(min(n_tables, n_bits), -(-n_bits // 63))
    widths = substring_widths(n_bits, n_tables)
    addresses = substrings(pack(bits), n_tables)
    assert sum(widths) == n_bits
    assert max(widths) - min(widths) <= 1
    for row, row_addresses in zip(bits, addresses.tolist(), strict=True):
        joined = "".join(f"{a:0{w}b}" for a, w in zip(row_addresses, widths, strict=True))
        assert joined == "".join(map(str, row))


def test_a_substring_wider_than_sql_integers_is_refused():
    with pytest.raises(InvalidInput, match="at most 63 bits"):
        substrings(np.zeros((1, 8), dtype=np.uint8), 1)


@pytest.mark.parametrize("n_bits", [0, 7, 12, 264, -8])
def test_a_width_that_no_code_has_is_refused(n_bits):
    with pytest.raises(InvalidInput, match=f"n_bits must be a multiple of 8 between 8 and 256, got {n_bits}"):
        check_n_bits(n_bits)


def test_bits_that_fill_no_whole_bytes_are_refused():
    with pytest.raises(InvalidInput, match="multiple of 8"):
        pack(np.zeros((1, 7), dtype=np.uint8))
