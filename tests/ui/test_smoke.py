"""One look at the page in every run of the tests: without processes of its own, on an empty database."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser, expect

from service.config import Settings
from service.web.app import create_app
from tests.ui.pages import opened


@pytest.fixture
def empty_service(sqlite_url: str) -> Iterator[str]:
    """The URL of a service without a collection, in a thread of this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(Settings(database_url=sqlite_url))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def test_the_page_opens_and_says_that_there_is_nothing_yet(empty_service: str, browser: Browser) -> None:
    with opened(browser, empty_service) as (page, _):
        page.goto(f"{empty_service}/")
        expect(page).to_have_url(f"{empty_service}/ui/#/collections")
        expect(page.get_by_role("link", name="Collections")).to_have_attribute("aria-current", "page")
        expect(page.get_by_text("connected")).to_be_visible()
