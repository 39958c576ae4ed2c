"""The address of a service, and the headers that every call to it bears."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

import httpx2

from nearbit.errors import ConfigurationError, InvalidInput


def http_options(url: str, key: str | None, timeout_s: float) -> dict[str, Any]:
    """What a client of HTTP is opened with for the service at `url`.

    Raises:
        InvalidInput: the URL is not one of HTTP, or a header cannot hold the key.
    """
    host = _host_of(url)
    return {
        "base_url": f"{url.rstrip('/')}/v1",
        "headers": {b"Authorization": _bearer(key)} if key else None,
        "timeout": timeout_s,
        "trust_env": not is_loopback(host),  # for a proxy, "localhost" would be the machine of the proxy
    }


@contextmanager
def explaining_proxies(url: str) -> Iterator[None]:
    """A block that opens a client of HTTP; it says what to do about a proxy that cannot be used.

    Raises:
        ConfigurationError: the environment names such a proxy.
    """
    try:
        yield
        return
    except ImportError:
        fault = "a SOCKS proxy, which needs the package socksio: install it"
    except (ValueError, httpx2.InvalidURL):  # their messages would show the proxy's password
        fault = "a proxy of an unknown kind: use http://HOST:PORT"
    raise ConfigurationError(f"the environment names {fault}, or unset ALL_PROXY, or put {_host_of(url)} into NO_PROXY")


def is_loopback(host: str) -> bool:
    """Whether the host of a URL, a name or an address, is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or address.is_unspecified or bool(mapped and mapped.is_loopback)


def _host_of(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(f"a URL must start with http:// or https://, got {url!r}")
    try:
        return httpx2.URL(f"{url.rstrip('/')}/v1").host
    except httpx2.InvalidURL as error:
        raise InvalidInput(f"no such URL, {url!r}: {error}") from None


def _bearer(key: str) -> bytes:
    header = f"Bearer {key.strip()}"
    if not header.isprintable():
        raise InvalidInput("the key must be printable characters, got others")
    return header.encode()


def in_path(part: str) -> str:
    """A name or an id as a part of a path.

    Raises:
        InvalidInput: it is not valid Unicode.
    """
    try:
        return quote(part, safe="")
    except UnicodeEncodeError:
        raise InvalidInput("a name must be valid Unicode, got a lone surrogate") from None
