from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.flows.processes import Api
from tests.ui.conftest import COLLECTION, OpenPage

pytestmark = pytest.mark.long
NOTES = "/collections/notes"
LINES = '{"id": "a", "text": "How to bake bread"}\n{"id": "b", "text": "How to bake bread!"}\n{"id": 7.5}\nno JSON\n'
TABLE = (
    "id;Titel;body;year\n1;One;a text; with\n" + '2;Two;"a ""quoted"" text;\nof two lines";007\n3;Three;short;1999\n'
)


@pytest.fixture
def notes(service: Api) -> Iterator[str]:
    """An empty collection."""
    service.put(NOTES, {})
    yield "notes"
    service.http.delete(NOTES)


def test_a_dropped_file_is_imported_and_wrong_lines_are_named(open_page: OpenPage, notes: str) -> None:
    page = open_page(f"#/{notes}/documents")
    expect(page.get_by_text("Drop a file here")).to_be_visible()
    file = {"name": "notes.jsonl", "mimeType": "application/x-ndjson", "buffer": LINES.encode()}
    page.get_by_label("File with documents").set_input_files([file])
    expect(page.get_by_text("How to bake bread").first).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("2 stored, 2 of them new, 2 refused")).to_be_visible()
    refused = page.get_by_role("row").filter(has_text="no JSON")
    expect(refused.get_by_role("cell").first).to_have_text("4")
    expect(page.get_by_text("2 in notes")).to_be_visible()


def test_a_table_becomes_documents(open_page: OpenPage, notes: str, service: Api) -> None:
    page = open_page(f"#/{notes}/documents?view=put")
    file = {"name": "notes.csv", "mimeType": "text/csv", "buffer": TABLE.encode()}
    page.get_by_label("File with documents").set_input_files([file])
    page.get_by_label("title").select_option("Titel")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("3 stored")).to_be_visible()
    document = service.get(f"{NOTES}/documents/2")
    assert (document["title"], document["text"]) == ("Two", 'a "quoted" text;\nof two lines')
    assert document["metadata"] == {"year": "007"}
    assert service.get(f"{NOTES}/documents/3")["metadata"] == {"year": 1999}


def test_a_document_is_written_read_changed_and_deleted(open_page: OpenPage, notes: str, service: Api) -> None:
    page = open_page(f"#/{notes}/documents")
    page.get_by_role("button", name="Write one document by hand").click()
    page.get_by_label("Id").fill("a/b c")
    page.get_by_label("Text").fill("How to bake bread")
    page.get_by_label("Metadata").fill("[1]")
    expect(page.get_by_text("It must be an object")).to_be_visible()
    page.get_by_label("Metadata").fill('{"lang": "en"}')
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="a/b c")).to_be_visible()
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Title").fill("Bread")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Bread")).to_be_visible()
    assert service.get(f"{NOTES}/documents/a/b%20c")["metadata"] == {"lang": "en"}
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("0 in notes")).to_be_visible()


def test_what_somebody_else_changed_is_not_overwritten(open_page: OpenPage, notes: str, service: Api) -> None:
    service.post(f"{NOTES}/documents", {"documents": [{"id": "a", "text": "old"}]})
    page = open_page(f"#/{notes}/documents?id=a")
    page.faults.allow("412")  # type: ignore[attr-defined]
    page.get_by_role("button", name="Edit").click()
    service.post(f"{NOTES}/documents", {"documents": [{"id": "a", "text": "of somebody else"}]})
    page.get_by_label("Text").fill("mine")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".notice-bad")).to_be_visible()
    assert service.get(f"{NOTES}/documents/a")["text"] == "of somebody else"


def test_documents_are_browsed_in_pages_and_narrowed(open_page: OpenPage) -> None:
    page = open_page(f"#/{COLLECTION}/documents")
    expect(page.locator(".documents-list li")).to_have_count(25)
    first = page.locator(".documents-list h2").first.inner_text()
    page.get_by_role("button", name="Next page").click()
    expect(page.locator(".documents-list h2").first).not_to_have_text(first)
    page.get_by_role("button", name="First page").click()
    expect(page.locator(".documents-list h2").first).to_have_text(first)
    value = page.locator(".facet", has_text="kind").locator(".facet-value", has_text="class")
    n = int(value.locator(".facet-count").inner_text())
    value.click()
    expect(page.get_by_text(f"{n} pass")).to_be_visible()


def test_of_near_duplicates_one_is_kept_and_never_none(open_page: OpenPage, notes: str, service: Api) -> None:
    texts = ["How to bake bread", "how to bake bread!", "How to BAKE bread", "Ships that sail", "ships that sail."]
    body = {"documents": [{"id": f"d{n}", "text": text} for n, text in enumerate(texts)]}
    service.post(f"{NOTES}/documents", body)
    page = open_page(f"#/{notes}/documents?view=duplicates")
    page.get_by_label("Bits apart").fill("1")
    page.get_by_role("button", name="Find groups").click()
    expect(page.locator(".group")).to_have_count(2)
    service.post(f"{NOTES}/documents/delete", {"ids": ["d3"]})  # what would be kept of the second group goes meanwhile
    page.get_by_role("button", name="Keep one of each group here").click()
    page.get_by_role("button", name="Delete 3").click()
    expect(page.locator(".group")).to_have_count(0)
    left = service.get(f"{NOTES}/documents")["items"]
    assert [one["id"] for one in left] == ["d0", "d4"]
