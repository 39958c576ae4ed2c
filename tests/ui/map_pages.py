"""The map alone, without a service: its modules and `map_page/` on a port of their own, under a strict policy."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page

_PAGE = Path(__file__).parent / "map_page"
_UI = Path(__file__).parents[2] / "service" / "web" / "ui"
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; worker-src 'self'"

SOFTWARE_WEBGL = ["--enable-unsafe-swiftshader", "--use-angle=swiftshader"]
"""Arguments with which chromium computes WebGL on the CPU."""


class _Files(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        name = path.split("?")[0]
        return str(_UI / name.removeprefix("/ui/")) if name.startswith("/ui/") else str(_PAGE / name.lstrip("/"))

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", _POLICY)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[str]:
    """The URL of the page, as long as it is served."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()
        thread.join()


class MapPages:
    """Opens the page with `n` points and a renderer; a page that is open already is used again, as new."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url
        self._pages: dict[str, Page] = {}
        self.errors: list[str] = []
        """What the pages wrote into their consoles."""

    def __call__(self, n: int = 2000, renderer: str = "canvas", **options: Any) -> Page:
        named = repr((n, renderer, options))
        if named not in self._pages:
            self._pages[named] = self._open(n, renderer, options)
        page = self._pages[named]
        page.bring_to_front()
        page.evaluate("map.reset()")
        return page

    def _open(self, n: int, renderer: str, options: dict[str, Any]) -> Page:
        page = self._browser.new_context(**{"viewport": {"width": 600, "height": 400}, **options}).new_page()
        page.on("console", lambda message: self.errors.append(_line(message)) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{self._url}?n={n}&renderer={renderer}")
        until(page, "window.map?.reset")
        return page


def until(page: Page, condition: str) -> None:
    """Wait until a condition holds; Playwright's own way would need a policy with `unsafe-eval`."""
    ends = time.monotonic() + 20
    while not page.evaluate(f"Boolean({condition})"):
        assert time.monotonic() < ends, condition
        page.wait_for_timeout(20)


def _line(message: ConsoleMessage) -> str:
    return f"{message.text} {message.location}"
