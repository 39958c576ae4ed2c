"""Files of vectors: `.npy`, mapped into memory, and `.npz`, read a part at a time."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.cli.sources.arrays import NPZ, ZippedArray, batches_of, check_ids, open_array
from service.cli.sources.attached import Vectors
from service.cli.sources.beside import BesideVectors
from service.cli.sources.rows import RowValues
from service.cli.sources.source import Needs, ReadDocument, Refused, read_document
from service.errors import InvalidInput
from service.hashing.npy import Head, check_shape, check_vectors

_SENT_AS_THEY_ARE = ("<f4", "<f2")
VECTORS, IDS = "vectors", "ids"
"""Names of the arrays of a `.npz` file."""


class VectorFile:
    """The rows of a file of vectors, each a document; iterate once. Rows are counted from 0, as numpy does.

    Args:
        path: of a `.npy` file, or of a `.npz` file with an array `vectors`, or of one array of two dimensions, and
            perhaps an array `ids`.
        beside: files that go with it.

    Raises:
        InvalidInput: they are no such files, or do not go together.

    Attributes: see `Source`; rows are counted.
    """

    unit = "row"

    def __init__(self, path: Path, beside: BesideVectors) -> None:
        self.name = str(path)
        self.position = 0
        self.damage: str | None = None
        self._archive = _archive(path)
        try:
            head, self._batches, ids = _from_npy(path) if self._archive is None else _from_npz(self._archive)
            check_vectors(head, self.name)
            self.total, dims = head.shape
            self._beside = {name: RowValues(file, self.total, name) for name, file in beside.given.items()}
        except BaseException:
            self.__exit__()
            raise
        self._ids = ids if beside.ids is None else None
        self.attached = Vectors(dims, _sent_as(head.dtype))
        self.needs = Needs("embedding", dims, self._found(head))

    def _found(self, head: Head) -> str:
        n, dims = head.shape
        entries = head.dtype.name
        sent = "" if head.dtype.newbyteorder("<").str in _SENT_AS_THEY_ARE else ", sent as float32"
        named = "" if "ids" in self._beside or self._ids is not None else f"; their ids are 0 to {n - 1}"
        return f"{n:,} vectors of {dims} numbers ({entries}{sent}): kind embedding{named}"

    def __enter__(self) -> VectorFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._archive is not None:
            self._archive.close()

    def __iter__(self) -> Iterator[ReadDocument | Refused]:
        ids = self._beside.get("ids", self._ids if self._ids is not None else range(self.total))
        texts, metadata = (self._beside.get(name, repeat(None)) for name in ("texts", "metadata"))
        try:
            rows = chain.from_iterable(map(_sendable, self._batches()))
            for number, (vector, id, text, about) in enumerate(zip(rows, ids, texts, metadata, strict=False)):
                self.position = number + 1
                yield _document(number, vector, id, text, about)
        except (EOFError, zipfile.BadZipFile, zlib.error) as error:
            self.damage = f"{self.name} is damaged after {self.position:,} vectors: {error}"


_Batches = Callable[[], Iterator[NDArray[Any]]]
_Opened = tuple[Head, _Batches, list[Any] | None]


def _archive(path: Path) -> zipfile.ZipFile | None:
    """The archive that a `.npz` file is; None for any other file."""
    with path.open("rb") as file:
        if file.read(len(NPZ)) != NPZ:
            return None
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InvalidInput(f"{path} is not a .npz file that can be read: {error}") from None


def _from_npy(path: Path) -> _Opened:
    array = open_array(path, dims=2)
    return Head(array.shape, False, array.dtype), lambda: batches_of(array), None


def _from_npz(archive: zipfile.ZipFile) -> _Opened:
    """Head and rows of the vectors, and the ids if there are any, which are held in memory."""
    members = [name for name in archive.namelist() if name.endswith(".npy")]
    arrays = {name.removesuffix(".npy"): ZippedArray(archive, name) for name in members}
    wide = [name for name, array in arrays.items() if len(array.head.shape) == 2]
    chosen = VECTORS if VECTORS in arrays else wide[0] if len(wide) == 1 else None
    if chosen is None:
        raise InvalidInput(
            f"{archive.filename} must have an array named {VECTORS}, or one of two dimensions, it has: "
            f"{', '.join(arrays) or 'no array'}"
        )
    vectors = arrays[chosen]
    check_shape(vectors.head, 2, vectors.name)
    if IDS not in arrays:
        return vectors.head, vectors.batches, None
    check_shape(arrays[IDS].head, 1, arrays[IDS].name)
    check_ids(arrays[IDS].head.dtype, arrays[IDS].name)
    ids = [id for batch in arrays[IDS].batches() for id in batch.tolist()]
    if len(ids) != vectors.head.shape[0]:
        raise InvalidInput(f"{arrays[IDS].name} must be {vectors.head.shape[0]:,}, as the vectors, got {len(ids):,}")
    return vectors.head, vectors.batches, ids


def _sent_as(dtype: np.dtype[Any]) -> str:
    """The type in which entries of a type are sent."""
    entries = dtype.newbyteorder("<").str
    return entries if entries in _SENT_AS_THEY_ARE else "<f4"


def _sendable(batch: NDArray[Any]) -> Iterator[bytes | InvalidInput]:
    """Rows `(n, dims)` in the form in which they are sent, or what is wrong with them."""
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(batch, _sent_as(batch.dtype))
    finite = np.isfinite(rows)
    good = finite.all(axis=1) & rows.any(axis=1)
    for row, is_good, is_finite in zip(rows, good.tolist(), finite, strict=True):
        yield row.tobytes() if is_good else _fault(row, is_finite)


def _fault(row: NDArray[Any], finite: NDArray[np.bool_]) -> InvalidInput:
    if finite.all():
        return InvalidInput("vector must not be zero: it has no direction")
    place = int(np.argmin(finite))
    return InvalidInput(f"vector must have finite numbers of float32, entry {place} is {row[place]}")


def _document(number: int, vector: bytes | InvalidInput, id: Any, text: Any, about: Any) -> ReadDocument | Refused:
    for value in (id, vector, text, about):
        if isinstance(value, InvalidInput):
            return Refused(number, str(value), "", "" if isinstance(id, InvalidInput) else str(id))
    assert isinstance(vector, bytes)
    document = {"id": str(id)}
    if text is not None:
        document |= text if isinstance(text, dict) else {"text": text}
    return read_document(number, document if about is None else document | {"metadata": about}, vector)
