"""Code spaces: versions side by side, a preview, a promotion, and a rollback."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.flows.processes import Api
from tests.ui.conftest import OpenPage
from tests.ui.pages import PHONE, overflows, violations

pytestmark = pytest.mark.long
SPACES = "#/docstrings/spaces"


def active(service: Api) -> int:
    version: int = service.get("/collections/docstrings")["space"]["version"]
    return version


def shown(page: Page) -> Page:
    expect(page.get_by_role("heading", name="Side by side")).to_be_visible()
    return page


def test_figures_of_two_versions_stand_side_by_side(open_page: OpenPage, service: Api) -> None:
    report = next(s for s in service.get("/collections/docstrings/spaces")["items"] if s["version"] == 2)["report"]
    page = shown(open_page(f"{SPACES}?a=2&b=1"))
    row = page.get_by_role("row", name=re.compile("True nearest found"))
    expect(row).to_contain_text(f"{100 * report['found']['recall']['mean']:.1f} %")
    expect(page.get_by_role("img", name=re.compile("64 bits, of which"))).to_be_visible()
    expect(page.get_by_text("answered before, can again")).not_to_have_count(0)
    assert violations(page) == []


def test_a_space_is_previewed_promoted_and_rolled_back(open_page: OpenPage, service: Api) -> None:
    before = active(service)
    page = shown(open_page(SPACES))
    of_first = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="1", exact=True))
    of_first.get_by_role("button", name="Preview and promote").click()
    preview = page.get_by_role("region", name="Preview")
    expect(preview.get_by_text(re.compile("would stay"))).to_be_visible()
    expect(preview.get_by_role("columnheader", name="Come")).to_be_visible()
    assert violations(page) == []
    preview.get_by_role("button", name="Promote 1").click()
    expect(of_first.get_by_text("active", exact=True)).to_be_visible()
    assert active(service) == 1
    of_first.get_by_role("button", name="Roll back").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name=f"Roll back to code space {before}?")).to_be_visible()
    assert violations(page) == []
    dialog.get_by_role("button", name="Roll back").click()
    expect(of_first.get_by_text("retired", exact=True)).to_be_visible()
    assert active(service) == before


def test_a_space_is_judged_by_a_label(open_page: OpenPage, service: Api) -> None:
    page = shown(open_page(f"{SPACES}?a=2&b=1"))
    page.get_by_label("Label").select_option("kind")
    page.get_by_text("Code space 2 was not judged by kind.").locator("..").get_by_role("button").click()
    expect(page.get_by_text("Of the nearest by code, with the same kind")).to_be_visible(timeout=120_000)


def test_it_fits_a_phone_in_the_dark(open_page: OpenPage) -> None:
    page = shown(open_page(f"{SPACES}?preview=1", size=PHONE, color_scheme="dark"))
    expect(page.get_by_role("region", name="Preview").get_by_text(re.compile("would stay"))).to_be_visible()
    assert overflows(page) == 0
    assert violations(page) == []
