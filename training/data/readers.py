"""Contents to learn from: texts of a JSONL file, pictures of a folder, vectors or pictures of a numpy file."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from service.errors import InvalidContent, InvalidInput
from service.hashing.content import Content, Embedding, Image, Text

PICTURES = frozenset({".png", ".jpg", ".jpeg"})


@dataclass(frozen=True, slots=True)
class Collection:
    """Contents with their ids; labels where the source has them, for pictures of maps and never for learning."""

    ids: list[str]
    contents: Sequence[Content]
    labels: list[str] | None = None

    def __len__(self) -> int:
        return len(self.ids)


def read_contents(path: Path) -> Collection:
    """Contents of a file or folder, by what it is.

    - a folder: its PNG and JPEG files, below too; a picture's id is its path, its label the folder it lies in;
    - `.npy`: `(n, width)` numbers, one embedding a row; ids are row numbers;
    - `.npz`: `x_train` `(n, height, width)` uint8, one grey picture a row, labels `y_train`, as MNIST comes;
    - else JSONL, plain or `.gz`: see `read_corpus`; `label` or `group` is the label.

    Raises:
        InvalidInput: no such file, or not what its name says.
    """
    if path.is_dir():
        return _pictures(path)
    if path.suffix in (".npy", ".npz"):
        return _arrays(path)
    ids, texts = read_corpus(path)
    return Collection(ids, texts, _labels(path))


def _pictures(folder: Path) -> Collection:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in PICTURES)
    if not files:
        raise InvalidInput(f"no PNG or JPEG file in {folder}")
    names = [file.relative_to(folder) for file in files]
    labels = [name.parent.name for name in names]
    return Collection(
        [name.as_posix() for name in names],
        [Image(file.read_bytes()) for file in files],
        labels if len(set(labels)) > 1 else None,
    )


def _arrays(path: Path) -> Collection:
    if not path.is_file():
        raise InvalidInput(f"no such file: {path}")
    try:
        loaded = np.load(path, allow_pickle=False)
        rows = loaded if path.suffix == ".npy" else loaded["x_train"]
        labels = loaded["y_train"] if path.suffix == ".npz" and "y_train" in loaded else None
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInput(f"{path}: {error}") from error
    ids = [str(i) for i in range(len(rows))]
    if path.suffix == ".npy":
        if rows.ndim != 2:
            raise InvalidInput(f"{path}: embeddings must have shape (n, width), got {rows.shape}")
        return Collection(ids, [Embedding(row) for row in rows])
    if rows.ndim != 3 or rows.dtype != np.uint8:
        raise InvalidInput(f"{path}: x_train must be (n, height, width) uint8, got {rows.shape} {rows.dtype}")
    return Collection(ids, [_png(row) for row in rows], None if labels is None else [str(label) for label in labels])


def _png(shades: NDArray[np.uint8]) -> Image:
    file = io.BytesIO()
    PillowImage.fromarray(shades).save(file, "PNG", compress_level=1)
    return Image(file.getvalue())


def _labels(path: Path) -> list[str] | None:
    with open_corpus(path) as file:
        parsed = [json.loads(line) for line in file if not line.isspace()]
    labels = [found.get("group", found.get("label")) for found in parsed]
    return [str(label) for label in labels] if all(label is not None for label in labels) else None


def read_corpus(path: Path) -> tuple[list[str], list[Text]]:
    """Ids and texts of a JSONL file, plain or gzip: one `{"id": ..., "text": ...}` a line.

    `_id` is taken for `id`, a `title` is put before the text, other keys are left alone; empty lines are skipped.

    Raises:
        InvalidInput: a line that is no such object, or an id that came before; the message names the line.
    """
    ids: list[str] = []
    texts: list[Text] = []
    lines_of: dict[str, int] = {}
    with open_corpus(path) as file:
        for number, line in enumerate(file, start=1):
            if line.isspace():
                continue
            try:
                name, text = _document(json.loads(line))
            except (ValueError, InvalidContent) as error:
                raise InvalidInput(f"{path}, line {number}: {error}") from error
            if name in lines_of:
                raise InvalidInput(f"{path}, line {number}: id {name!r} came before, on line {lines_of[name]}")
            lines_of[name] = number
            ids.append(name)
            texts.append(text)
    return ids, texts


def open_corpus(path: Path) -> gzip.GzipFile | BufferedReader:
    """A corpus file, plain or gzip, to read bytes from."""
    if not path.is_file():
        raise InvalidInput(f"no such corpus file: {path}")
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _document(parsed: object) -> tuple[str, Text]:
    if not isinstance(parsed, dict):
        raise ValueError(f'expected an object {{"id": ..., "text": ...}}, got {type(parsed).__name__}')
    name, text, title = parsed.get("id", parsed.get("_id")), parsed.get("text"), parsed.get("title")
    if not isinstance(name, str | int) or isinstance(name, bool) or name == "":
        raise ValueError(f"id must be a string, got {name!r}")
    if not isinstance(text, str):
        raise ValueError(f"text must be a string, got {text!r}")
    return str(name), Text(f"{title}\n{text}" if isinstance(title, str) and title else text)
