from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.flows.processes import Api, running
from tests.ui.conftest import COLLECTION, OpenPage

pytestmark = pytest.mark.long


def test_jobs_say_what_they_did(open_page: OpenPage) -> None:
    page = open_page(f"#/{COLLECTION}/jobs")
    retrain = page.locator(".jobs-list > li", has_text="Learning codes").last  # other tests may have asked for more
    expect(retrain).to_contain_text("succeeded")
    expect(retrain).to_contain_text("code space 2")
    page.get_by_label("Kind").select_option("import")
    expect(page.locator(".jobs-list > li")).to_have_count(1)
    expect(page.locator(".jobs-list > li")).to_contain_text("0 refused")


@pytest.fixture
def empty_service(sqlite_url: str, tmp_path: Path) -> Iterator[Api]:
    """A service of this test's own, without documents."""
    api = Api(sqlite_url, tmp_path)
    with running(api):
        api.put("/collections/texts", {})
        yield api
        api.stop()


def test_the_first_key_is_used_by_the_page_and_a_revoked_one_is_said(open_page: OpenPage, empty_service: Api) -> None:
    page = open_page("#/service", at=f"http://127.0.0.1:{empty_service.port}")
    page.faults.allow("401")  # type: ignore[attr-defined]
    expect(page.get_by_text("This service has no keys")).to_be_visible()
    expect(page.get_by_text("the codes are not learned")).to_be_visible()
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("mine")
    page.get_by_role("button", name="Make it").click()
    text = page.locator(".service-key").inner_text()
    page.get_by_role("button", name="I have it").click()
    expect(page.get_by_text("The key that this tab sends is right")).to_be_visible()
    assert text not in page.locator("body").inner_text()
    page.get_by_text("What administrators called").click()
    expect(page.get_by_text("PUT /v1/collections/texts")).to_be_visible()
    page.get_by_role("button", name="Revoke mine").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("That key is not one of this service.")).to_be_visible()
