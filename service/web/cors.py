"""CORS: what browsers are told of the pages that may call the service."""

from __future__ import annotations

from collections.abc import Sequence

_OF_ARRAYS = (
    "Count",
    "Base",
    "Seq",
    "Space",
    "Bits",
    "Method",
    "Map-Seq",
    "Missing",
    "Trustworthiness",
    "Moved",
    "Kind",
)
EXPOSED_HEADERS = ["X-Request-ID", "Retry-After", "Location", "ETag", *(f"Nearbit-{name}" for name in _OF_ARRAYS)]
"""Headers of a response that such a page may read."""


def cors_headers(origins: Sequence[str], origin: str | None) -> dict[str, str]:
    """Headers of a response that is made before the app, whose middleware adds them to all others.

    Args:
        origins: those whose pages may call; `*` for any.
        origin: that of the request; None if it names none.
    """
    if origin is None or not origins:
        return {}
    exposed = {"access-control-expose-headers": ", ".join(EXPOSED_HEADERS)}
    if "*" in origins:
        return {"access-control-allow-origin": "*"} | exposed
    return {"vary": "Origin"} | ({"access-control-allow-origin": origin} | exposed if origin in origins else {})
