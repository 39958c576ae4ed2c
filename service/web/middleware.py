"""The outermost layer of every request: its id, limits, log line, count, and an answer if all else fails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from time import perf_counter
from urllib.parse import unquote_to_bytes, urlsplit
from uuid import uuid4

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.config import LOOPBACK
from service.errors import InvalidInput
from service.web.auth import OPEN_PATHS, Keys, refusal
from service.web.metrics import RequestMetrics
from service.web.problems import from_anything, from_error, problem
from service.web.request_body import SUPPORTED_CODINGS, bounded, is_supported

log = structlog.get_logger(__name__)

MAX_URL_BYTES = 65_535
"""A longer URL is one that servers and clients cannot take apart."""
LONG_URL = "nearbit.long_url"
"""Extension in the scope of a request whose URL was longer, and is cut: its length in bytes."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class RequestMiddleware:
    """ASGI middleware: one pass over what every request needs, so that a short one stays short.

    Whatever can be refused by its head is refused before the body is read.

    Args:
        app: what answers.
        metrics: counts requests.
        keys: who is answered; without any, only requests whose Host and Origin are this machine are. A page of the web
            that a browser on this machine shows could otherwise reach a service without a key, by a name that resolves
            to 127.0.0.1.
        max_body_bytes: larger bodies get 413.
    """

    def __init__(self, app: ASGIApp, metrics: RequestMetrics, keys: Keys, max_body_bytes: int) -> None:
        self.app = app
        self.metrics = metrics
        self.keys = keys
        self.max_body_bytes = max_body_bytes

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
        method = scope["method"]
        if method == "HEAD":  # as GET is answered, without the body; the server keeps its own scope
            scope = {**scope, "method": "GET"}
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            elif method == "HEAD":
                message["body"] = b""
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=scope["state"]["request_id"])  # of this request's own task
        try:
            answer = self._refusal(scope, headers) or self.app
            await answer(scope, self._bounded(headers, receive), send_with_id)
        except Exception as error:  # a defect of ours: the last place where it can become an answer
            if status:
                raise
            await from_anything(Request(scope), error)(scope, receive, send_with_id)
        finally:
            self._record(scope, method, status, perf_counter() - began)

    def _refusal(self, scope: Scope, headers: Mapping[bytes, bytes]) -> ASGIApp | None:
        """The answer to a request that its head alone condemns."""
        authorization = headers.get(b"authorization", b"")
        granted = scope["state"]["scopes"] = self.keys.scopes(authorization)
        if not granted and scope["path"] not in OPEN_PATHS:
            return from_error(Request(scope), refusal(authorization))
        if not self.keys and (refused := self._from_elsewhere(scope, headers)):
            return refused
        if (n_bytes := scope.get("extensions", {}).get(LONG_URL)) is not None:
            detail = f"the URL must be at most {MAX_URL_BYTES} bytes, got {n_bytes}: POST takes long texts in its body"
            return problem(Request(scope), 414, detail)
        if "\ufffd" in scope["path"] and not _is_utf8(unquote_to_bytes(scope["raw_path"])):
            return from_error(Request(scope), InvalidInput("the path must be UTF-8, percent-encoded"))
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.max_body_bytes:
            detail = f"the body must be at most {self.max_body_bytes} bytes, got {int(length)}"
            return problem(Request(scope), 413, detail)
        if not is_supported(coding := _coding(headers)):
            detail = f"the Content-Encoding of the body must be one of {SUPPORTED_CODINGS}, or none, got {coding!r}"
            return problem(Request(scope), 415, detail, headers={"Accept-Encoding": SUPPORTED_CODINGS})
        return None

    def _from_elsewhere(self, scope: Scope, headers: Mapping[bytes, bytes]) -> ASGIApp | None:
        if _host(b"//" + headers.get(b"host", b"")) not in LOOPBACK:
            detail = "without an admin key the service answers under localhost and 127.0.0.1 only"
            return problem(Request(scope), 421, detail)
        if b"origin" in headers and _host(headers[b"origin"]) not in LOOPBACK:
            return problem(Request(scope), 403, "without an admin key the service answers pages of this machine only")
        return None

    def _bounded(self, headers: Mapping[bytes, bytes], receive: Receive) -> Receive:
        """`receive` for a plain body of declared length; a chunked or compressed one is counted as it comes."""
        if b"transfer-encoding" not in headers and b"content-encoding" not in headers:
            return receive
        return bounded(receive, _coding(headers), self.max_body_bytes)

    def _record(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else "other"
        route = _route(scope)
        self.metrics.observe(method, route, status, seconds)
        # A line takes longer to write than a query to answer: reads that went well are for the metrics.
        write = log.debug if (method == "GET" and status < 400) or scope["path"] in _QUIET else log.info
        write("request", method=method, path=scope["path"], status=status, ms=round(seconds * 1e3, 2))


def _route(scope: Scope) -> str:
    """The template of the route that answered, `none` if there was none."""
    return str(getattr(scope.get("route"), "path", "none"))


def _coding(headers: Mapping[bytes, bytes]) -> bytes:
    return headers.get(b"content-encoding", b"").strip().lower()


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _host(url: bytes) -> str | None:
    try:
        return urlsplit(url.decode("ascii")).hostname
    except ValueError:
        return None
