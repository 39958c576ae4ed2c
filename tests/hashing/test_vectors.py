from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.errors import InvalidContent
from service.hashing.vectors import Keep, VectorSettings, from_row, read_vector, rounded, to_row

KEEPS: list[Keep] = ["float32", "float16", "int8"]
VECTORS = arrays.arrays(np.float32, st.integers(1, 9), elements=st.floats(-(2.0**126), 2.0**126, width=32)).filter(
    lambda vector: np.abs(vector).max() >= 1e-30
)


@given(VECTORS, st.sampled_from(KEEPS))
def test_a_rounded_vector_survives_its_row_and_is_not_rounded_again(vector: np.ndarray, keep: Keep) -> None:
    kept = rounded(vector, keep)
    for vectors in ({0: kept}, {3: kept}, {0: kept, 61: kept}):
        back, how = from_row(to_row(vectors, keep))
        assert (how, back.keys()) == (keep, vectors.keys())
        assert all(np.array_equal(back[model], vectors[model]) for model in vectors)
    assert np.array_equal(rounded(kept, keep), kept)


@given(VECTORS, st.sampled_from([(keep, error) for keep, error in zip(KEEPS, (0, 2**-11, 1 / 253), strict=True)]))
def test_rounding_changes_an_entry_by_a_small_share_of_the_largest(
    vector: np.ndarray, kept: tuple[Keep, float]
) -> None:
    keep, error = kept
    assert np.abs(rounded(vector, keep).astype(float) - vector).max() <= error * np.abs(vector).max()


@given(st.integers(0, 1 << 32))
def test_many_vectors_are_rounded_as_each_alone(seed: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((5, 7)).astype(np.float32)
    for keep in KEEPS:
        assert np.array_equal(rounded(vectors, keep), [rounded(vector, keep) for vector in vectors])


def test_a_vector_of_float16_comes_back_as_it_was() -> None:
    vector = np.random.default_rng(0).standard_normal(384).astype(np.float16).astype(np.float32)
    assert np.array_equal(rounded(vector, "float16"), vector)


def encoded(vector: np.ndarray, entries: str) -> str:
    return base64.b64encode(vector.astype(entries).tobytes()).decode()


def test_a_vector_is_read_from_a_list_and_from_base64_of_either_width() -> None:
    vector = np.array([1, -0.5, 0.25])
    for form in ([1, -0.5, 0.25], encoded(vector, "<f4"), encoded(vector, "<f2")):
        assert read_vector(form, 3).tolist() == vector.tolist()


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ([1.0], "must have 2 entries in this collection, got 1"),
        ([], "got an empty list"),
        (None, "got null"),
        ({"a": 1}, "got an object"),
        (3, "got a number"),
        ([1.0, None], "entry 1 is null"),
        ([True, 1.0], "entry 0 is true or false"),
        (["1", 1.0], "entry 0 is a text"),
        ([[1.0], 1.0], "entry 0 is a list"),
        ([float("nan"), 1.0], "entries from -1e38 to 1e38, entry 0 is (nan|inf)"),
        ([1.0, float("-inf")], "entries from -1e38 to 1e38, entry 1 is -?inf"),
        ([1.0, 1e39], "entries from -1e38 to 1e38, entry 1 is -?inf"),
        ([0, 0.0], "must not be zero"),
        ([1e-40, 0.0], "must not be zero"),
        ("no base64!", "must be a list of numbers, or base64"),
        ("é", "must be a list of numbers, or base64"),
        ("AAAA", r"8 bytes of float32 or 4 of float16 in base64, got 3 bytes"),
        (encoded(np.array([np.inf, 0]), "<f2"), "entries from -1e38 to 1e38, entry 0 is (nan|inf)"),
        (encoded(np.array([0, 0]), "<f4"), "must not be zero"),
    ],
)
def test_what_is_no_vector_with_a_direction_is_refused(form: object, reason: str) -> None:
    with pytest.raises(InvalidContent, match=reason):
        read_vector(form, 2)


def test_an_integer_beyond_all_floats_is_not_finite() -> None:
    with pytest.raises(InvalidContent, match="entry 0 is inf"):
        read_vector([10**400], 1)


def test_settings_survive_their_row() -> None:
    settings = VectorSettings(384, model="v2", keep="int8")
    assert VectorSettings.of_row(settings.to_row()) == settings
    assert VectorSettings.of_row(None) is None
