"""A route that checks the key's scope and the query parameters before it reads the body."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping
from difflib import get_close_matches
from typing import Any, get_type_hints
from urllib.parse import unquote_plus

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access.access import Access
from service.access.caller import Caller
from service.store.keys import KeyScope
from service.web.auth import is_open, needed_by
from service.web.idempotency import OPENAPI_PARAMETER, answering_once, is_idempotent

SECURITY_SCHEME = "key"
"""The name of the bearer scheme in the OpenAPI document."""

_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "k": ("n", "top_k", "topk", "top", "limit", "size", "count", "n_results", "num_results", "max_results"),
    "q": ("query", "text", "search", "content", "input"),
    "limit": ("n", "k", "top_k", "size", "page_size", "per_page", "count", "max_results"),
    "cursor": ("next", "next_cursor", "page", "page_token", "offset", "after", "start", "skip"),
    "fields": ("field", "include", "select", "columns"),
    "radius": ("distance", "max_distance", "within", "threshold"),
    "rerank": ("re_rank", "reranker", "rank"),
    "at_least_seq": ("seq", "min_seq", "since"),
}
"""Names that other services have for the same parameters."""


class GuardedRoute(APIRoute):
    """A route whose endpoint has a scope, set with `needs`; query parameters that it does not know are errors.

    Routes of open paths need no scope and accept any query parameter, since health checks may add some.

    Raises:
        TypeError: the endpoint has no scope.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        needed = needed_by(endpoint)
        if needed is None and not is_open(path):
            raise TypeError(f"the endpoint of {path} must have a scope, set with @needs(...)")
        extra = options.pop("openapi_extra", None) or {}
        if is_idempotent(endpoint):
            extra = {**extra, "parameters": [*extra.get("parameters", ()), OPENAPI_PARAMETER]}
        super().__init__(path, endpoint, openapi_extra={**extra, **security(needed)}, **options)
        self.needs = needed
        self.load = getattr(endpoint, "load", None)
        self.for_limited_keys = getattr(endpoint, "for_limited_keys", False)
        self.query_names = frozenset(
            [field.alias for of in (self.dependant, *self.dependant.dependencies) for field in of.query_params]
            + [parameter["name"] for parameter in extra.get("parameters", ()) if parameter["in"] == "query"]
        )

        if _is_direct(endpoint):
            self.app = _direct_app(endpoint)
        if is_idempotent(endpoint):
            self.app = answering_once(self.app, endpoint)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What makes the response: the endpoint itself if it takes and gives just that, else FastAPI around it."""
        return self.endpoint if _is_direct(self.endpoint) else super().get_route_handler()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that matched the path.

        Raises:
            Forbidden: its key does not allow the scope.
            CollectionForbidden: its key is for other collections.
            KeyLimitReached, Overloaded: it is one too many of its kind.
            RequestValidationError: it has a query parameter that this route does not have.
        """
        if self.needs is None or scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        caller: Caller = scope["state"]["caller"]
        if self.needs != "read":  # the middleware has checked that the key is valid, which is all that reading needs
            caller.check_scope(self.needs)
        if caller.collections is not None and not self.for_limited_keys:
            caller.check_collection(scope["path_params"].get("collection"))
        if scope["query_string"]:
            check_query(scope["query_string"], self.query_names)
        if self.load is None:
            await super().handle(scope, receive, send)
            return
        access: Access = scope["app"].state.access
        with access.running(self.load, caller):
            await super().handle(scope, receive, send)


def _is_direct(endpoint: Callable[..., Any]) -> bool:
    """Whether an endpoint takes the request and gives the response: then FastAPI has nothing to prepare for it."""
    return get_type_hints(endpoint) == {"request": Request, "return": Response}


def _direct_app(endpoint: Callable[[Request], Coroutine[Any, Any, Response]]) -> ASGIApp:
    """The app of such an endpoint, without what FastAPI opens and closes around each call for dependencies and files.

    Errors become problems in the app's own layer for them, one for all routes.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return app


def security(needed: KeyScope | None) -> dict[str, Any]:
    """The `openapi_extra` of a call that needs a key of that scope."""
    return {} if needed is None else {"security": [{SECURITY_SCHEME: [needed]}]}


def check_query(query: bytes, known: Collection[str]) -> None:
    """Refuse a query string with an unknown parameter, and suggest the one that was probably meant.

    Raises:
        RequestValidationError: there is one.
    """
    names = [pair.partition(b"=")[0] for pair in query.split(b"&") if pair]
    unknown = [name for raw in names if (name := unquote_plus(raw.decode("latin-1"))) not in known]
    if unknown:
        raise RequestValidationError([_fault(name, known) for name in dict.fromkeys(unknown[:10])])


def _fault(name: str, known: Collection[str]) -> dict[str, Any]:
    suggestion = _nearest(name, known)
    hint = f", did you mean {suggestion}?" if suggestion else "."
    rule = f"is no parameter of this call{hint} It takes {', '.join(sorted(known)) or 'none'}"
    return {"type": "unknown_parameter", "loc": ("query", name[:80]), "msg": rule}


def _nearest(name: str, known: Collection[str]) -> str | None:
    """The known parameter that was probably meant: by the name that others have for it, else by its spelling."""
    plain = name.strip().lower().replace("-", "_")
    for ours, theirs in _OTHER_NAMES.items():
        if ours in known and plain in theirs:
            return ours
    return next(iter(get_close_matches(plain, known, n=1, cutoff=0.5)), None)
