"""Bits: a code as buttons that can be flipped, what is behind each, and two documents side by side."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.flows.processes import Api
from tests.ui.conftest import OpenPage
from tests.ui.pages import PHONE, overflows, violations

pytestmark = pytest.mark.long
BITS = "#/docstrings/bits"
TEXT = "sort a list of numbers"


@pytest.fixture(scope="module")
def encoded(service: Api) -> dict[str, Any]:
    """The code of a text."""
    return service.get("/collections/docstrings/encode", q=TEXT)


def bits(page: Page) -> Any:
    return page.get_by_role("group", name=re.compile("The 64 bits")).get_by_role("button")


def pressed(page: Page) -> list[int]:
    expect(bits(page)).to_have_count(64)
    values = bits(page).evaluate_all("all => all.map(one => one.getAttribute('aria-pressed'))")
    return [int(value == "true") for value in values]


def nearest(service: Api, code: str) -> list[str]:
    return [one["id"] for one in service.get("/collections/docstrings/similar", code=code)["matches"]]


def shown_nearest(page: Page) -> Any:
    return page.locator(".bits-nearest li > a:first-child")


def test_a_text_is_64_bits_and_a_flipped_one_leads_to_other_documents(
    open_page: OpenPage, service: Api, encoded: dict[str, Any]
) -> None:
    page = open_page(f"{BITS}?q={TEXT.replace(' ', '+')}")
    values = [one["value"] for one in encoded["bits"]]
    assert pressed(page) == values
    expect(shown_nearest(page)).to_have_text(nearest(service, encoded["code"]))
    surest = max(encoded["bits"], key=lambda one: one["confidence"])["bit"]
    bits(page).nth(surest).click()
    values[surest] ^= 1
    assert pressed(page) == values
    expect(page.get_by_text("1 bit flipped.")).to_be_visible()
    code = f"{int(encoded['code'], 16) ^ (1 << (63 - surest)):016x}"
    expect(page.get_by_text(code, exact=True)).to_be_visible()
    expect(shown_nearest(page)).to_have_text(nearest(service, code))
    counted = service.get("/collections/docstrings/distances", code=code)
    within = sum(counted["distances"][:9])
    expect(page.get_by_text(f"{within} within 8 bits")).to_be_visible()
    expect(page.get_by_role("heading", name=f"Bit {surest}")).to_be_visible()
    expect(page.get_by_text(f"{counted['ones'][surest]:,} of")).to_be_visible()
    page.get_by_role("button", name="Flip back").click()
    expect(page.get_by_text("1 bit flipped.")).to_have_count(0)
    assert violations(page) == []


def test_arrow_keys_go_from_bit_to_bit_and_space_flips(open_page: OpenPage) -> None:
    page = open_page(f"{BITS}?code=00000000ffffffff")
    before = pressed(page)
    bits(page).first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(bits(page).nth(17)).to_be_focused()
    expect(page.get_by_role("heading", name="Bit 17")).to_be_visible()
    page.keyboard.press("Space")
    expect(bits(page).nth(17)).to_have_attribute("aria-pressed", "true")
    assert sum(pressed(page)) == sum(before) + 1
    expect(bits(page).nth(17)).to_be_focused()


def test_two_documents_stand_side_by_side_with_the_words_that_made_them_differ(
    open_page: OpenPage, service: Api
) -> None:
    a, b = (one["id"] for one in service.get("/collections/docstrings/documents", limit=2)["items"])
    compared = service.get("/collections/docstrings/compare", a=a, b=b)
    page = open_page(f"{BITS}?id={a}&with={b}")
    beside = page.get_by_role("region", name="Side by side")
    expect(beside.get_by_role("heading", name=re.compile(f"{compared['distance']} bits? differ"))).to_be_visible()
    assert beside.get_by_role("row").count() == min(compared["distance"], 12) + 1
    expect(page.locator(".bits-bit.differs")).to_have_count(compared["distance"])
    assert violations(page) == []


def test_what_is_asked_for_is_said_if_it_is_not_there(open_page: OpenPage) -> None:
    page = open_page("#/docstrings/search")
    page.faults.allow("404", "422")  # type: ignore[attr-defined]
    page.goto(f"{BITS}?id=no.such.document")
    expect(page.get_by_role("alert").filter(has_text="no.such.document").first).to_be_visible()
    page.goto(f"{BITS}?code=ff")
    expect(page.get_by_role("alert").filter(has_text="16 hexadecimal digits").first).to_be_visible()


def test_it_fits_a_phone(open_page: OpenPage, encoded: dict[str, Any]) -> None:
    page = open_page(f"{BITS}?code={encoded['code']}&flip=3", size=PHONE)
    expect(shown_nearest(page).first).to_be_visible()
    assert overflows(page) == 0
    assert violations(page) == []
