"""Folders of pictures: every PNG and JPEG file in a folder and in the folders in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from service.cli.sources.attached import Pictures
from service.cli.sources.source import Needs, ReadDocument, Refused, read_document
from service.errors import InvalidInput

ENDINGS = (".png", ".jpg", ".jpeg")


class PictureFolder:
    """The pictures of a folder, each a document whose id is its path in the folder; iterate once.

    Hidden files and folders are left out, and links to folders are not followed.

    Args:
        path: of the folder.
        label: field of the metadata that says in which folder a picture lies; None for no metadata.

    Raises:
        InvalidInput: there are no pictures.

    Attributes: see `Source`; pictures are counted.
    """

    unit = "picture"
    attached = Pictures()

    def __init__(self, path: Path, label: str | None = None) -> None:
        self.name = str(path)
        self._folder, self._label = path, label
        self._files, n_others = _find(path)
        if not self._files:
            raise InvalidInput(f"{path} must hold pictures, files named {', '.join(ENDINGS)}, got {n_others:,} others")
        self.total = len(self._files)
        self.position = 0
        self.damage: str | None = None
        left_out = f"; {n_others:,} other files are left out" if n_others else ""
        self.needs = Needs("image", None, f"{self.total:,} pictures: kind image{left_out}")

    def __enter__(self) -> PictureFolder:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[ReadDocument | Refused]:
        for number, file in enumerate(self._files, 1):
            self.position = number
            yield self._document(number, file)

    def _document(self, number: int, id: str) -> ReadDocument | Refused:
        try:
            data = (self._folder / id).read_bytes()
        except OSError as error:
            return Refused(number, f"cannot be read: {error}", "", id)
        document: dict[str, object] = {"id": id}
        if self._label is not None:
            document["metadata"] = {self._label: id.rpartition("/")[0]}
        return read_document(number, document, data)


def _find(folder: Path) -> tuple[list[str], int]:
    """Paths of pictures relative to the folder, in order, with slashes; and the number of other files."""
    pictures, n_others = [], 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith("."):
                continue
            if name.lower().endswith(ENDINGS):
                pictures.append((Path(place) / name).relative_to(folder).as_posix())
            else:
                n_others += 1
    return pictures, n_others
