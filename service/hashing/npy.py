"""Arrays in numpy's own form, checked by their head before anything else of them is read, and never unpickled."""

from __future__ import annotations

import io
from dataclasses import dataclass
from math import prod
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from service.errors import InvalidInput

NPY = b"\x93NUMPY"
"""How such a file begins."""
_HEADS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_UNREADABLE = (
    *(ValueError, TypeError, LookupError, ArithmeticError, EOFError, SyntaxError, TokenError, RecursionError),
    MemoryError,
)
"""What numpy raises of a head that it cannot read."""
_NUMBERS = "fiu"
_LAST_CHARACTER = 0x10FFFF


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of an array says: its shape, whether it lies in Fortran order, and the type of its entries."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def n_bytes(self) -> int:
        """Size of its entries."""
        return prod(self.shape) * self.dtype.itemsize


def read_head(file: IO[bytes], name: str) -> Head:
    """The head of an array, after which its entries follow.

    Raises:
        InvalidInput: it is no `.npy` file that can be read, or its entries are Python objects.
    """
    try:
        version = npy.read_magic(file)
        if version not in _HEADS:
            found = ".".join(map(str, version))
            raise InvalidInput(f"{name} must be a .npy file of version 1.0 or 2.0, got {found}")
        head = Head(*_HEADS[version](file))
    except _UNREADABLE as error:
        raise InvalidInput(f"{name} is not a .npy file that can be read: {error}") from None
    if head.dtype.hasobject:
        raise InvalidInput(f"{name} holds Python objects, which are not read: save it as an array of numbers")
    if any(length < 0 for length in head.shape):
        raise InvalidInput(f"{name} is not a .npy file that can be read: its shape is {head.shape}")
    return head


def check_shape(head: Head, dims: int, name: str) -> None:
    """Refuse an array of another number of dimensions.

    Raises:
        InvalidInput: it has another.
    """
    if len(head.shape) != dims:
        wanted = "(vectors, entries of each)" if dims == 2 else "(values,)"
        raise InvalidInput(f"{name} must be an array of {dims} dimensions, {wanted}, its shape is {head.shape}")


def check_vectors(head: Head, name: str) -> None:
    """Refuse what are no vectors.

    Raises:
        InvalidInput: it has not two dimensions, or its entries are no real numbers.
    """
    check_shape(head, 2, name)
    if head.dtype.kind not in _NUMBERS:
        raise InvalidInput(f"{name} must hold real numbers, its type is {head.dtype}")
    if not head.shape[1]:
        raise InvalidInput(f"{name} must hold vectors of 1 or more numbers, its shape is {head.shape}")


def vectors_in(data: bytes, name: str) -> NDArray[Any]:
    """The vectors `(n, dims)` of a `.npy` file in memory, of whatever real numbers it has; a view of its bytes.

    Raises:
        InvalidInput: it holds no such array, or not exactly one.
    """
    file = io.BytesIO(data)
    head = read_head(file, name)
    check_vectors(head, name)
    return _entries(data, file.tell(), head, name)


def identified_vectors_in(data: bytes, name: str) -> tuple[list[str | int] | None, NDArray[Any]]:
    """Ids and vectors `(n, dims)` of a `.npy` file: of the fields `id` and `vector`, or vectors alone, without ids.

    Raises:
        InvalidInput: it holds no such array, or an id that is no text.
    """
    file = io.BytesIO(data)
    head = read_head(file, name)
    if head.dtype.names is None:
        return None, vectors_in(data, name)
    check_shape(head, 1, name)
    if set(head.dtype.names) != {"id", "vector"}:
        raise InvalidInput(f"{name} must have the fields id and vector, its fields are {', '.join(head.dtype.names)}")
    array = _entries(data, file.tell(), head, name)
    vectors = array["vector"]
    check_vectors(Head(vectors.shape, False, vectors.dtype), f"the field vector of {name}")
    return _ids(array["id"], name), vectors


def _ids(array: NDArray[Any], name: str) -> list[str | int]:
    if array.dtype.kind not in "USiu" or array.ndim != 1:
        raise InvalidInput(f"the field id of {name} must hold texts or integers, its type is {array.dtype}")
    if array.dtype.kind == "U":  # numpy makes texts of its numbers without a look at them
        numbers = np.ascontiguousarray(array).view(f"{array.dtype.byteorder}u4")
        if numbers.max(initial=0) > _LAST_CHARACTER:
            raise InvalidInput(f"the field id of {name} must be valid Unicode, got character {numbers.max():#x}")
    try:
        return [one.decode("utf-8") if isinstance(one, bytes) else one for one in array.tolist()]
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the field id of {name} must be valid Unicode: {error}") from None


def _entries(data: bytes, start: int, head: Head, name: str) -> NDArray[Any]:
    n_bytes = len(data) - start
    if n_bytes != head.n_bytes:
        raise InvalidInput(f"{name} must have {head.n_bytes:,} bytes of entries, as its head says, got {n_bytes:,}")
    if not head.dtype.itemsize:
        raise InvalidInput(f"{name} must hold vectors of 1 or more numbers, its type is {head.dtype}")
    array = np.frombuffer(data, head.dtype, prod(head.shape), start)
    return array.reshape(head.shape, order="F" if head.fortran else "C")
