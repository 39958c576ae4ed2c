import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from service.hashing.picture_files.exif import orientation_of


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_that_was_written_is_read(orientation):
    exif = PillowImage.Exif()
    exif[0x010E], exif[0x0112], exif[0x0131] = "a description", orientation, "a program"
    assert orientation_of(exif.tobytes().removeprefix(b"Exif\0\0")) == orientation


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("tag", "value", "read"), [(0x0112, 8, 8), (0x0112, 0, 1), (0x0112, 9, 1), (0x0113, 8, 1)])
def test_both_byte_orders_are_read_and_no_orientation_is_upright(order, tag, value, read):
    mark = {"<": b"II", ">": b"MM"}[order]
    assert orientation_of(mark + struct.pack(order + "HIHHHIHH", 42, 8, 1, tag, 3, 1, value, 0)) == read


@given(st.sampled_from([b"", b"II", b"MM", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]), st.binary(max_size=40))
def test_any_other_data_is_upright_or_turned_and_never_an_error(start, rest):
    assert 1 <= orientation_of(start + rest) <= 8
