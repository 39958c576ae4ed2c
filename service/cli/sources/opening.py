"""Which source a path is."""

from __future__ import annotations

from pathlib import Path

from service.cli.sources.beside import BesideVectors
from service.cli.sources.lines import Lines
from service.cli.sources.mapping import ColumnNames
from service.cli.sources.pictures import PictureFolder
from service.cli.sources.source import Source
from service.cli.sources.tables import is_table, open_table
from service.errors import InvalidInput


def open_source(
    path: Path, beside: BesideVectors | None = None, label: str | None = None, columns: ColumnNames | None = None
) -> Source:
    """The source of a path: a folder of pictures, a table by its ending, a file of vectors by how it begins, or lines.

    Args:
        path: `-` is standard input.
        beside: files that go with a file of vectors.
        label: for a folder of pictures, see `PictureFolder`.
        columns: for a table, see `Table`.

    Raises:
        InvalidInput: it cannot be imported, or an option is not for it.
        OSError: it cannot be opened.
    """
    beside = beside or BesideVectors()
    columns = columns or ColumnNames()
    if is_table(path) and path.is_file():
        if beside.given or label is not None:
            raise InvalidInput(f"--{next(iter([*beside.given, 'label']))} is not for tables, got {path}")
        return open_table(path, columns)
    if columns.given:
        raise InvalidInput(f"{columns.given[0]} with names of columns is for tables, .csv or .parquet, got {path}")
    is_vectors = str(path) != "-" and path.is_file() and _begins_as_vectors(path)
    if beside.given and not is_vectors:
        raise InvalidInput(f"--{next(iter(beside.given))} is for files of vectors, .npy or .npz, got {path}")
    if label is not None and not path.is_dir():
        raise InvalidInput(f"--label is for folders of pictures, got {path}")
    if path.is_dir():
        return PictureFolder(path, label)
    if not is_vectors:
        return Lines(path)
    from service.cli.sources.vectors import VectorFile  # numpy, which only vectors wait for

    return VectorFile(path, beside)


def _begins_as_vectors(path: Path) -> bool:
    if path.suffix in (".npy", ".npz"):
        return True
    with path.open("rb") as file:
        return file.read(6).startswith((b"\x93NUMPY", b"PK\x03\x04"))
