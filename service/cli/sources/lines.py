"""Lines of JSON, one document each, plain or packed, from a file or standard input."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from service.cli.client import to_json_bytes
from service.cli.sources.packed import damages, unpacked
from service.cli.sources.source import Needs, ReadDocument, Refused
from service.errors import InvalidInput
from service.json_lines import parse_object

MAX_LINE_BYTES = 64 << 20
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
IMAGE_PATH = "image_path"


class Lines:
    """The documents of a file of lines; iterate once. A line may name a picture by `image_path`.

    Args:
        path: of a file, packed with gzip or Zstandard or not; `-` is standard input. Paths of pictures are relative to
            its folder.

    Raises:
        InvalidInput: it is UTF-16, or packed with Zstandard without a library for it.

    Attributes: see `Source`; bytes are counted.
    """

    unit = "line"
    attached = None

    def __init__(self, path: Path) -> None:
        is_stdin = str(path) == "-"
        self.name = "standard input" if is_stdin else str(path)
        self._folder = Path.cwd() if is_stdin else path.parent
        self._file: io.BufferedReader = sys.stdin.buffer if is_stdin else path.open("rb")  # type: ignore[assignment]
        self.total = path.stat().st_size if path.is_file() and not is_stdin else None
        try:
            self._lines: BinaryIO = unpacked(self._file, self.name)
        except InvalidInput:
            self.__exit__()
            raise
        self._n_read = 0
        self.damage: str | None = None
        self._numbered = self._read()
        self._first = next(self._numbered, None)
        if self._first is not None and self._first[1].startswith(_UTF_16):
            self.__exit__()
            raise InvalidInput(f"{self.name} must be UTF-8, it begins as UTF-16")
        self.needs = Needs() if self._first is None else _needs(self._first[1])

    @property
    def position(self) -> int:
        """Number of bytes of the file read so far."""
        return self._n_read if self._lines is self._file else self._file.tell()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not sys.stdin.buffer:
            self._file.close()

    def __iter__(self) -> Iterator[ReadDocument | Refused]:
        for number, raw in self.numbered():
            try:
                yield _parse(number, raw, self._folder)
            except InvalidInput as error:
                yield Refused(number, str(error), _shown(raw))

    def numbered(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, with their numbers."""
        if self._first is not None:
            yield self._first
            self._first = None
        yield from self._numbered

    def _read(self) -> Iterator[tuple[int, bytes]]:
        number = 0
        try:
            while line := self._lines.readline(MAX_LINE_BYTES + 1):
                number += 1
                self._n_read += len(line)
                if len(line) > MAX_LINE_BYTES:
                    self._skip_line(line)
                if line.strip():
                    yield number, line
        except damages() as error:
            self.damage = f"{self.name} is damaged after line {number}: {error}"

    def _skip_line(self, part: bytes) -> None:
        while part and not part.endswith(b"\n"):
            part = self._lines.readline(MAX_LINE_BYTES)
            self._n_read += len(part)


def check_length(raw: bytes) -> None:
    """Refuse a line that is too long to be read whole.

    Raises:
        InvalidInput: it is.
    """
    if len(raw) > MAX_LINE_BYTES:
        raise InvalidInput(f"must be at most {MAX_LINE_BYTES:,} bytes")


def _shown(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").rstrip("\r\n")


def _needs(first: bytes) -> Needs:
    """What the first line says of all of them."""
    try:
        document = parse_object(1, first)
    except InvalidInput:
        return Needs()
    if IMAGE_PATH in document or "image" in document:
        return Needs("image", None, "its first line has a picture: kind image")
    if "vector" in document or "vectors" in document:
        return _needs_of_vector(document)
    return Needs("text")


def _needs_of_vector(document: dict[str, Any]) -> Needs:
    """What a line with vectors says; a new collection is for the first model that it names."""
    model, vector = next(iter(vectors_of(document).items()), (None, document.get("vector")))
    is_list, dims = isinstance(vector, list), width_of(vector)
    width = "" if dims is None else f" of {dims} numbers{'' if is_list else ' of float32'}"
    found = f"its first line has a vector{width}{'' if model is None else f', of model {model}'}: kind embedding"
    if_new = {name: value for name, value in (("dims", dims), ("model", model)) if value is not None}
    return Needs("embedding", dims if is_list and model is None else None, found, if_new)


def vectors_of(document: dict[str, Any]) -> dict[str, object]:
    """The vectors of a document by the names of their models, where it names them."""
    named = document.get("vectors")
    if isinstance(named, dict):
        return named
    model = document.get("model")
    return {model: document["vector"]} if isinstance(model, str) and "vector" in document else {}


def width_of(vector: object) -> int | None:
    """Entries of a list, or of base64, which is taken for float32, as `export` writes it; None of anything else."""
    if isinstance(vector, list):
        return len(vector)
    try:
        data = base64.b64decode(vector, validate=True) if isinstance(vector, str) else b""
    except ValueError:
        return None
    return len(data) // 4 if data and len(data) % 4 == 0 else None


def _parse(number: int, raw: bytes, folder: Path) -> ReadDocument:
    """A line as a document that can be sent.

    Raises:
        InvalidInput: it is not one JSON object in UTF-8, or cannot be sent.
    """
    check_length(raw)
    document = parse_object(number, raw)
    id: Any = document.get("id")
    if id is None:  # made here, not by the service: a batch sent twice must not be stored twice
        document["id"] = id = uuid4().hex
    if IMAGE_PATH in document:
        document["image"] = _read_picture(folder, document.pop(IMAGE_PATH))
    known = str(id) if isinstance(id, (str, int)) and not isinstance(id, bool) else f"\0{number}"
    return ReadDocument(number, raw, known, to_json_bytes(document), vectors=vectors_of(document))


def _read_picture(folder: Path, given: object) -> str:
    """Base64 of the file of that path, which must lie in the folder: the lines may be of another's hand."""
    path = folder / given if isinstance(given, str) and "\0" not in given else None
    if path is None or not path.resolve().is_relative_to(folder.resolve()):
        raise InvalidInput(f"{IMAGE_PATH} must name a file in the folder of the lines, {folder}, got {given!r}")
    try:
        return base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        raise InvalidInput(f"{IMAGE_PATH} cannot be read: {error}") from None
