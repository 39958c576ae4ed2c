"""HTTP/1.1 as uvicorn reads it, with problem details also for the requests that never reach the app."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from uuid import uuid4

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.access.load import Load, overloaded
from service.web.cors import cors_headers
from service.web.middleware import LONG_URL, MAX_URL_BYTES, QUIET_PATHS
from service.web.problems import MEDIA_TYPE, URN, slug_of, title_of

LOAD = "load"
"""In the state of the app's lifespan: its `Load`."""
ORIGINS = "origins"
"""In the same: those whose pages may call."""
STOP_STREAMS = "stop_streams"
"""In the same place: what ends the answers that go on as long as something happens; it may be called often."""
_IS_COUNTED = "is_counted"
_QUIET = tuple(path.encode("ascii") for path in QUIET_PATHS)
_PROGRESS_S = 30.0
_LEAST_BYTES = 30_000
"""A head must come within so many seconds, and in each such time at least so many bytes of a body that is not whole."""


class HttpProtocol(HttpToolsProtocol):
    """Responds with problem details to a URL that is too long to parse (414), to what is not HTTP (400), and to what
    comes too slowly (408).

    Requests beyond what the process takes on (503) are refused here, without a task for each: with all that a request
    takes to reach the app, a process that is asked for three times what it can do would only refuse.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        self.progress: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self.load: Load | None = self.app_state.get(LOAD)
        self.origins: list[str] = self.app_state.get(ORIGINS, [])
        if self.load is not None:
            self.app = _counted(self.app, self.load)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.n_received = 0
        self._watch_progress()
        self.n_url_bytes = 0
        self.is_refused = False

    def on_url(self, url: bytes) -> None:
        """A part of the URL has come; only the beginning of a URL that is too long is kept."""
        self.url += url[: MAX_URL_BYTES - len(self.url)]
        self.n_url_bytes += len(url)

    def on_headers_complete(self) -> None:
        """The head is complete: pass the request on, with a mark if its URL is too long, or refuse it."""
        self.n_received = _LEAST_BYTES  # the body has the time to the next look, and from then on its own
        if self.load is not None and not self._is_let_in(self.load):
            self.is_refused = True
            if self.expect_100_continue:  # its body comes when it is told to send it
                self._refuse(closes=True)
            return
        if self.n_url_bytes > MAX_URL_BYTES:
            path, mark, _ = self.url.partition(b"?")
            self.url = path if mark else b"/"
            self.scope["extensions"] = {LONG_URL: self.n_url_bytes}  # type: ignore[dict-item]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body has come."""
        self.n_received += len(body)
        if not self.is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._forget_progress()
        if not self.is_refused:
            super().on_message_complete()
        elif not self.transport.is_closing():
            keeps = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
            self._refuse(closes=not keeps)

    def shutdown(self) -> None:
        """The server is to stop: what would go on for long ends now, so that it does not wait for it."""
        if (stop := self.app_state.get(STOP_STREAMS)) is not None:
            stop()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by either side."""
        self._forget_progress()
        super().connection_lost(exc)

    def _watch_progress(self) -> None:
        self._forget_progress()
        self.progress = self.loop.call_later(_PROGRESS_S, self._look_at_progress)

    def _forget_progress(self) -> None:
        if self.progress is not None:
            self.progress.cancel()
            self.progress = None

    def _look_at_progress(self) -> None:
        """Give up on a request that comes too slowly: it would hold a connection, and what is read of it, for ever."""
        if self.transport.is_closing():
            return
        if self.n_received >= _LEAST_BYTES or self.flow.read_paused:
            self.n_received = 0
            self._watch_progress()
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            detail = f"less than a byte in a millisecond came for {_PROGRESS_S:g} s"
            self._refuse_as(HTTPStatus.REQUEST_TIMEOUT, detail)
        self.transport.close()

    def _refuse_as(self, status: HTTPStatus, detail: str) -> None:
        """Respond to what is not passed on; the connection is to be closed."""
        members: dict[str, object] = {"type": "about:blank", "title": status.phrase, "detail": detail, "instance": "/"}
        self.transport.write(_problem(status, members, self._cors_headers(), closes=True))

    def send_400_response(self, msg: str) -> None:
        """Respond to what could not be read as HTTP, and close the connection."""
        self._refuse_as(HTTPStatus.BAD_REQUEST, "the request must be HTTP/1.1, with its URL percent-encoded")
        self.transport.close()

    def _is_let_in(self, load: Load) -> bool:
        """Whether the process takes the request on; one that waits behind another of its connection is not counted."""
        is_first = self.cycle is None or self.cycle.response_complete
        if not is_first or self.parser.should_upgrade():
            return True
        if load.begin():
            self.scope["state"][_IS_COUNTED] = True
            return True
        return self.url.partition(b"?")[0].endswith(_QUIET)

    def _refuse(self, *, closes: bool) -> None:
        """Respond that the process has too much to do."""
        assert self.load is not None
        self.load.n_refused += 1
        error = overloaded(self.load.most_begun)
        members: dict[str, object] = {
            "type": URN + slug_of(type(error)),
            "title": title_of(type(error)),
            "detail": str(error),
            "instance": self.url.partition(b"?")[0].decode("latin-1"),
        }
        is_head = self.parser.get_method() == b"HEAD"
        headers = {"retry-after": str(error.retry_after_s), **self._cors_headers()}
        status = HTTPStatus.SERVICE_UNAVAILABLE
        self.transport.write(_problem(status, members, headers, closes=closes, is_head=is_head))
        self.on_response_complete()
        if closes:
            self.transport.close()

    def _cors_headers(self) -> dict[str, str]:
        origin = dict(self.headers or ()).get(b"origin")
        return cors_headers(self.origins, None if origin is None else origin.decode("latin-1"))


def count_no_more(scope: Scope, load: Load) -> None:
    """Note a request whose answer goes on for long as answered: it waits, and takes nothing of what others need."""
    if scope["state"].pop(_IS_COUNTED, False):
        load.end()


def _problem(
    status: HTTPStatus, members: dict[str, object], headers: dict[str, str], *, closes: bool, is_head: bool = False
) -> bytes:
    """A whole response with a problem."""
    request_id = uuid4().hex
    body = json.dumps({**members, "status": status.value, "request_id": request_id}).encode("ascii")
    head = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {len(body)}",
        f"x-request-id: {request_id}",
    ]
    head += [f"{name}: {value}" for name, value in headers.items()]
    if closes:
        head.append("connection: close")
    return "\r\n".join([*head, "", ""]).encode("ascii") + (b"" if is_head else body)


def _counted(app: ASGIApp, load: Load) -> ASGIApp:
    """The app, with each request that was let in noted as answered at its end."""

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        finally:
            if scope["state"].get(_IS_COUNTED):
                load.end()

    return counted
