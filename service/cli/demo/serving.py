"""The service that a demonstration starts for itself and stops when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from service.cli.client import Client
from service.config import Settings
from service.errors import ConfigurationError, Unavailable

_START_S = 300.0


class Served(NamedTuple):
    """A service that is ready.

    Attributes:
        client: to call it with.
        url: its URL.
        curl: the command that calls it, with the key where it needs one.
    """

    client: Client
    url: str
    curl: str


def serve_until_interrupted(settings: Settings, demonstrate: Callable[[Served], None]) -> None:
    """Start a service, demonstrate with it, and keep it running until Ctrl-C; blocks that long.

    Raises:
        ConfigurationError: the service did not start, for example because the port is taken.
    """
    url = f"http://{_reachable(settings.host)}:{settings.port}"
    secret = settings.admin_key or settings.read_key
    key = secret.get_secret_value() if secret else None
    quiet = {"NEARBIT_LOG_LEVEL": "warning", **os.environ}
    service = subprocess.Popen([sys.executable, "-m", "service", "serve"], env=quiet)

    def stop(*_: object) -> None:
        # At once, as what is raised here is lost where it meets a destructor, and the service would be waited for.
        service.terminate()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        with suppress(KeyboardInterrupt):
            with Client(url, key) as client:
                _wait(service, client)
                demonstrate(Served(client, url, curl_command(with_key=key is not None)))
            service.wait()
    finally:
        service.terminate()
        service.wait()


def curl_command(with_key: bool) -> str:
    """How a person calls the service; the key stays in the environment."""
    return 'curl -H "Authorization: Bearer $NEARBIT_ADMIN_KEY"' if with_key else "curl"


def _reachable(host: str) -> str:
    """The host by which this machine reaches a service that listens on that address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _wait(service: subprocess.Popen[bytes], client: Client) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if service.poll() is not None:
            raise ConfigurationError("the service did not start; its error is above")
        if client.ready():
            return
        time.sleep(0.1)
    raise Unavailable(f"the service at {client.url} is not ready after {_START_S:.0f} s")
