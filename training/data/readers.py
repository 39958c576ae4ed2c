"""Contents read from files: texts of a JSONL file, pictures of a folder, vectors or pictures of a numpy file."""

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
    """Contents with their ids, and their labels if the files have any (used to color maps, never to learn)."""

    ids: list[str]
    contents: Sequence[Content]
    labels: list[str] | None = None

    def __len__(self) -> int:
        return len(self.ids)


def read_contents(path: Path) -> Collection:
    """The contents of a file or folder.

    - a folder: the PNG and JPEG files in it and in its subfolders; the id is the path, the label the name of the
      subfolder;
    - `.npy`: `(n, width)` numbers, one embedding in each row; ids are row numbers;
    - `.npz`: `x_train` `(n, height, width)` uint8, gray pictures, and labels `y_train`, the format of MNIST;
    - any other file: JSONL, plain or `.gz`, see `read_corpus`; `label` or `group` is the label.

    Raises:
        InvalidInput: there is no such file, or its content does not fit its name.
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
    labels = [line.get("group", line.get("label")) for line in parsed]
    return [str(label) for label in labels] if all(label is not None for label in labels) else None


def read_corpus(path: Path) -> tuple[list[str], list[Text]]:
    """Ids and texts of a JSONL file, plain or gzip: one `{"id": ..., "text": ...}` in each line.

    `_id` is accepted for `id`, a `title` is put before the text, other keys are ignored; empty lines are skipped.

    Raises:
        InvalidInput: a line is not such an object, or repeats an id; the message names the line.
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
    """A corpus file, plain or gzip, opened for reading bytes."""
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
