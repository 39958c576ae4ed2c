"""The file of a backup: a ZIP archive of parts, and a manifest that says what they are and how to know damage."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Protocol, Self

from service.errors import CorruptArtifact, InvalidInput

FORMAT = 1
_MANIFEST = "manifest.json"
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a backup.

    Attributes:
        name: in the archive.
        n_bytes: its length, not compressed.
        sha256: of its bytes.
        table: whose rows it holds; None where it is a whole database.
        columns: of these rows.
        n_rows: how many.
    """

    name: str
    n_bytes: int
    sha256: str
    table: str | None = None
    columns: list[str] = field(default_factory=list)
    n_rows: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    Attributes:
        format: of the file.
        release: of nearbit that made it.
        revision: of the schema.
        dialect: sqlite or postgresql; it can be restored into the same only.
        created_at: in UTC, ISO 8601.
        n_rows: of each table.
        numbers: the last ones that PostgreSQL gave, by its sequence.
        parts: in the order in which they are restored.
    """

    format: int
    release: str
    revision: str
    dialect: str
    created_at: str
    n_rows: dict[str, int]
    numbers: dict[str, int]
    parts: list[Part]

    @classmethod
    def of_json(cls, content: bytes) -> Self:
        """The manifest that JSON describes.

        Raises:
            ValueError, KeyError, TypeError: it does not.
        """
        members: dict[str, Any] = json.loads(content)
        return cls(**{**members, "parts": [Part(**part) for part in members["parts"]]})


class Readable(Protocol):
    """What a part is read from."""

    def read(self, n_bytes: int, /) -> bytes:
        """Up to so many bytes; none at the end."""


class ArchiveWriter:
    """Writes the parts of a backup; made by `write_archive`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.parts: list[Part] = []

    @contextmanager
    def part(self, name: str) -> Iterator[PartWriter]:
        """A part to write, which is noted when the block ends."""
        with self._archive.open(name, "w", force_zip64=True) as file:
            writer = PartWriter(file)
            yield writer
        table = {"table": writer.table, "columns": writer.columns, "n_rows": writer.n_rows}
        self.parts.append(Part(name, writer.n_bytes, writer.digest.hexdigest(), **table))  # type: ignore[arg-type]

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, last: an archive without one is not whole."""
        self._archive.writestr(_MANIFEST, json.dumps(asdict(manifest), indent=1))


class PartWriter:
    """Counts and digests what is written; what the part holds may be set."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = sha256()
        self.n_bytes = 0
        self.table: str | None = None
        self.columns: list[str] = []
        self.n_rows = 0

    def write(self, content: bytes | memoryview) -> None:
        """Write bytes."""
        self._file.write(content)
        self.digest.update(content)
        self.n_bytes += len(content)


@contextmanager
def write_archive(path: Path) -> Iterator[ArchiveWriter]:
    """An archive that gets its name when the block ends, and is deleted if the block raises."""
    part = path.with_name(f"{path.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            yield ArchiveWriter(archive)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


class Archive:
    """The parts of a backup, to be read; made by `open_archive`, which has checked them."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self._archive, self.manifest = archive, manifest

    @contextmanager
    def part(self, part: Part) -> Iterator[IO[bytes]]:
        """A part, to be read from its beginning."""
        with self._archive.open(part.name) as file:
            yield file


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """A backup, all of whose bytes were read and are what the manifest says.

    Raises:
        CorruptArtifact: it is damaged, not whole, or no backup.
        InvalidInput: a newer release made it.

    Cost: linear in its size.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _manifest(archive, path)
            for part in manifest.parts:
                _check(archive, part, path)
            yield Archive(archive, manifest)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CorruptArtifact(str(path), str(error) or type(error).__name__) from None


def _manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    try:
        content = archive.read(_MANIFEST)
        version = json.loads(content)["format"]
        if version != FORMAT:
            raise InvalidInput(f"{path} must have format {FORMAT} of a backup, got {version}: a newer release made it")
        return Manifest.of_json(content)
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptArtifact(str(path), f"it has no manifest of a backup: {error}") from None


def _check(archive: zipfile.ZipFile, part: Part, path: Path) -> None:
    digest, n_bytes = sha256(), 0
    try:
        with archive.open(part.name) as file:
            for piece in pieces_of(file):
                digest.update(piece)
                n_bytes += len(piece)
    except KeyError:
        raise CorruptArtifact(str(path), f"part {part.name} is missing") from None
    if (n_bytes, digest.hexdigest()) != (part.n_bytes, part.sha256):
        raise CorruptArtifact(str(path), f"part {part.name} is not what was written")


def pieces_of(file: Readable) -> Iterator[bytes]:
    """The bytes of a file, a megabyte at a time."""
    while piece := file.read(_PIECE_BYTES):
        yield piece
