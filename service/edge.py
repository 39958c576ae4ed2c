"""The outermost layer of every request: its id, limits, log line, count, and an answer if all else fails."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from time import perf_counter
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.config import LOOPBACK
from service.metrics import RequestMetrics
from service.problems import from_anything, problem

log = structlog.get_logger(__name__)

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class Edge:
    """ASGI middleware: one pass over what every request needs, so that a short one stays short.

    Args:
        app: what answers.
        metrics: counts requests.
        max_body_bytes: larger bodies get 413.
        loopback_only: refuse requests whose Host or Origin is not this machine. A page of the web that a browser on
            this machine shows could otherwise reach a service without a key, by a name that resolves to 127.0.0.1.
    """

    def __init__(self, app: ASGIApp, metrics: RequestMetrics, max_body_bytes: int, loopback_only: bool) -> None:
        self.app = app
        self.metrics = metrics
        self.max_body_bytes = max_body_bytes
        self.loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on what is none."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex.encode("ascii")
        scope.setdefault("state", {})["request_id"] = request_id.decode("ascii")
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=scope["state"]["request_id"])  # of this request's own task
        try:
            await self._checked(headers)(scope, self._limited(headers, receive), send_with_id)
        except Exception as error:  # a defect of ours: the last place where it can become an answer
            if status:
                raise
            await from_anything(Request(scope), error)(scope, receive, send_with_id)
        finally:
            self._record(scope, status, perf_counter() - began)

    def _checked(self, headers: MutableMapping[bytes, bytes]) -> ASGIApp:
        """What answers: the app, or a refusal."""
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.max_body_bytes:
            return self._refusal(413, f"the body must be at most {self.max_body_bytes} bytes, got {int(length)}")
        if self.loopback_only:
            host = _host(b"//" + headers.get(b"host", b""))
            if host not in LOOPBACK:
                return self._refusal(421, "without an admin key the service answers under localhost and 127.0.0.1 only")
            if b"origin" in headers and _host(headers[b"origin"]) not in LOOPBACK:
                return self._refusal(403, "without an admin key the service answers pages of this machine only")
        return self.app

    def _refusal(self, status: int, detail: str) -> ASGIApp:
        async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
            await problem(Request(scope), status, detail)(scope, receive, send)

        return refuse

    def _limited(self, headers: MutableMapping[bytes, bytes], receive: Receive) -> Receive:
        """`receive` for a body of declared length; a chunked one is counted as it comes."""
        if b"transfer-encoding" not in headers:
            return receive
        n_bytes = 0

        async def counting() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self.max_body_bytes:
                raise HTTPException(413, f"the body must be at most {self.max_body_bytes} bytes")
            return message

        return counting

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = _route(scope)
        self.metrics.observe(method, route, status, seconds)
        # A line takes longer to write than a query to answer: reads that went well are for the metrics.
        write = log.debug if (method == "GET" and status < 400) or scope["path"] in _QUIET else log.info
        write("request", method=method, path=scope["path"], status=status, ms=round(seconds * 1e3, 2))


def _route(scope: Scope) -> str:
    """The template of the route that answered, `none` if there was none."""
    return str(getattr(scope.get("route"), "path", "none"))


def _host(url: bytes) -> str | None:
    try:
        return urlsplit(url.decode("ascii")).hostname
    except ValueError:
        return None
