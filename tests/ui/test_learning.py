"""Learning: a training is started, watched as it runs, and looked at again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.flows.processes import Api
from tests.ui.conftest import OpenPage
from tests.ui.pages import PHONE, overflows, violations

pytestmark = pytest.mark.long
LEARNING = "#/docstrings/learning"
ENDED_MS = 120_000


@pytest.fixture(scope="module")
def job(service: Api) -> str:
    """The training that made the first codes."""
    id: str = service.get("/collections/docstrings/jobs", kind="retrain")["items"][-1]["id"]
    return id


def shown(page: Page) -> Page:
    """The page, once its curves are there."""
    expect(page.get_by_role("img", name=re.compile("Loss, in nats"))).to_be_visible()
    return page


def test_a_training_that_has_ended_can_be_looked_at(open_page: OpenPage, job: str) -> None:
    page = shown(open_page(f"{LEARNING}?job={job}"))
    expect(page.get_by_role("heading", name="The training made code space 2")).to_be_visible()
    islands = page.get_by_role("img", name=re.compile("Codes of .* documents"))
    assert islands.locator("circle").count() > 10
    before = islands.locator("circle").first.get_attribute("cx")
    slider = page.get_by_role("slider", name="Per cent of the training")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.get_by_text("0 %", exact=True).first).to_be_visible()
    assert islands.locator("circle").first.get_attribute("cx") != before
    page.get_by_text("Log (").click()
    expect(page.get_by_text(re.compile("Epoch 1:"))).to_be_visible()
    assert violations(page) == []


def test_a_training_is_started_and_watched_to_its_end(open_page: OpenPage) -> None:
    page = open_page(LEARNING)
    page.get_by_role("button", name="Start a training").click()
    page.get_by_label("Variant").select_option("semantic_hashing")
    page.get_by_label("Epochs", exact=True).fill("3")
    page.get_by_label("Let it answer even if it is worse").check()
    assert violations(page) == []
    page.get_by_role("button", name="Learn", exact=True).click()
    expect(page).to_have_url(re.compile("job="))
    expect(page.get_by_role("button", name="A training runs")).to_be_disabled()
    expect(page.get_by_role("heading", name=re.compile("made code space"))).to_be_visible(timeout=ENDED_MS)
    shown(page)


def test_what_is_out_of_range_is_said_at_its_field(open_page: OpenPage) -> None:
    page = open_page(LEARNING)
    page.faults.allow("422")  # type: ignore[attr-defined]
    page.get_by_role("button", name="Start a training").click()
    page.get_by_label("Epochs", exact=True).fill("0")
    page.get_by_role("button", name="Learn", exact=True).click()
    expect(page.locator(".field-error")).to_contain_text("1")
    expect(page.get_by_label("Epochs", exact=True)).to_have_attribute("aria-invalid", "true")


def test_where_nothing_can_be_pushed_it_is_asked_for(open_page: OpenPage, job: str) -> None:
    page = open_page("#/docstrings/search")
    page.faults.allow("Failed to load resource")  # type: ignore[attr-defined]

    def refuse(route: Route) -> None:
        route.fulfill(status=503, json={"title": "Overloaded", "status": 503, "detail": "too many listen"})

    page.route("**/events*", refuse)
    page.goto(f"{LEARNING}?job={job}")
    shown(page)


def test_it_fits_a_phone_in_the_dark(open_page: OpenPage, job: str, tmp_path: Path) -> None:
    page = shown(open_page(f"{LEARNING}?job={job}", size=PHONE, color_scheme="dark"))
    assert overflows(page) == 0
    assert violations(page) == []
