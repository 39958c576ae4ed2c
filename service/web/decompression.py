"""Decompression of request bodies, piece by piece, so that a small body never becomes a huge one at once."""

from __future__ import annotations

import zlib
from importlib.util import find_spec
from typing import Any, Protocol

PIECE_BYTES = 1 << 20
"""Pieces have about so many bytes, and never more than twice as many."""
_WINDOW_BITS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
_ZSTANDARD = b"zstd"
_WINDOW_BYTES = 8 << 20
"""What a body in Zstandard may have its decoder remember: RFC 9659."""
_SLICE_BYTES = 64
"""Bytes of Zstandard that are decompressed in one call, whose result has no limit: a block of up to 128 KiB takes four,
so these become 2 MiB at most."""


class Decompressor(Protocol):
    """Decompresses one body."""

    @property
    def is_whole(self) -> bool:
        """Whether the end of what was compressed has come."""

    def next_piece(self, compressed: bytes) -> tuple[bytes, bytes]:
        """About a piece of what bytes become, and those that are left for the next call.

        Raises:
            ValueError: they are not compressed so, or go on after the end.
        """


def decompressor_of(content_encoding: bytes) -> Decompressor | None:
    """What decompresses a body of a supported `Content-Encoding`; None if it is not compressed."""
    if content_encoding in _WINDOW_BITS:
        return _Zlib(_WINDOW_BITS[content_encoding])
    return _Zstandard() if content_encoding == _ZSTANDARD else None


def supported_encodings() -> str:
    """The encodings of bodies that can be read, as a header names them."""
    return "gzip, deflate, zstd" if _has_zstandard() else "gzip, deflate"


def unsupported(content_encoding: bytes) -> str | None:
    """Why a body of that `Content-Encoding` cannot be read; None if it can."""
    if content_encoding in (b"", b"identity") or content_encoding in _WINDOW_BITS:
        return None
    if content_encoding != _ZSTANDARD:
        known = supported_encodings()
        return f"the Content-Encoding of the body must be one of {known}, or none, got {content_encoding!r}"
    if not _has_zstandard():
        known = supported_encodings()
        return f"to read bodies in zstd, the service needs the package zstandard (nearbit[tables]); it reads {known}"
    return None


def _has_zstandard() -> bool:
    return find_spec("zstandard") is not None


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._object = zlib.decompressobj(window_bits)

    @property
    def is_whole(self) -> bool:
        return self._object.eof

    def next_piece(self, compressed: bytes) -> tuple[bytes, bytes]:
        try:
            piece = self._object.decompress(compressed, PIECE_BYTES)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        if self._object.unused_data:
            raise ValueError(_MORE)
        return piece, self._object.unconsumed_tail


class _Zstandard:
    def __init__(self) -> None:
        import zstandard  # of an extra

        self._error: type[Exception] = zstandard.ZstdError
        self._object: Any = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).decompressobj()

    @property
    def is_whole(self) -> bool:
        return bool(self._object.eof)

    def next_piece(self, compressed: bytes) -> tuple[bytes, bytes]:
        found, start, n_bytes = [], 0, 0
        while start < len(compressed) and n_bytes < PIECE_BYTES:
            if self.is_whole:
                raise ValueError(_MORE)
            try:
                found.append(self._object.decompress(compressed[start : start + _SLICE_BYTES]))
            except self._error as error:
                raise ValueError(str(error)) from None
            if self._object.unused_data:
                raise ValueError(_MORE)
            start += _SLICE_BYTES
            n_bytes += len(found[-1])
        return b"".join(found), compressed[start:]


_MORE = "it must be one piece, there is more after its end"
