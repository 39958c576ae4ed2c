"""Snapshots of inverted indexes: one segment as a file that processes map into memory and share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from service.index.snapshot_file import SnapshotFile
from service.index.words import layout
from service.index.words.index import WordIndex

FILE = SnapshotFile(b"nb-words", layout.FORMAT, ".words", owner="index", content="words")
path_of, peek, names, age_s, prune = FILE.path_of, FILE.peek, FILE.names, FILE.age_s, FILE.prune


def save(index: WordIndex, folder: Path, name: str, seq: int, token: str = "") -> Path:
    """Write an index that holds every change up to `seq`; an older snapshot of that name is replaced in one step.

    May run in a thread while the index is read and written: it writes the state that it finds when it begins, so `seq`
    must have been read before. Changes applied twice after a `load` change nothing.

    Raises:
        OSError: the folder cannot be written, or the disk is full; the older snapshot is left as it was.
    """
    return FILE.save(index.base().words, folder, name, seq, token)


def load(
    folder: Path, name: str, is_ours: Callable[[int, str], bool] = lambda seq, token: True
) -> tuple[WordIndex, int] | None:
    """Map a snapshot: the index, with the usual settings, and the `seq` up to which it holds every change.

    None if there is none, or if it cannot be trusted, which the log then says.

    Args:
        folder: where the snapshots lie.
        name: what it was saved as.
        is_ours: says of the file's seq and token whether it is of this history.

    Cost: one pass over the file for its checksum, at the speed of memory if it is in the page cache.
    """
    found = FILE.load(folder, name, is_ours)
    return None if found is None else (WordIndex.of_base(layout.of_words(found[0])), found[1])
