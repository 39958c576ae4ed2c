"""Clients of services, and of a database file without a service."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import httpx2

from nearbit._async.client import AsyncClient
from nearbit._async.connection import AsyncConnection
from nearbit._sync.client import Client
from nearbit._sync.connection import Connection
from nearbit.errors import NotInstalled

_GROUP = "nearbit.embedded"
TIMEOUT_S = 120.0
PATIENCE_S = 60.0


def connect(
    url: str = "http://127.0.0.1:8000",
    *,
    key: str | None = None,
    timeout_s: float = TIMEOUT_S,
    patience_s: float = PATIENCE_S,
    transport: httpx2.BaseTransport | None = None,
) -> Client:
    """A client of the service at `url`; nothing is sent yet.

    Args:
        url: where the service listens, without `/v1`.
        key: of the service, if it needs one.
        timeout_s: how long to wait for a response, or for its next bytes.
        patience_s: how long after its beginning a call may be sent again, where that is safe.
        transport: how requests travel, in place of HTTP.

    Raises:
        InvalidInput: the URL or the key is none.
    """
    return Client(Connection(url, key, timeout_s, patience_s, transport))


def connect_async(
    url: str = "http://127.0.0.1:8000",
    *,
    key: str | None = None,
    timeout_s: float = TIMEOUT_S,
    patience_s: float = PATIENCE_S,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> AsyncClient:
    """The same with `await`, for asyncio."""
    return AsyncClient(AsyncConnection(url, key, timeout_s, patience_s, transport))


def open(path: str | os.PathLike[str], *, key: str | None = None, **settings: Any) -> Client:
    """A client of a database file without a service: what answers runs in this process, in a thread.

    It takes a second or two. What was learned is kept in the folder of the file. Close the client, or use it in a
    `with` statement; else it is closed when Python ends.

    Args:
        path: of the SQLite file, which is created if it is not there.
        key: needed only if the file has keys.
        settings: of the service, such as `max_text_chars`, as docs/operations.md lists them.

    Raises:
        NotInstalled: the distribution `nearbit`, which has what answers, is not there.
    """
    transport, close = _opener()(os.fspath(path), settings)
    return Client(Connection("http://localhost", key, TIMEOUT_S, PATIENCE_S, transport), close)


def _opener() -> Callable[[str, dict[str, Any]], tuple[httpx2.BaseTransport, Callable[[], None]]]:
    for found in entry_points(group=_GROUP, name="open"):
        opener: Callable[[str, dict[str, Any]], tuple[httpx2.BaseTransport, Callable[[], None]]] = found.load()
        return opener
    raise NotInstalled("nearbit.open() needs the service itself: pip install nearbit; or connect to one that runs")
