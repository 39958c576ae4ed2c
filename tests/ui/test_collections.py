from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.flows.processes import Api
from tests.ui.conftest import COLLECTION, OpenPage

pytestmark = pytest.mark.long


def test_a_collection_is_made_changed_and_deleted_with_its_name_typed(open_page: OpenPage, service: Api) -> None:
    page = open_page("#/collections")
    page.get_by_role("button", name="New collection").click()
    page.get_by_label("Name").fill("-wrong")
    expect(page.get_by_text("the first is a letter or a digit")).to_be_visible()
    page.get_by_label("Name").fill("recipes")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("Drop a file here")).to_be_visible()
    expect(page.get_by_role("combobox", name="Collection")).to_have_value("recipes")

    page.goto("#/collections")
    row = page.locator(".collections-list li", has_text="recipes")
    row.get_by_role("button", name="Settings").click()
    page.get_by_label("Synonyms").fill("boat, ship\ncsv, comma separated")
    page.get_by_label("New codes are learned").select_option("drift")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    about = service.get("/collections/recipes")
    assert about["words"]["synonyms"] == [["boat", "ship"], ["csv", "comma separated"]]
    assert about["auto_retrain"]["drift"] is True

    row.get_by_role("button", name="Delete").click()
    delete = page.get_by_role("dialog").get_by_role("button", name="Delete")
    page.get_by_label("Type its name").fill("recipe")
    expect(delete).to_be_disabled()
    page.get_by_label("Type its name").fill("recipes")
    delete.click()
    expect(row).to_have_count(0)
    assert [one["name"] for one in service.get("/collections")["items"]] == [COLLECTION]


def test_what_the_service_refuses_is_shown_with_its_reason(open_page: OpenPage) -> None:
    page = open_page("#/collections")
    page.faults.allow("409")  # type: ignore[attr-defined]
    page.get_by_role("button", name="New collection").click()
    page.get_by_label("Name").fill(COLLECTION)
    page.get_by_label("Bits of a code").fill("32")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("alert")).to_contain_text("exists")
