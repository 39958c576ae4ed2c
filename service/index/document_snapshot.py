"""Snapshots of documents: words and columns, each in a file of its own, of one seq and with one token."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from service.index.columns import ColumnIndex
from service.index.columns import snapshot as of_columns
from service.index.words import WordIndex
from service.index.words import snapshot as of_words


def save(words: WordIndex, columns: ColumnIndex, folder: Path, name: str, seq: int, token: str) -> None:
    """Write both; each of them holds every change up to `seq`, which was read before.

    Whoever is killed in between leaves two that do not agree, of which `load` makes nothing.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    of_columns.save(columns, folder, name, seq, token)
    of_words.save(words, folder, name, seq, token)


def load(folder: Path, name: str, is_ours: Callable[[int, str], bool]) -> tuple[WordIndex, ColumnIndex, int] | None:
    """Map both: words, columns, and the seq up to which they hold every change.

    None if there are none, or if they cannot be trusted or do not agree, which the log then says.

    Args:
        folder: where the snapshots lie.
        name: what they were saved as.
        is_ours: says of the files' seq and token whether they are of this history.
    """
    claims: list[tuple[int, str]] = []

    def is_known(seq: int, token: str) -> bool:
        claims.append((seq, token))
        return is_ours(seq, token)

    words = of_words.load(folder, name, is_known)
    columns = None if words is None else of_columns.load(folder, name, lambda seq, token: (seq, token) == claims[0])
    return None if words is None or columns is None else (words[0], columns[0], words[1])


def peek(folder: Path, name: str) -> tuple[int, str] | None:
    """The seq and the token that a snapshot claims, unchecked; None if there is none that can be read."""
    return of_words.peek(folder, name)


def names(folder: Path) -> list[str]:
    """The names of the snapshots there are, those among them of which one file is missing."""
    return sorted({*of_words.names(folder), *of_columns.names(folder)})


def age_s(folder: Path, name: str) -> float:
    """Seconds since a snapshot was written; endless if it is gone."""
    return min(of_words.age_s(folder, name), of_columns.age_s(folder, name))


def prune(folder: Path, outdated: Collection[str]) -> list[Path]:
    """Delete the snapshots of these names; return what was deleted.

    Processes that have mapped a deleted file go on with it.
    """
    return [*of_words.prune(folder, outdated), *of_columns.prune(folder, outdated)]
