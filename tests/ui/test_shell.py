"""The frame of the screens: addresses, themes, keys, a service that goes away, and texts that would be code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.flows.processes import Api, free_port, running
from tests.ui.conftest import OpenPage
from tests.ui.pages import PHONE, opened, overflows, violations

pytestmark = pytest.mark.long
SCREENS = ["search?q=read+a+file", "documents", "documents?view=put", "documents?view=duplicates", "jobs"]
ADDRESSES = [*(f"#/docstrings/{screen}" for screen in SCREENS), "#/collections", "#/service"]
KEY = "the key"
ATTACK = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def is_settled(page: Page) -> None:
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(".loading")).to_have_count(0)
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_any_screen(open_page: OpenPage, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    for address in ADDRESSES:
        page.goto(address)
        is_settled(page)
        assert violations(page) == [], address


def test_every_screen_fits_a_narrow_window(open_page: OpenPage) -> None:
    page = open_page(size=PHONE)
    for address in ADDRESSES:
        page.goto(address)
        is_settled(page)
        assert overflows(page) <= 0, address


def test_the_tabs_are_reached_and_opened_by_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page("#/docstrings/jobs")
    is_settled(page)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.get_by_role("link", name="Documents").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Documents", exact=True)).to_be_visible()
    expect(page).to_have_title("Documents · docstrings · nearbit")


def test_the_theme_is_kept(open_page: OpenPage) -> None:
    page = open_page("#/collections", color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_texts_ids_and_metadata_are_shown_and_never_run(open_page: OpenPage, service: Api) -> None:
    document = {"id": ATTACK, "title": ATTACK, "text": f"harmless {ATTACK}", "metadata": {"note": ATTACK, ATTACK: 1}}
    service.put("/collections/attacks", {})
    service.post("/collections/attacks/documents", {"documents": [document, {"text": "harmless, too"}]})
    page = open_page("#/attacks/search?q=harmless")
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    expect(page.locator(".result").first).to_contain_text("<script>")
    page.get_by_role("button", name="Why?").first.click()
    page.get_by_role("link", name=re.compile("onerror")).first.click()
    expect(page.locator("h1")).to_have_text(ATTACK)
    page.goto("#/attacks/documents")
    expect(page.locator(".documents-list li").first).to_contain_text("onerror")
    assert page.locator("main img, main script").count() == 0
    service.http.delete("/collections/attacks")


@pytest.fixture
def own_service(trained_file: Path, tmp_path: Path) -> Iterator[Api]:
    """A service that may be killed, with a key."""
    database = tmp_path / "nearbit.db"
    database.write_bytes(trained_file.read_bytes())
    api = Api(f"sqlite:///{database}", tmp_path, port=free_port(), NEARBIT_ADMIN_KEY=KEY)
    with running(api):
        yield api
        api.http.close()


def test_a_key_is_asked_for_and_a_lost_service_is_said_and_comes_back(
    own_service: Api, browser: Browser, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{own_service.port}"
    with opened(browser, url) as (page, faults), ExitStack() as stack:
        faults.allow("401", "503", "ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET")
        page.goto("#/docstrings/search?q=file")
        expect(page.get_by_text("This service asks for a key.")).to_be_visible()
        page.get_by_placeholder("Key").fill("another")
        page.get_by_role("button", name="Use key").click()
        expect(page.get_by_text("That key is not one of this service.")).to_be_visible()
        page.get_by_placeholder("Key").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator(".result").first).to_be_visible()
        expect(page.locator(".curl code")).to_contain_text("Bearer $NEARBIT_KEY")
        assert KEY not in page.locator("body").inner_text()

        own_service.kill()
        page.get_by_role("radio", name="Codes", exact=True).check()
        expect(page.get_by_text("The service does not answer.")).to_be_visible()
        expect(page.get_by_text("no answer")).to_be_visible()
        database = f"sqlite:///{tmp_path}/nearbit.db"
        again = Api(database, tmp_path, port=own_service.port, NEARBIT_ADMIN_KEY=KEY)
        stack.enter_context(running(again))
        expect(page.get_by_text("connected")).to_be_visible()
        expect(page.get_by_text("The service does not answer.")).to_be_hidden()
        expect(page.locator(".result").first).to_be_visible()
        again.http.close()
