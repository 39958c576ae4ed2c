"""What goes with the rows of a file of vectors: a file of as many lines, or a `.npy` file of as many values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.cli.sources.arrays import check_ids, open_array
from service.cli.sources.lines import check_length
from service.errors import InvalidInput
from service.json_lines import parse_json

_PIECE_BYTES = 1 << 20


class RowValues:
    """A value for each row of a file of vectors, read as the rows are.

    Args:
        path: of the file.
        n_rows: how many it must have.
        what: `ids`, `texts` or `metadata`.

    Raises:
        InvalidInput: it has another number of values, which is seen before any is read.
    """

    def __init__(self, path: Path, n_rows: int, what: str) -> None:
        self._path, self._what = path, what
        self._array = open_array(path, dims=1) if path.suffix == ".npy" and what == "ids" else None
        if self._array is not None:
            check_ids(self._array.dtype, str(path))
        self._n = _count_lines(path) if self._array is None else len(self._array)
        if self._n != n_rows:
            raise InvalidInput(f"{path} must hold {what} of {n_rows:,} vectors, one a line, got {self._n:,}")

    def __iter__(self) -> Iterator[Any]:
        """The values: texts, JSON objects, or an `InvalidInput` that says what is wrong with a line."""
        if self._array is not None:
            yield from (value.item() for value in self._array)
            return
        with self._path.open("rb") as file:
            for number in range(1, self._n + 1):
                raw = file.readline()
                try:
                    yield self._parsed(number, raw.rstrip(b"\r\n"))
                except InvalidInput as error:
                    yield InvalidInput(f"{self._what}: line {number} of {self._path} {error}")

    def _parsed(self, number: int, raw: bytes) -> Any:
        check_length(raw)
        if self._what == "metadata" or self._path.suffix == ".jsonl":
            return parse_json(number, raw)
        try:
            return raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"must be UTF-8, got byte {raw[error.start]:#04x}") from None


def _count_lines(path: Path) -> int:
    """Number of lines; the last one may lack its end."""
    n, last = 0, b"\n"
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            n += piece.count(b"\n")
            last = piece[-1:]
    return n + (last != b"\n")
