"""Limits on request bodies: a body is counted, and decompressed where it is compressed, up to the size that is allowed.

FastAPI's own `max_body_size` does not replace this. Its 413 does not name the limit, which clients need in order to
send smaller batches, and it refuses a long body when an endpoint reads it, not by its head. The decompression must
stop at the limit by itself anyway.
"""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from service.web.decompression import PIECE_BYTES, Decompressor, decompressor_of


def limit_body(receive: Receive, content_encoding: bytes, max_bytes: int) -> Receive:
    """A `receive` that decompresses the body and raises HTTPException (413) once it is too large.

    Args:
        receive: gives the body as the client sent it.
        content_encoding: how the body is compressed; a supported encoding.
        max_bytes: limit of the body, both as it was sent and decompressed.
    """
    counting = _count_body(receive, max_bytes)
    decompressor = decompressor_of(content_encoding)
    return counting if decompressor is None else _DecompressingReceive(counting, decompressor, max_bytes)


def _count_body(receive: Receive, max_bytes: int) -> Receive:
    n_bytes = 0

    async def counting() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > max_bytes:
            raise _too_large(max_bytes)
        return message

    return counting


class _DecompressingReceive:
    """Decompresses a body piece by piece, so that a small body that expands into a huge one is refused on the way."""

    def __init__(self, receive: Receive, decompressor: Decompressor, max_bytes: int) -> None:
        self._receive = receive
        self._decompressor = decompressor
        self._max_bytes = max_bytes
        self._compressed = b""
        self._more_to_come = True
        self._n_compressed = self._n_decompressed = 0
        self._ended = False

    async def __call__(self) -> Message:
        """The next piece of the decompressed body; after the last piece, the next message of the server."""
        if self._ended:
            return await self._receive()
        if not self._compressed and self._more_to_come:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._compressed = message.get("body", b"")
            self._more_to_come = message.get("more_body", False)
            self._n_compressed += len(self._compressed)
        piece = self._next_piece()
        self._n_decompressed += len(piece)
        if self._n_decompressed > self._max_bytes:
            raise _too_large(self._max_bytes)
        if len(piece) >= PIECE_BYTES:
            await asyncio.sleep(0)  # let other requests run between two pieces
        elif not self._compressed and not self._more_to_come:
            self._ended = True
            if self._n_compressed and not self._decompressor.is_whole:
                raise HTTPException(400, "the compressed body must be whole, it is cut short")
        return {"type": "http.request", "body": piece, "more_body": not self._ended}

    def _next_piece(self) -> bytes:
        try:
            piece, self._compressed = self._decompressor.next_piece(self._compressed)
        except ValueError as error:
            raise HTTPException(400, f"the body must be as its Content-Encoding says: {error}") from None
        return piece


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"the body must be at most {max_bytes} bytes")
