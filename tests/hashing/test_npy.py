"""Arrays in numpy's form are read as numpy wrote them; anything else is invalid input, whatever it is."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from service.errors import InvalidInput
from service.hashing.npy import identified_vectors_in, vectors_in

HEADS = st.sampled_from(
    [
        *("{'descr': ", "'<f4'", "'|O'", "[('a', '<f4')]", "('<f4', (2,))", "'<f4", "1L", "'x'", "'<U999999999999'"),
        *(", 'fortran_order': ", "True", "False", "None", ", 'shape': ", "(2, 3)", "(2, -3)", "(1 << 70, 3)", "()"),
        *("(99999999999999999999, 3)", "}", "[" * 200, "'''", "\n", "  ", "é", "{}", "0", "(", "\\"),
    ]
)


def written(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@given(
    arrays.arrays(
        st.sampled_from(["<f4", ">f4", "<f8", "<f2", "i1", ">u4"]),
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=4),
        elements={"min_value": 0, "max_value": 100},
    ),
    st.sampled_from("CF"),
)
def test_vectors_come_back_as_numpy_wrote_them(array: NDArray[Any], order: Any) -> None:
    assert vectors_in(written(np.array(array, order=order)), "vectors").tolist() == array.tolist()


@given(st.lists(HEADS), st.sampled_from([(1, 0), (2, 0), (3, 0), (0, 9)]), st.binary(max_size=30))
def test_any_head_is_read_or_invalid_input(pieces: list[str], version: tuple[int, int], entries: bytes) -> None:
    head = "".join(pieces).encode("latin-1")
    n_bytes = len(head).to_bytes(2 if version[0] == 1 else 4, "little")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for read in (vectors_in, identified_vectors_in):
            with suppress(InvalidInput):
                read(b"\x93NUMPY" + bytes(version) + n_bytes + head + entries, "vectors")


@given(st.binary(max_size=40))
def test_any_bytes_are_invalid_input(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        vectors_in(data, "vectors")


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_changed_byte_is_read_or_invalid_input(place: int, byte: int) -> None:
    data = bytearray(written(np.ones((2, 3), np.float32)))
    data[place % len(data)] = byte
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(InvalidInput):
            vectors_in(bytes(data), "vectors")
