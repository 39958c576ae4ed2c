"""Snapshots of columns: a base as a file that processes map into memory and share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from service.index.columns import layout
from service.index.columns.index import ColumnIndex
from service.index.snapshot_file import SnapshotFile

FILE = SnapshotFile(b"nb-colmn", layout.FORMAT, ".columns", owner="columns", content="columns")
path_of, peek, names, age_s, prune = FILE.path_of, FILE.peek, FILE.names, FILE.age_s, FILE.prune


def save(index: ColumnIndex, folder: Path, name: str, seq: int, token: str = "") -> Path:
    """Write columns that hold every change up to `seq`; an older snapshot of that name is replaced in one step.

    May run in a thread while the columns are read and written: it writes the state that it finds when it begins, so
    `seq` must have been read before. Changes applied twice after a `load` change nothing.

    Raises:
        OSError: the folder cannot be written, or the disk is full; the older snapshot is left as it was.
    """
    return FILE.save(layout.to_words(index.base()), folder, name, seq, token)


def load(
    folder: Path, name: str, is_ours: Callable[[int, str], bool] = lambda seq, token: True
) -> tuple[ColumnIndex, int] | None:
    """Map a snapshot: the columns and the `seq` up to which they hold every change.

    None if there is none, or if it cannot be trusted, which the log then says.

    Args:
        folder: where the snapshots lie.
        name: what it was saved as.
        is_ours: says of the file's seq and token whether it is of this history.

    Cost: one pass over the file for its checksum, at the speed of memory if it is in the page cache.
    """
    found = FILE.load(folder, name, is_ours)
    return None if found is None else (ColumnIndex(layout.of_words(found[0])), found[1])
