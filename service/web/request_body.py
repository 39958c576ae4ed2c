"""Bodies as they come in: counted, and decoded where they are compressed, never more of them than is allowed."""

from __future__ import annotations

import asyncio
import zlib

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

_WINDOW_BITS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
SUPPORTED_CODINGS = "gzip, deflate"
_PIECE_BYTES = 1 << 20


def is_supported(coding: bytes) -> bool:
    """Whether a body of that `Content-Encoding` can be read."""
    return coding in _WINDOW_BITS or coding in (b"", b"identity")


def bounded(receive: Receive, coding: bytes, max_bytes: int) -> Receive:
    """`receive` of a request, which raises HTTPException (413) once the body is larger, as it came or decoded.

    Args:
        receive: gives the body as it came.
        coding: its `Content-Encoding`, a supported one.
        max_bytes: the limit.
    """
    counted = _counted(receive, max_bytes)
    return _Decoded(counted, _WINDOW_BITS[coding], max_bytes) if coding in _WINDOW_BITS else counted


def _counted(receive: Receive, max_bytes: int) -> Receive:
    n_bytes = 0

    async def counting() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > max_bytes:
            raise _too_large(max_bytes)
        return message

    return counting


class _Decoded:
    """`receive` that decodes a body piece by piece: a small body that unfolds into a huge one is refused on the way."""

    def __init__(self, receive: Receive, window_bits: int, max_bytes: int) -> None:
        self._receive = receive
        self._decoder = zlib.decompressobj(window_bits)
        self._max_bytes = max_bytes
        self._encoded = b""
        self._more_to_come = True
        self._n_encoded = self._n_decoded = 0
        self._ended = False

    async def __call__(self) -> Message:
        """The next piece of the decoded body; after the last, what the server says."""
        if self._ended:
            return await self._receive()
        if not self._encoded and self._more_to_come:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._encoded = message.get("body", b"")
            self._more_to_come = message.get("more_body", False)
            self._n_encoded += len(self._encoded)
        piece = self._next_piece()
        self._n_decoded += len(piece)
        if self._n_decoded > self._max_bytes:
            raise _too_large(self._max_bytes)
        if len(piece) == _PIECE_BYTES:
            await asyncio.sleep(0)  # other requests are served between two pieces
        elif not self._encoded and not self._more_to_come:
            self._ended = True
            if self._n_encoded and not self._decoder.eof:
                raise HTTPException(400, "the compressed body must be whole, it is cut short")
        return {"type": "http.request", "body": piece, "more_body": not self._ended}

    def _next_piece(self) -> bytes:
        try:
            piece = self._decoder.decompress(self._encoded, _PIECE_BYTES)
        except zlib.error as error:
            raise HTTPException(400, f"the body must be as its Content-Encoding says: {error}") from None
        self._encoded = self._decoder.unconsumed_tail
        if self._decoder.unused_data:
            raise HTTPException(400, "the compressed body must be one piece, there is more after its end")
        return piece


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"the body must be at most {max_bytes} bytes")
