"""Arrays as a response: their bytes, one after another, sent in pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from fastapi import Response
from numpy.typing import NDArray
from starlette.types import Receive, Scope, Send

_PIECE_BYTES = 256 << 10
_MAX_NUMBER = (1 << 32) - 1
ARRAYS: dict[str, Any] = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
"""The response as OpenAPI declares it."""


class ArrayResponse(Response):
    """The bytes of arrays; each piece is sent when the connection can take it, and other requests run in between.

    Args:
        parts: little-endian arrays, or bytes.
        headers: beside those of every response.
    """

    media_type = "application/octet-stream"

    def __init__(self, parts: Sequence[NDArray[Any] | bytes], headers: Mapping[str, str]) -> None:
        self._parts = [_bytes_of(part) for part in parts]
        n_bytes = sum(part.nbytes for part in self._parts)
        super().__init__(b"", 200, {**headers, "content-length": str(n_bytes)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for part in self._parts:
            for start in range(0, part.nbytes, _PIECE_BYTES):
                piece = bytes(part[start : start + _PIECE_BYTES])
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _bytes_of(part: NDArray[Any] | bytes) -> memoryview:
    if isinstance(part, bytes):
        return memoryview(part)
    return memoryview(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)


def numbers_of(keys: NDArray[np.int64]) -> tuple[NDArray[np.uint32], int]:
    """Keys of documents, increasing, as they are sent, `(n,)` uint32, and what is to be added to each."""
    base = int(keys[0]) if len(keys) and int(keys[-1]) > _MAX_NUMBER else 0
    return (keys - base).astype("<u4"), base
