"""Files that may be packed: gzip, and Zstandard where its library is there."""

from __future__ import annotations

import gzip
import io
import zlib
from importlib import import_module
from typing import cast

from service.errors import InvalidInput

_GZIP, _ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_LONGEST_MARK = 4


def unpacked(file: io.BufferedReader, name: str) -> io.BufferedReader:
    """What a file holds, unpacked if it begins as a packed one; the file itself if it does not.

    Raises:
        InvalidInput: it is packed with Zstandard, and no library is there that can read it.
    """
    mark = file.peek(_LONGEST_MARK)[:_LONGEST_MARK]
    if mark.startswith(_GZIP):
        return cast("io.BufferedReader", gzip.GzipFile(fileobj=file))
    if mark == _ZSTANDARD:
        return _zstandard(file, name)
    return file


def damages() -> tuple[type[Exception], ...]:
    """What reading a packed file raises if it is damaged."""
    found: list[type[Exception]] = [EOFError, gzip.BadGzipFile, zlib.error]
    for module, error in (("compression.zstd", "ZstdError"), ("zstandard", "ZstdError")):
        try:
            found.append(getattr(import_module(module), error))
        except ImportError:
            continue
    return tuple(found)


def _zstandard(file: io.BufferedReader, name: str) -> io.BufferedReader:
    try:
        return io.BufferedReader(import_module("compression.zstd").ZstdFile(file))  # of Python 3.14
    except ImportError:
        pass
    try:
        reader = import_module("zstandard").ZstdDecompressor().stream_reader(file, read_across_frames=True)
    except ImportError:
        raise InvalidInput(f"{name} is packed with Zstandard: unpack it, or install the package zstandard") from None
    return io.BufferedReader(reader)
