"""Snapshots: the base of a table as a file that processes map into memory and share through the page cache.

    page 0:  magic | format u32 | crc32 u32 of all that follows | JSON: digest, seq, n_words | zeros
    then:    the array that `service.index.layout` describes, little-endian words

A snapshot may be thrown away at any time: SQL is the truth. So whatever is off about a file (cut short, a flipped byte,
another space, another format) makes `load` say so in the log and return nothing, and the caller reads SQL instead.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
import structlog

from service.errors import CorruptArtifact
from service.index import layout
from service.index.layout import Words
from service.index.table import HammingTable

log = structlog.get_logger(__name__)

MAGIC = b"nearbit\x00"
PAGE = 4096
_HEAD = struct.Struct("<8sII")
_SUFFIX = ".index"


def path_of(folder: Path, digest: str) -> Path:
    """Where the snapshot of the space with that digest lies."""
    return folder / f"{digest}{_SUFFIX}"


def save(table: HammingTable, folder: Path, digest: str, seq: int) -> Path:
    """Write a table that holds every change up to `seq`; an older snapshot of that digest is replaced in one step.

    May run in a thread while the table is read and written: it writes the state that it finds when it begins, so `seq`
    must have been read before. Changes applied twice after a `load` change nothing.

    Raises:
        OSError: the folder cannot be written, or the disk is full; the older snapshot is left as it was.
    """
    words = table.base()
    folder.mkdir(parents=True, exist_ok=True)
    target = path_of(folder, digest)
    draft = target.with_suffix(f".{os.getpid()}.draft")
    about = json.dumps({"digest": digest, "seq": seq, "n_words": len(words)}).encode()
    page = about.ljust(PAGE - _HEAD.size, b"\0")
    try:
        with draft.open("wb") as file:
            file.write(_HEAD.pack(MAGIC, layout.FORMAT, zlib.crc32(words.data, zlib.crc32(page))))
            file.write(page)
            file.write(words.data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target


def load(folder: Path, digest: str) -> tuple[HammingTable, int] | None:
    """Map the snapshot of a space: the table and the `seq` up to which it holds every change.

    None if there is none, or if it cannot be trusted, which the log then says.

    Cost: one pass over the file for its checksum, at the speed of memory if it is in the page cache.
    """
    path = path_of(folder, digest)
    try:
        words, seq = _mapped(path, digest)
    except FileNotFoundError:
        return None
    except (OSError, CorruptArtifact) as error:
        log.warning("snapshot refused, codes are read from SQL", path=str(path), reason=str(error))
        return None
    return HammingTable.of_base(words), seq


def prune(folder: Path, keep: Collection[str]) -> list[Path]:
    """Delete the snapshots of all digests but those to keep; return what was deleted."""
    gone = [path for path in sorted(folder.glob(f"*{_SUFFIX}")) if path.stem not in keep]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def _mapped(path: Path, digest: str) -> tuple[Words, int]:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < PAGE:
            raise CorruptArtifact(path.name, f"it has {size} bytes, a snapshot has at least {PAGE}")
        # a private mapping: nobody writes to it, but the compiled loops take writable arrays only
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    magic, version, checksum = _HEAD.unpack_from(pages)
    if magic != MAGIC or version != layout.FORMAT:
        raise CorruptArtifact(path.name, f"it is {magic!r} format {version}, this release reads {layout.FORMAT}")
    if sys.byteorder != "little" or zlib.crc32(memoryview(pages)[_HEAD.size :]) != checksum:
        raise CorruptArtifact(path.name, "its checksum does not match its bytes")
    about = json.loads(pages[_HEAD.size : PAGE].rstrip(b"\0"))
    if about["digest"] != digest or about["n_words"] * 8 + PAGE != size:
        raise CorruptArtifact(path.name, f"it is of space {about['digest']}, or cut short")
    return np.frombuffer(pages, np.uint64, offset=PAGE), int(about["seq"])
