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


class HttpProtocol(HttpToolsProtocol):
    """Responds with problem details to a URL that is too long to parse (414) and to what is not HTTP (400)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        if (load := self.app_state.get(LOAD)) is not None:
            self.app = _counted(self.app, load)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.n_url_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A part of the URL has come; only the beginning of a URL that is too long is kept."""
        self.url += url[: MAX_URL_BYTES - len(self.url)]
        self.n_url_bytes += len(url)

    def on_headers_complete(self) -> None:
        """The head is complete: pass the request on, with a mark if its URL is too long, or if it is one too many."""
        load: Load | None = self.app_state.get(LOAD)
        if load is not None and (self.cycle is None or self.cycle.response_complete):  # else it may never begin
            self.scope["state"][IS_ONE_TOO_MANY] = not load.begin()
        if self.n_url_bytes > MAX_URL_BYTES:
            path, mark, _ = self.url.partition(b"?")
            self.url = path if mark else b"/"
            self.scope["extensions"] = {LONG_URL: self.n_url_bytes}  # type: ignore[dict-item]
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Respond to what could not be read as HTTP, and close the connection."""
        request_id = uuid4().hex
        body = json.dumps(
            {
                "type": "about:blank",
                "title": HTTPStatus.BAD_REQUEST.phrase,
                "status": HTTPStatus.BAD_REQUEST.value,
                "detail": "the request must be HTTP/1.1, with its URL percent-encoded",
                "instance": "/",
                "request_id": request_id,
            }
        ).encode("ascii")
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
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
