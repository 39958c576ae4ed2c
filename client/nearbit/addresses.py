"""The address of a service, and the headers that every call to it bears."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from nearbit.errors import InvalidInput


def headers_of(url: str, key: str | None) -> dict[str, str]:
    """The headers of every call.

    Raises:
        InvalidInput: the URL is not one of HTTP, or a header cannot hold the key.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(f"a URL must start with http:// or https://, got {url!r}")
    if not key:
        return {}
    if not (key.isascii() and key.isprintable()):
        raise InvalidInput("a key must be printable ASCII characters, got others")
    return {"Authorization": f"Bearer {key.strip()}"}


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        raise InvalidInput(f"no such URL, {url!r}") from None
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def in_path(part: str) -> str:
    """A name or an id as a part of a path.

    Raises:
        InvalidInput: it is not valid Unicode.
    """
    try:
        return quote(part, safe="")
    except UnicodeEncodeError:
        raise InvalidInput("a name must be valid Unicode, got a lone surrogate") from None
