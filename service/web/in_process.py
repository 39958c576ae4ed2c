"""Requests of httpx2 answered by an ASGI app in this process, on an event loop in another thread."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any
from urllib.parse import unquote

import httpx2
from starlette.types import ASGIApp, Message

_WAITING = 16
"""Pieces of a response that may wait for the caller."""


class InProcessTransport(httpx2.BaseTransport):
    """Answers requests by an app; a body travels in pieces both ways, so a long one is never in memory as a whole.

    Args:
        app: that answers.
        loop: on which it runs, in another thread.
        note_response: called with path and status of every response, before the caller has it.
    """

    def __init__(
        self, app: ASGIApp, loop: asyncio.AbstractEventLoop, note_response: Callable[[str, int], None]
    ) -> None:
        self._app = app
        self._loop = loop
        self._note_response = note_response

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The response to a request; its body may still be under way.

        Raises:
            ConnectError: the app has stopped.
        """
        if not self._loop.is_running():
            raise httpx2.ConnectError("the client is closed", request=request)
        exchange = _Exchange(self._app, request)
        task = asyncio.run_coroutine_threadsafe(exchange.run(), self._loop)
        status, headers = exchange.head.result()
        self._note_response(request.url.path, status)
        return httpx2.Response(status, headers=headers, stream=_Body(exchange, task), request=request)


class _Exchange:
    """One request and its response, on the event loop."""

    def __init__(self, app: ASGIApp, request: httpx2.Request) -> None:
        self.head: Future[tuple[int, list[tuple[bytes, bytes]]]] = Future()
        self.pieces: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._app = app
        self._url = request.url
        self._method = request.method
        self._headers = [(name.lower(), value) for name, value in request.headers.raw]
        assert isinstance(request.stream, httpx2.SyncByteStream)
        self._content = iter(request.stream)
        self._is_sent = False

    async def run(self) -> None:
        """Have the app answer."""
        try:
            await self._app(self._scope(), self._receive, self._send)
        except Exception as error:
            if not self.head.done():
                self.head.set_exception(error)
        finally:
            await self._put(None)

    def _scope(self) -> dict[str, Any]:
        raw_path, _, query = self._url.raw_path.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self._method,
            "scheme": "http",
            "path": unquote(raw_path.decode("ascii"), errors="replace"),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 80),
            "state": {},
        }

    async def _receive(self) -> Message:
        if self._is_sent:
            await asyncio.Event().wait()  # until the task ends: nobody hangs up on a call in the same process
        piece = await asyncio.to_thread(next, self._content, None)
        self._is_sent = piece is None
        return {"type": "http.request", "body": piece or b"", "more_body": not self._is_sent}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.head.set_result((message["status"], list(message["headers"])))
        elif message["type"] == "http.response.body" and (body := message.get("body")):
            await self._put(bytes(body))

    async def _put(self, piece: bytes | None) -> None:
        try:
            self.pieces.put_nowait(piece)
        except queue.Full:
            await asyncio.to_thread(self.pieces.put, piece)


class _Body(httpx2.SyncByteStream):
    """The body of a response, while it comes."""

    def __init__(self, exchange: _Exchange, task: Future[None]) -> None:
        self._exchange = exchange
        self._task = task
        self._is_read = False

    def __iter__(self) -> Iterator[bytes]:
        while (piece := self._exchange.pieces.get()) is not None:
            yield piece
        self._is_read = True

    def close(self) -> None:
        """End the answer if the caller has not read it to its end."""
        if not self._is_read:
            self._is_read = True
            self._task.cancel()
            while self._exchange.pieces.get() is not None:  # what waits for room is let through
                pass
