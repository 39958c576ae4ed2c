"""Who may do what: which paths are open, what each route needs of the key, and what a request without it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from fastapi import Request

from service.access.access import Access
from service.access.caller import Caller
from service.access.load import LoadKind
from service.errors import Unauthorized
from service.store.keys import KeyScope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/", "/ui"})
"""Served without a key: health checks need none, and the page asks for one itself."""
_OPEN_FOLDER = "/ui/"
"""Files of the page."""


def is_open(path: str) -> bool:
    """Whether a path is served without a key."""
    return path in OPEN_PATHS or path.startswith(_OPEN_FOLDER)


def refusal(key: bytes) -> Unauthorized:
    """The error for a request whose key is not valid."""
    if key:
        return Unauthorized("the key of the header `Authorization: Bearer KEY` is not one of this service")
    return Unauthorized("this call needs a key, in the header `Authorization: Bearer KEY`")


def needs(
    scope: KeyScope, *, load: LoadKind | None = None, for_limited_keys: bool = False
) -> Callable[[Endpoint], Endpoint]:
    """A decorator that sets what an endpoint needs; it stands below the decorator of the route.

    Args:
        scope: that the key must allow.
        load: what a call counts as while it runs, if it counts.
        for_limited_keys: the endpoint is not about one collection that its path names, and shows a key that is limited
            to some collections only what is of those. Such keys are refused by all other endpoints of that sort.
    """

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.__dict__.update(needs=scope, load=load, for_limited_keys=for_limited_keys)
        return endpoint

    return mark


def needed_by(endpoint: Callable[..., Any]) -> KeyScope | None:
    """The scope that `needs` set for an endpoint; None if it set none."""
    scope: KeyScope | None = getattr(endpoint, "needs", None)
    return scope


def access_of(request: Request) -> Access:
    """The keys and limits of the app that a request came to."""
    return cast(Access, request.app.state.access)


def caller_of(request: Request) -> Caller:
    """Who sent a request, as far as its key tells."""
    return cast(Caller, request.state.caller)


def take_documents(request: Request, n: int) -> None:
    """Count documents that a request puts.

    Raises:
        KeyLimitReached: its key does not allow as many now.
    """
    if (allowance := caller_of(request).allowance) is not None:
        allowance.take_documents(n)


def key_of(authorization: bytes) -> bytes:
    """The key in an `Authorization` header; empty if it has none."""
    scheme, _, key = authorization.partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else b""
