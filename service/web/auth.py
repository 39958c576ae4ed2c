"""Who may do what: the keys of an installation, the scopes that they grant, and the scope that each route needs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, Literal, TypeVar

from service.config import Settings
from service.errors import Forbidden, Unauthorized

KeyScope = Literal["read", "write", "admin"]
"""What a key may do: `read`: query and get; `write`: put and delete documents; `admin`: create and delete collections,
retrain, promote and roll back."""

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""Served without a key, so that a health check needs none."""

ALL_SCOPES: frozenset[KeyScope] = frozenset({"read", "write", "admin"})
NO_SCOPES: frozenset[KeyScope] = frozenset()


class Keys:
    """The keys of an installation: the one place where a key becomes scopes.

    Keys are looked up by a digest under a secret of this process, so the time of a look-up reveals nothing of a key.

    Args:
        scopes_by_key: the scopes that each key grants; without any key, everyone may do everything.
    """

    def __init__(self, scopes_by_key: Mapping[str, Iterable[KeyScope]]) -> None:
        self._secret = secrets.token_bytes(32)
        self._scopes = {self._digest(key.encode("utf-8")): frozenset(s) for key, s in scopes_by_key.items()}

    @classmethod
    def of(cls, settings: Settings) -> Keys:
        """The keys that the settings name."""
        scopes_by_key: dict[str, Iterable[KeyScope]] = {}
        if settings.read_key is not None:
            scopes_by_key[settings.read_key.get_secret_value()] = {"read"}
        if settings.admin_key is not None:
            scopes_by_key[settings.admin_key.get_secret_value()] = ALL_SCOPES
        return cls(scopes_by_key)

    def __len__(self) -> int:
        return len(self._scopes)

    def scopes(self, authorization: bytes) -> frozenset[KeyScope]:
        """The scopes of a request with that `Authorization` header; none if its key is missing or wrong."""
        if not self._scopes:
            return ALL_SCOPES
        return self._scopes.get(self._digest(_bearer(authorization)), NO_SCOPES)

    def _digest(self, key: bytes) -> bytes:
        return blake2b(key, key=self._secret, digest_size=16).digest()


def refusal(authorization: bytes) -> Unauthorized:
    """The error for a request whose `Authorization` header grants nothing."""
    if _bearer(authorization):
        return Unauthorized("the key of the header `Authorization: Bearer KEY` is not one of this service")
    return Unauthorized("this call needs a key, in the header `Authorization: Bearer KEY`")


def check_scope(granted: Iterable[KeyScope], needed: KeyScope) -> None:
    """Refuse a call that the key does not allow.

    Raises:
        Forbidden: the scope is not among those granted.
    """
    if needed not in granted:
        raise Forbidden(needed, sorted(granted))


def needs(scope: KeyScope) -> Callable[[Endpoint], Endpoint]:
    """A decorator that sets the scope which an endpoint needs; it stands below the decorator of the route."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.__dict__["needs"] = scope
        return endpoint

    return mark


def needed_by(endpoint: Callable[..., Any]) -> KeyScope | None:
    """The scope that `needs` set for an endpoint; None if it set none."""
    scope: KeyScope | None = getattr(endpoint, "needs", None)
    return scope


def _bearer(authorization: bytes) -> bytes:
    scheme, _, key = authorization.partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else b""
