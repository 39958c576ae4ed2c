"""Pages in a real browser, which note what no page of ours may do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

DESKTOP, PHONE = (1280, 860), (360, 740)
SHOWN_S = 20
"""How long a test waits for something to be shown, on a machine that is busy with other tests."""
expect.set_options(timeout=SHOWN_S * 1_000)


class Faults:
    """What a page did that it must not: errors on its console, requests to other origins."""

    def __init__(self, page: Page, origin: str) -> None:
        self.origin = origin
        self.found: list[str] = []
        self.allowed: set[str] = set()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("request", self._request)

    def allow(self, *texts: str) -> None:
        """Have console errors with one of these texts in them be no fault, as of a status that the test expects."""
        self.allowed.update(texts)

    def check(self) -> None:
        found = [fault for fault in self.found if not any(text in fault for text in self.allowed)]
        assert not found, "\n".join(found)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"console: {message.text} {message.location.get('url', '')}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.found.append(f"foreign request: {request.url}")


@contextmanager
def opened(
    browser: Browser, url: str, size: tuple[int, int] = DESKTOP, **options: Any
) -> Iterator[tuple[Page, Faults]]:
    """A page of the service at a URL, in a window of its own; its faults fail the test when it is closed."""
    context = browser.new_context(
        base_url=f"{url}/ui/", viewport={"width": size[0], "height": size[1]}, locale="en-US", **options
    )
    context.set_default_timeout(SHOWN_S * 1_000)
    page = context.new_page()
    faults = Faults(page, url)
    try:
        yield page, faults
        faults.check()
    finally:
        context.close()


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is now, each with the elements that it is wrong with."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in found]


def overflows(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
