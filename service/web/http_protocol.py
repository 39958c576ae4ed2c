"""HTTP/1.1 as uvicorn reads it, with problem details also for the requests that uvicorn itself refuses."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from uuid import uuid4

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.access.load import Load
from service.web.middleware import IS_ONE_TOO_MANY, LONG_URL, MAX_URL_BYTES
from service.web.problems import MEDIA_TYPE

LOAD = "load"
"""In the state of the app's lifespan: its `Load`."""

_PROGRESS_S = 30.0
_LEAST_BYTES = 30_000
"""A head must come within so many seconds, and in each such time at least so many bytes of a body that is not whole."""


class HttpProtocol(HttpToolsProtocol):
    """Responds with problem details to a URL that is too long to parse (414), to what is not HTTP (400), and to what
    comes too slowly (408)."""

    _progress: asyncio.TimerHandle | None = None
    _n_received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        if (load := self.app_state.get(LOAD)) is not None:
            self.app = _counted(self.app, load)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.n_url_bytes = 0
        self._n_received = 0
        self._watch_progress()

    def on_url(self, url: bytes) -> None:
        """A part of the URL has come; only the beginning of a URL that is too long is kept."""
        self.url += url[: MAX_URL_BYTES - len(self.url)]
        self.n_url_bytes += len(url)

    def on_headers_complete(self) -> None:
        """The head is complete: pass the request on, with a mark if its URL is too long, or if it is one too many."""
        self._n_received = _LEAST_BYTES  # the body has the time to the next look, and from then on its own
        load: Load | None = self.app_state.get(LOAD)
        if load is not None and (self.cycle is None or self.cycle.response_complete):  # else it may never begin
            self.scope["state"][IS_ONE_TOO_MANY] = not load.begin()
        if self.n_url_bytes > MAX_URL_BYTES:
            path, mark, _ = self.url.partition(b"?")
            self.url = path if mark else b"/"
            self.scope["extensions"] = {LONG_URL: self.n_url_bytes}  # type: ignore[dict-item]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body has come."""
        self._n_received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of the request has come."""
        self._forget_progress()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by either side."""
        self._forget_progress()
        super().connection_lost(exc)

    def _watch_progress(self) -> None:
        self._forget_progress()
        self._progress = self.loop.call_later(_PROGRESS_S, self._look_at_progress)

    def _forget_progress(self) -> None:
        if self._progress is not None:
            self._progress.cancel()
            self._progress = None

    def _look_at_progress(self) -> None:
        """Give up on a request that comes too slowly: it would hold a connection, and what is read of it, for ever."""
        if self.transport.is_closing():
            return
        if self._n_received < _LEAST_BYTES and not self.flow.read_paused:
            if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
                self._refuse(
                    HTTPStatus.REQUEST_TIMEOUT, f"less than a byte in a millisecond came for {_PROGRESS_S:g} s"
                )
            else:
                self.transport.close()
            return
        self._n_received = 0
        self._watch_progress()

    def send_400_response(self, msg: str) -> None:
        """Respond to what could not be read as HTTP, and close the connection."""
        self._refuse(HTTPStatus.BAD_REQUEST, "the request must be HTTP/1.1, with its URL percent-encoded")

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Respond to what is not passed on, and close the connection."""
        request_id = uuid4().hex
        body = json.dumps(
            {
                "type": "about:blank",
                "title": status.phrase,
                "status": status.value,
                "detail": detail,
                "instance": "/",
                "request_id": request_id,
            }
        ).encode("ascii")
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"content-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\n"
            f"x-request-id: {request_id}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()


def _counted(app: ASGIApp, load: Load) -> ASGIApp:
    """The app, with each request that was let in noted as answered at its end."""

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        finally:
            if scope["state"].get(IS_ONE_TOO_MANY) is False:
                load.end()

    return counted
