"""Snapshots: arrays of words as files that processes map into memory and share through the page cache.

    page 0:  magic | format u32 | crc32 u32 of all that follows | JSON: name, token, seq, n_words | zeros
    then:    the array, little-endian words

A snapshot may be thrown away at any time: SQL is the truth. So whatever is off about a file (cut short, a flipped byte,
another owner, another format, a history that SQL does not know) makes `load` say so in the log and return nothing, and
the caller reads SQL instead.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
import time
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import structlog
from numpy.typing import NDArray

from service.errors import CorruptArtifact

log = structlog.get_logger(__name__)

PAGE = 4096
_HEAD = struct.Struct("<8sII")
_DRAFT = ".draft"
_ABANDONED_S = 3600.0
"""Age at which a draft is no longer being written: its process was killed."""

IsOurs = Callable[[int, str], bool]
"""Says of the seq and the token of a file whether it is of this history."""


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """One kind of snapshots.

    Attributes:
        magic: 8 bytes that every file of the kind begins with.
        format: of the array; a file of another one is refused.
        suffix: of the files' names.
        owner: what a name stands for, in words.
        content: what the array holds, in words.
    """

    magic: bytes
    format: int
    suffix: str
    owner: str
    content: str

    def path_of(self, folder: Path, name: str) -> Path:
        """Where the snapshot of that name lies."""
        return folder / f"{name}{self.suffix}"

    def save(self, words: NDArray[np.uint64], folder: Path, name: str, seq: int, token: str = "") -> Path:
        """Write an array that holds every change up to `seq`; an older snapshot of that name is replaced in one step.

        Raises:
            OSError: the folder cannot be written, or the disk is full; the older snapshot is left as it was.
        """
        folder.mkdir(parents=True, exist_ok=True)
        target = self.path_of(folder, name)
        draft = target.with_suffix(f".{uuid4().hex}{_DRAFT}")  # process ids are not unique: containers share a folder
        about = json.dumps({"name": name, "token": token, "seq": seq, "n_words": len(words)}).encode()
        page = about.ljust(PAGE - _HEAD.size, b"\0")
        try:
            with draft.open("wb") as file:
                file.write(_HEAD.pack(self.magic, self.format, zlib.crc32(words.data, zlib.crc32(page))))
                file.write(page)
                file.write(words.data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return target

    def load(self, folder: Path, name: str, is_ours: IsOurs) -> tuple[NDArray[np.uint64], int] | None:
        """Map a snapshot: the array and the `seq` up to which it holds every change.

        None if there is none, or if it cannot be trusted, which the log then says.

        Cost: one pass over the file for its checksum, at the speed of memory if it is in the page cache.
        """
        path = self.path_of(folder, name)
        try:
            return self._mapped(path, name, is_ours)
        except FileNotFoundError:
            return None
        except (OSError, CorruptArtifact) as error:
            log.warning(f"snapshot refused, {self.content} are read from SQL", path=str(path), reason=str(error))
            return None

    def peek(self, folder: Path, name: str) -> tuple[int, str] | None:
        """The seq and the token that a snapshot claims, unchecked; None if there is none that can be read."""
        try:
            with self.path_of(folder, name).open("rb") as file:
                about = json.loads(file.read(PAGE)[_HEAD.size :].rstrip(b"\0"))
            return int(about["seq"]), str(about["token"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def names(self, folder: Path) -> list[str]:
        """The names of the snapshots there are."""
        return sorted(path.stem for path in folder.glob(f"*{self.suffix}"))

    def age_s(self, folder: Path, name: str) -> float:
        """Seconds since a snapshot was written; endless if it is gone."""
        try:
            return time.time() - self.path_of(folder, name).stat().st_mtime
        except FileNotFoundError:
            return float("inf")

    def prune(self, folder: Path, outdated: Collection[str]) -> list[Path]:
        """Delete the snapshots of these names, and drafts whose process was killed; return what was deleted.

        Processes that have mapped a deleted file go on with it. What is not named stays: it may have just been written.
        """
        gone = [path for name in outdated if (path := self.path_of(folder, name)).exists()]
        for draft in folder.glob(f"*{_DRAFT}"):
            try:
                if time.time() - draft.stat().st_mtime > _ABANDONED_S:
                    gone.append(draft)
            except FileNotFoundError:  # it has just become a snapshot
                continue
        for path in gone:
            path.unlink(missing_ok=True)
        return gone

    def _mapped(self, path: Path, name: str, is_ours: IsOurs) -> tuple[NDArray[np.uint64], int]:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < PAGE:
                raise CorruptArtifact(path.name, f"it has {size} bytes, a snapshot has at least {PAGE}")
            # a private mapping: nobody writes to it, but the compiled loops take writable arrays only
            pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        magic, version, checksum = _HEAD.unpack_from(pages)
        if magic != self.magic or version != self.format:
            raise CorruptArtifact(path.name, f"it is {magic!r} format {version}, this release reads {self.format}")
        try:
            about = json.loads(pages[_HEAD.size : PAGE].rstrip(b"\0"))
            n_words, seq, token, saved_as = int(about["n_words"]), int(about["seq"]), str(about["token"]), about["name"]
        except (ValueError, KeyError, TypeError):
            raise CorruptArtifact(path.name, "its first page, and so its checksum, is damaged") from None
        if saved_as == name and not is_ours(seq, token):
            raise CorruptArtifact(path.name, "it is of another history than the database's, or of one that was lost")
        if sys.byteorder != "little" or zlib.crc32(memoryview(pages)[_HEAD.size :]) != checksum:
            raise CorruptArtifact(path.name, "its checksum does not match its bytes")
        if saved_as != name or n_words * 8 + PAGE != size:
            raise CorruptArtifact(path.name, f"it is of {self.owner} {saved_as}, or cut short")
        return np.frombuffer(pages, np.uint64, offset=PAGE), seq
