"""Vectors that some other model made: from the wire, rounded to what is kept of them, and into a row and back.

A vector is rounded before it is hashed, whether it is stored or asks: so a document has the same code whenever it is
encoded, and a query with the vector of a document finds it at distance 0.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from service.errors import InvalidContent

Vectors = NDArray[np.float32]
"""One vector `(dims,)`, or many `(n, dims)`."""
Keep = Literal["float16", "int8", "float32"]
Metric = Literal["cosine"]

MAX_DIMS = 8_192
"""Widest vector."""
_LEAST, _MOST = np.float32(1e-30), np.float32(1e38)
"""Least and greatest size of the largest entry of a vector that has a direction; rounding keeps it within float32."""
_FORMS: Mapping[Keep, tuple[bytes, str]] = {"float32": (b"E", "<f4"), "float16": (b"H", "<f2"), "int8": (b"Q", "i1")}
# The first byte of a row says what is kept; before other numbers than float32 stands their common factor.
_FACTOR_BYTES = 4
MARK_OF: Mapping[Keep, bytes] = {keep: mark for keep, (mark, _) in _FORMS.items()}
_OF_MODELS = b"V"
# The first byte of vectors of several models; before each stand the number of its model and the length of its row.
_MODEL_HEAD = struct.Struct("<BI")
MARKS = (*MARK_OF.values(), _OF_MODELS)
"""How the row of vectors begins."""


@dataclass(frozen=True, slots=True)
class VectorSettings:
    """What the vectors of a collection are.

    Attributes:
        dims: entries of each, 1 to `MAX_DIMS`.
        metric: by which vectors are alike.
        model: the caller's name of the model that makes them.
        keep: how their entries are stored: float16 and int8 with a common factor for each vector.
    """

    dims: int
    metric: Metric = "cosine"
    model: str = "default"
    keep: Keep = "float16"

    @classmethod
    def of_row(cls, stored: Mapping[str, Any] | None) -> VectorSettings | None:
        """The settings of the column `vectors`; None where it is null."""
        return None if stored is None else cls(**stored)

    def to_row(self) -> dict[str, Any]:
        """The settings for the column `vectors`."""
        return asdict(self)


def read_vector(given: object, dims: int) -> Vectors:
    """A vector of a request, `(dims,)`, as `entries_of` takes it.

    Raises:
        InvalidContent: it is no such thing, or has no direction.
    """
    vector = entries_of(given, dims).astype(np.float32)
    check_direction(vector)
    return vector


def entries_of(given: object, dims: int) -> NDArray[np.floating[Any]]:
    """The entries `(dims,)` of a vector: an array, a list of numbers, or base64 of little-endian float32 or float16.

    Raises:
        InvalidContent: it is nothing of these, or of another width.
    """
    if isinstance(given, str):
        return _from_base64(given, dims)
    vector = given if isinstance(given, np.ndarray) else _from_list(given)
    if len(vector) != dims:
        raise InvalidContent(f"vector must have {dims} entries in this collection, got {len(vector)}")
    return vector


def has_direction(vectors: Vectors) -> NDArray[np.bool_]:
    """Whether each of the vectors `(..., dims)` is finite, not too large, and not too near to zero."""
    largest = np.abs(vectors).max(axis=-1, initial=0)
    good: NDArray[np.bool_] = (largest >= _LEAST) & (largest <= _MOST)
    return good


def may_be_of_width(given: object, dims: int) -> bool:
    """Whether a vector of a request has so many entries, as far as its length tells."""
    if isinstance(given, str):
        padding = given[-2:].count("=")
        return len(given) // 4 * 3 - padding in (4 * dims, 2 * dims)
    return isinstance(given, list | np.ndarray) and len(given) == dims


def check_direction(vectors: Vectors) -> None:
    """Refuse a vector that is not finite, too large, or too near to zero to have a direction.

    Raises:
        InvalidContent: it is one of `(dims,)`.
    """
    if has_direction(vectors):
        return
    in_range = np.abs(vectors) <= _MOST
    if not in_range.all():
        place = int(np.argmin(in_range))
        raise InvalidContent(f"vector must have entries from -1e38 to 1e38, entry {place} is {vectors[place]}")
    raise InvalidContent("vector must not be zero: it has no direction, so it has no cosine with another")


def _from_list(given: object) -> Vectors:
    if not isinstance(given, list) or not given:
        raise InvalidContent(f"vector must be a list of numbers, or base64, got {_named(given)}")
    kinds = set(map(type, given))
    if not kinds <= {int, float}:
        place = next(i for i, entry in enumerate(given) if type(entry) not in (int, float))
        raise InvalidContent(f"vector must be a list of numbers, entry {place} is {_named(given[place])}")
    return to_float32(given)


def to_float32(given: ArrayLike) -> Vectors:
    """Numbers as float32, those beyond it as infinity."""
    with np.errstate(over="ignore"):
        try:
            return np.array(given, dtype=np.float32)
        except OverflowError:  # an integer beyond float64
            return np.array([float("inf")], dtype=np.float32)


def _from_base64(given: str, dims: int) -> NDArray[np.floating[Any]]:
    try:
        data = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidContent(f"vector must be a list of numbers, or base64: {error}") from None
    entries = {4 * dims: "<f4", 2 * dims: "<f2"}.get(len(data))
    if entries is None:
        raise InvalidContent(
            f"vector must be {dims} entries in this collection: {4 * dims} bytes of float32 or {2 * dims} of float16 "
            f"in base64, got {len(data)} bytes"
        )
    return np.frombuffer(data, entries)


def _named(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return "an empty list" if value == [] else names.get(type(value), "a number")


def rounded(vectors: Vectors, keep: Keep) -> Vectors:
    """Vectors `(..., dims)` as they are when they come back from a row; rounding them again changes nothing."""
    if keep == "float32":
        return vectors
    factors = _factors(vectors, keep)
    return _entries(vectors, factors, keep).astype(np.float32) * factors


def to_row(vectors: Mapping[int, Vectors], keep: Keep) -> bytes:
    """The column `content` of the rounded vectors `(dims,)` of a document, by the number of their model."""
    if [*vectors] == [0]:
        return _one_to_row(vectors[0], keep)
    row = _OF_MODELS
    for model, vector in sorted(vectors.items()):
        one = _one_to_row(vector, keep)
        row += _MODEL_HEAD.pack(model, len(one)) + one
    return row


def _one_to_row(vector: Vectors, keep: Keep) -> bytes:
    return MARK_OF[keep] + b"".join(part.tobytes() for part in row_parts(vector, keep))


def row_parts(vectors: Vectors, keep: Keep) -> list[NDArray[np.generic]]:
    """What follows the mark in the rows of rounded vectors `(..., dims)`: their factors, if there are any; entries."""
    if keep == "float32":
        return [vectors.astype("<f4")]
    factors = _factors(vectors, keep)
    return [factors.astype("<f4"), _entries(vectors, factors, keep)]


def from_row(data: bytes) -> tuple[dict[int, Vectors], Keep]:
    """The vectors `(dims,)` of a column `content` by the number of their model, one or more, and how they are kept.

    Raises:
        KeyError: it is of a kind that this release does not know.
    """
    if not data.startswith(_OF_MODELS):
        vector, keep = _one_from_row(data)
        return {0: vector}, keep
    found, start = {}, 1
    while start < len(data):
        model, length = _MODEL_HEAD.unpack_from(data, start)
        start += _MODEL_HEAD.size
        found[model], keep = _one_from_row(data[start : start + length])
        start += length
    return found, keep


def _one_from_row(data: bytes) -> tuple[Vectors, Keep]:
    keep, entries = {mark: (keep, entries) for keep, (mark, entries) in _FORMS.items()}[data[:1]]
    if keep == "float32":
        return np.frombuffer(data, entries, offset=1).astype(np.float32, copy=False), keep
    factor = np.frombuffer(data, "<f4", 1, offset=1).astype(np.float32)
    return np.frombuffer(data, entries, offset=1 + _FACTOR_BYTES).astype(np.float32) * factor, keep


def _entries(vectors: Vectors, factors: Vectors, keep: Keep) -> NDArray[np.generic]:
    scaled = vectors / factors
    return (np.rint(scaled) if keep == "int8" else scaled).astype(_FORMS[keep][1])


def _factors(vectors: Vectors, keep: Keep) -> Vectors:
    """The common factor of each vector, `(..., 1)`.

    Factors have so few digits that products with entries are exact, and so the largest entry says the same factor when
    the vector has been rounded: for float16 a power of two that is greater than all entries, for int8 one of 16 bits.
    """
    largest = np.abs(vectors).max(axis=-1, keepdims=True)
    if keep == "int8":
        digits, exponents = np.frexp(largest / np.float32(127))
        digits = np.ceil(digits * 65_536) / np.float32(65_536)
    else:
        digits, exponents = np.frexp(largest)
        exponents += digits >= np.float32(1 - 2**-12)  # in float16 the largest entry would be 1: that power is the next
        digits, exponents = np.ones_like(digits), np.minimum(exponents, 127)
    factors: Vectors = np.ldexp(digits, exponents)
    return factors
