"""Arrays of numpy's files, of which a part at a time is in memory."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidInput
from service.hashing.npy import check_shape, read_head

NPZ = b"PK\x03\x04"
"""How files of several arrays begin."""
_PIECE_BYTES = 4 << 20


def open_array(path: Path, dims: int) -> NDArray[Any]:
    """The array of a `.npy` file, mapped: its entries are read when they are used.

    Args:
        path: of the file.
        dims: how many dimensions it must have.

    Raises:
        InvalidInput: it is no such file, is cut short, or has another number of dimensions.
    """
    with path.open("rb") as file:
        head = read_head(file, str(path))
        start = file.tell()
    check_shape(head, dims, str(path))
    there = path.stat().st_size - start
    if there < head.n_bytes:
        raise InvalidInput(f"{path} is cut short: it must hold {head.n_bytes:,} bytes of entries, got {there:,}")
    if not head.n_bytes:
        return np.empty(head.shape, head.dtype)
    return np.memmap(path, head.dtype, "r", start, head.shape, "F" if head.fortran else "C")


def check_ids(dtype: np.dtype[Any], name: str) -> None:
    """Refuse an array that cannot hold ids.

    Raises:
        InvalidInput: its entries are neither texts nor integers.
    """
    if dtype.kind not in "Uiu":
        raise InvalidInput(f"{name} must hold texts or integers, its type is {dtype}")


class ZippedArray:
    """An array of a `.npz` file, compressed or not, of which a few rows are in memory at a time.

    Args:
        archive: the file.
        member: name of the array's own file in it.

    Raises:
        InvalidInput: it cannot be read by rows.
    """

    def __init__(self, archive: zipfile.ZipFile, member: str) -> None:
        self._archive, self._member = archive, member
        self.name = f"{member.removesuffix('.npy')} in {archive.filename}"
        with archive.open(member) as file:
            self.head = read_head(file, self.name)
        if self.head.fortran and len(self.head.shape) > 1:
            raise InvalidInput(f"{self.name} must be in C order to be read by rows: save np.ascontiguousarray of it")

    def batches(self) -> Iterator[NDArray[Any]]:
        """Rows `(n, ...)`, a few megabytes at a time.

        Raises:
            EOFError: there are fewer than the head says.
        """
        n_rows, *rest = self.head.shape
        row_bytes = max(1, prod(rest) * self.head.dtype.itemsize)
        with self._archive.open(self._member) as file:
            read_head(file, self.name)
            for start in range(0, n_rows, step := max(1, _PIECE_BYTES // row_bytes)):
                n = min(step, n_rows - start)
                data = file.read(n * row_bytes)
                if len(data) < n * row_bytes:
                    raise EOFError(f"it is cut short in row {start + len(data) // row_bytes}")
                yield np.frombuffer(data, self.head.dtype).reshape(n, *rest)


def batches_of(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Rows `(n, ...)` of a mapped array, a few megabytes at a time."""
    step = max(1, _PIECE_BYTES // max(1, array[:1].nbytes))
    return (array[start : start + step] for start in range(0, len(array), step))
