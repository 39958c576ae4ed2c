"""Lines of JSON that are made while they are sent: as fast as the client reads them, and no longer than it does."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping

import structlog
from anyio import CancelScope, fail_after
from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from service.threads import run_in_large_thread, run_in_thread

log = structlog.get_logger(__name__)

NDJSON = "application/x-ndjson"
SLOWEST_READ_S = 60.0
"""Seconds in which a client must take a part of about a megabyte; a slower one is cut off."""
_GZIP_LEVEL, _GZIP_WINDOW = 3, 31
_PART_BYTES = 64 << 10


class NdjsonResponse(Response):
    """A stream of lines. What cannot be sent to its end breaks off, so that no client takes a part for the whole.

    Args:
        request: tells whether the client accepts gzip, wants the head only, and is still there.
        next_lines: the next lines, empty after the last; it is called in a thread.
        close: called in a thread when the response ends in any way.
        limit_s: most seconds for all of it.
        headers: further ones.
    """

    media_type = NDJSON

    def __init__(
        self,
        request: Request,
        next_lines: Callable[[], bytes],
        close: Callable[[], None],
        limit_s: float,
        headers: Mapping[str, str],
    ) -> None:
        self._request, self._next_lines, self._close, self._limit_s = request, next_lines, close, limit_s
        self._gzip = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW) if _accepts_gzip(request) else None
        encoding = {} if self._gzip is None else {"content-encoding": "gzip"}
        super().__init__(None, 200, {"vary": "Accept-Encoding", **encoding, **headers})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if self._request.scope["state"].get("is_head") or await self._send_lines(send):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            with CancelScope(shield=True):
                await run_in_thread(self._close)

    async def _send_lines(self, send: Send) -> bool:
        """Whether all lines were sent."""
        began = time.monotonic()
        while True:
            body, is_last = await run_in_large_thread(self._next_body)
            try:
                with fail_after(SLOWEST_READ_S):
                    for start in range(0, len(body), _PART_BYTES):
                        piece = body[start : start + _PART_BYTES]
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            except TimeoutError:
                log.warning("client reads too slowly, cut off", seconds=SLOWEST_READ_S)
                return False
            if is_last:
                return True
            if await self._request.is_disconnected():
                log.info("client left")
                return False
            if time.monotonic() - began > self._limit_s:
                log.warning("stream took too long, cut off", seconds=self._limit_s)
                return False

    def _next_body(self) -> tuple[bytes, bool]:
        """What to send next, and whether it is the last."""
        lines = self._next_lines()
        if self._gzip is None:
            return lines, not lines
        return (self._gzip.compress(lines), False) if lines else (self._gzip.flush(), True)


def _accepts_gzip(request: Request) -> bool:
    """Whether a client names gzip among the encodings that it accepts."""
    for one in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, parameters = one.partition(";")
        if name.strip() == "gzip":
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
