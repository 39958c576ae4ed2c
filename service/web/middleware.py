"""The outermost layer of every request: its id, its limits, its log line, its metrics, and a 500 if all else fails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from math import ceil
from secrets import token_hex
from time import perf_counter
from urllib.parse import unquote_to_bytes, urlsplit

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.access import Access
from service.access.caller import ANYONE, NOBODY, Caller
from service.config import LOOPBACK, Settings
from service.errors import InvalidInput, NearbitError, TooManyWrongKeys
from service.store.audit import AuditedCall
from service.web.auth import is_open, key_of, refusal
from service.web.body_limits import limit_body
from service.web.decompression import supported_encodings, unsupported
from service.web.metrics import RequestMetrics
from service.web.problems import CALLER_LEFT, from_anything, from_error, problem

log = structlog.get_logger(__name__)

MAX_URL_BYTES = 65_535
"""Servers and clients cannot parse a longer URL."""
LONG_URL = "nearbit.long_url"
"""Extension in the scope of a request whose URL was longer and was cut: the length of the whole URL in bytes."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_ID_BYTES = 16
_IMPORT = re.compile(r"/v1/collections/[^/]+/import")
_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"})
_HOSTS = 32
"""Values of Host and Origin that are remembered: clients of one machine send few."""
_MOST_AUDITED = 2_000
"""Characters of a path that are kept."""
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked all the time by what watches the service: no log lines, and answered however much there is to do."""


class RequestMiddleware:
    """ASGI middleware for what every request needs, in one layer because each further layer costs a short query time.

    A request that its head alone condemns is refused before the body is read.

    Args:
        app: the app behind it.
        metrics: counts requests.
        access: whose requests are served. Without any key, only requests whose Host and Origin are this machine are:
            otherwise any web page, opened in a browser on this machine, could reach the service by a host name that
            resolves to 127.0.0.1.
        settings: larger bodies than its `max_body_bytes` get 413: `body_limits` says why not by FastAPI's own limit;
            those of an import, never held as a whole, than its `max_import_bytes`. `root_path` is where a proxy shows
            the service; pages of `cors_origins` are served without a key too.
    """

    def __init__(self, app: ASGIApp, metrics: RequestMetrics, access: Access, settings: Settings) -> None:
        self.app = app
        self.metrics = metrics
        self.access = access
        self.max_body_bytes = settings.max_body_bytes
        self.max_import_bytes = settings.max_import_bytes
        self.root_path = settings.root_path
        self.origins = frozenset(origin.encode("ascii", "ignore") for origin in settings.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; pass on what is not one."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        sent_id = headers.get(b"x-request-id", b"")
        request_id = sent_id if _REQUEST_ID.fullmatch(sent_id) else token_hex(_ID_BYTES).encode("ascii")
        scope.setdefault("state", {})["request_id"] = request_id.decode("ascii")
        if self.root_path is not None:
            _put_under(scope, self.root_path)
        method = scope["method"]
        if method == "HEAD":  # served as GET, without the body; the server keeps its own scope
            scope = {**scope, "method": "GET"}
            scope["state"]["is_head"] = True  # for what would work long on a body that nobody gets
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
            app = await self._refusal_of_caller(scope, headers) or self._refusal(scope, headers) or self.app
            await app(scope, self._limited(scope, headers, receive), send_with_id)
        except ClientDisconnect:  # while its body was read: nobody is there for a response
            await Response(status_code=CALLER_LEFT)(scope, receive, send_with_id)
        except Exception as error:  # a defect of ours: the last place where it can become a response
            if status:
                raise
            await from_anything(Request(scope), error)(scope, receive, send_with_id)
        finally:
            self._record(scope, method, status, perf_counter() - began)

    async def _refusal_of_caller(self, scope: Scope, headers: Mapping[bytes, bytes]) -> ASGIApp | None:
        """The response to a request whose caller is not known, or may not ask now; notes the caller of any other."""
        key = key_of(headers.get(b"authorization", b""))
        caller = self.access.keyring.caller(key)
        try:
            is_told = caller is not None and not caller.is_guessable
            wait_s = 0.0 if is_told or not key else self.access.wrong_keys.wait_s(_address(scope))
            if caller is None or wait_s:
                caller = await self._caller(scope, key, wait_s)
            if caller.allowance is not None and not is_open(_path(scope)):
                caller.allowance.take_request()
        except NearbitError as error:
            scope["state"]["caller"] = NOBODY
            return from_error(Request(scope), error)
        scope["state"]["caller"] = caller
        return None

    async def _caller(self, scope: Scope, key: bytes, wait_s: float) -> Caller:
        """The caller with a key that is not known, or is not looked at for `wait_s` seconds.

        Raises:
            TooManyWrongKeys: keys from its address are not looked at.
            Unauthorized: the path needs a valid key, and the key is not.
        """
        path_is_open = is_open(_path(scope))
        if key:
            if not wait_s and (caller := await self.access.look_up(key)) is not None:
                return caller
            self.metrics.count_wrong_key(slowed=wait_s > 0)
            if not wait_s:
                self.access.wrong_keys.count(_address(scope))
            elif not path_is_open:
                raise TooManyWrongKeys(ceil(wait_s))
        if path_is_open:
            return NOBODY
        raise refusal(key)

    def _refusal(self, scope: Scope, headers: Mapping[bytes, bytes]) -> ASGIApp | None:
        """The response to a request that its head alone condemns, if it does."""
        if scope["state"]["caller"] is ANYONE and (refused := self._refusal_of_other_machines(scope, headers)):
            return refused
        if (n_bytes := scope.get("extensions", {}).get(LONG_URL)) is not None:
            detail = f"the URL must be at most {MAX_URL_BYTES} bytes, got {n_bytes}: POST takes long texts in its body"
            return problem(Request(scope), 414, detail)
        if "\ufffd" in scope["path"] and not _is_utf8(unquote_to_bytes(scope["raw_path"])):
            return from_error(Request(scope), InvalidInput("the path must be UTF-8, percent-encoded"))
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.max_body_bytes and int(length) > self._max_bytes(scope):
            detail = f"the body must be at most {self._max_bytes(scope)} bytes, got {int(length)}"
            return problem(Request(scope), 413, detail)
        if (reason := unsupported(_content_encoding(headers))) is not None:
            return problem(Request(scope), 415, reason, headers={"Accept-Encoding": supported_encodings()})
        return None

    def _refusal_of_other_machines(self, scope: Scope, headers: Mapping[bytes, bytes]) -> ASGIApp | None:
        if _host(b"//" + headers.get(b"host", b"")) not in LOOPBACK:
            detail = "without an admin key the service can be reached as localhost and 127.0.0.1 only"
            return problem(Request(scope), 421, detail)
        origin = headers.get(b"origin")
        if origin is not None and origin not in self.origins and _host(origin) not in LOOPBACK:
            return problem(Request(scope), 403, "without an admin key the service serves pages of this machine only")
        return None

    def _max_bytes(self, scope: Scope) -> int:
        is_import = scope["method"] == "POST" and _IMPORT.fullmatch(scope["path"])
        return self.max_import_bytes if is_import else self.max_body_bytes

    def _limited(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> Receive:
        """A `receive` with the limit; the length of a plain body that is not chunked was checked by its header."""
        if b"transfer-encoding" not in headers and b"content-encoding" not in headers:
            return receive
        return limit_body(receive, _content_encoding(headers), self._max_bytes(scope))

    def _record(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else "other"
        route = _route(scope)
        self.metrics.observe(method, route, status, seconds)
        # To write a line takes longer than a short query: reads without an error are only counted in the metrics.
        write = log.debug if (method == "GET" and status < 400) or _path(scope) in QUIET_PATHS else log.info
        write("request", method=method, path=scope["path"], status=status, ms=round(seconds * 1e3, 2))
        if getattr(scope.get("route"), "needs", None) == "admin":
            self.access.audit_log.add(_audited(scope, method, route, status))


def _audited(scope: Scope, method: str, route: str, status: int) -> AuditedCall:
    state = scope["state"]
    return AuditedCall(
        at=datetime.now(UTC),
        key_id=state["caller"].key_id,
        key_name=state["caller"].name,
        address=_address(scope) or None,
        method=method,
        route=route,
        path=scope["path"][:_MOST_AUDITED].replace("\0", "\ufffd"),
        collection=scope.get("path_params", {}).get("collection", "")[:_MOST_AUDITED].replace("\0", "\ufffd") or None,
        status=status,
        request_id=state["request_id"],
    )


def _address(scope: Scope) -> str:
    """The address of the client; empty for one of a Unix socket."""
    client = scope.get("client")
    return "" if client is None else str(client[0])


def _path(scope: Scope) -> str:
    """The path below that of a proxy."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _put_under(scope: Scope, root_path: str) -> None:
    """Have a path begin with that of a proxy, as routes expect it, whether the proxy removed it or not."""
    scope["root_path"] = root_path
    if not scope["path"].startswith(f"{root_path}/"):
        scope["path"] = root_path + scope["path"]
        scope["raw_path"] = root_path.encode("ascii") + scope.get("raw_path", b"")


def _route(scope: Scope) -> str:
    """The template of the route that served the request, `none` if there was none."""
    return str(getattr(scope.get("route"), "path", "none"))


def _content_encoding(headers: Mapping[bytes, bytes]) -> bytes:
    return headers.get(b"content-encoding", b"").strip().lower()


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@lru_cache(_HOSTS)
def _host(url: bytes) -> str | None:
    """The host that a URL or a header names; None if none can be read."""
    try:
        return urlsplit(url.decode("ascii")).hostname
    except ValueError:
        return None
