from __future__ import annotations

import base64
import io
import re

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.flows.processes import Api
from tests.ui.conftest import COLLECTION, OpenPage

pytestmark = pytest.mark.long
SEARCH = f"#/{COLLECTION}/search"


def titles(page: Page) -> list[str]:
    return page.locator(".result h2").all_inner_texts()


def test_a_typed_query_shows_what_the_service_answers_in_its_order(open_page: OpenPage, service: Api) -> None:
    page = open_page(SEARCH)
    expect(page.get_by_text("Type what you look for")).to_be_visible()
    page.get_by_role("searchbox").fill("read a file")
    expect(page.locator(".result")).to_have_count(10)
    for rank in ("hybrid", "words", "code"):
        name = {"hybrid": "Words and codes", "words": "Words", "code": "Codes"}[rank]
        page.get_by_role("radio", name=name, exact=True).check()
        answer = service.get(f"/collections/{COLLECTION}/search", q="read a file", rank=rank)
        expect(page.locator(".result h2").first).to_have_text(answer["matches"][0]["title"])
        expect(page.locator(".search-old")).to_have_count(0)
        assert titles(page) == [match["title"] for match in answer["matches"]]
        distances = [str(match["distance"]) for match in answer["matches"] if match.get("distance") is not None]
        assert page.locator(".distance b").all_inner_texts() == distances
    expect(page).to_have_url(re.compile(r"q=read\+a\+file&rank=code"))


def test_a_filter_narrows_and_its_count_was_right(open_page: OpenPage) -> None:
    page = open_page(f"{SEARCH}?q=file")
    value = page.locator(".facet", has_text="kind").locator(".facet-value", has_text="function")
    n = int(value.locator(".facet-count").inner_text())
    value.click()
    expect(page.get_by_text(f"The 10 best of {n} with a word")).to_be_visible()
    page.get_by_role("button", name="Remove the filter kind:function").click()
    expect(page.get_by_role("button", name="Remove the filter")).to_have_count(0)


def test_a_long_value_of_a_filter_stays_in_its_column(open_page: OpenPage) -> None:
    page = open_page(f"{SEARCH}?q=file")
    page.locator(".facet-name").first.evaluate("name => { name.textContent = 'numpy.distutils.'.repeat(6) }")
    edges = [page.locator(name).first.bounding_box() for name in (".facet-name", ".facet-count", "aside", ".results")]
    name, count, column, results = ((box["x"], box["x"] + box["width"]) for box in edges if box)
    assert name[1] <= count[0] < count[1] <= column[1] < results[0]


def test_a_reason_has_the_words_and_the_bits(open_page: OpenPage) -> None:
    page = open_page(f"{SEARCH}?q=read+a+file")
    page.locator(".result").first.get_by_role("button", name="Why?").click()
    why = page.get_by_role("region", name="Why")
    expect(why.get_by_text("Words that matched")).to_be_visible()
    expect(why.get_by_role("img", name=re.compile(r"\d+ of 64 bits agree"))).to_be_visible()
    expect(why.get_by_text("The strongest bits")).to_be_visible()


def test_a_result_becomes_the_next_query(open_page: OpenPage, service: Api) -> None:
    page = open_page(f"{SEARCH}?q=file")
    first = page.locator(".result").first
    title = first.locator("h2").inner_text()
    first.get_by_role("button", name="More like this").click()
    expect(page.get_by_text(f"Documents like {title}")).to_be_visible()
    answer = service.get(f"/collections/{COLLECTION}/documents/{title}/similar")
    expect(page.locator(".result h2").first).to_have_text(answer["matches"][0]["title"])
    page.go_back()
    expect(page.locator(".result h2").first).to_have_text(title)


def test_what_is_not_found_is_explained(open_page: OpenPage) -> None:
    page = open_page(f"{SEARCH}?q=zzyzx")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    expect(page.get_by_text("the codes do not know them, either")).to_be_visible()


def test_a_query_that_is_no_query_is_explained(open_page: OpenPage) -> None:
    page = open_page()
    page.faults.allow("422")  # type: ignore[attr-defined]
    page.goto(f"{SEARCH}?q=-file")
    expect(page.get_by_role("alert")).to_contain_text("q must hold a word that is not excluded")


def test_the_command_gives_what_is_shown(open_page: OpenPage, url: str) -> None:
    page = open_page(f"{SEARCH}?q=it's&where=kind:class")
    command = page.locator(".curl code").inner_text()
    assert f"'{url}/v1/collections/{COLLECTION}/search'" in command
    assert "--data-urlencode 'q=it'\\''s'" in command
    assert "--data-urlencode 'where=kind:class'" in command


def test_the_last_query_wins_however_slow_the_one_before_it_was(open_page: OpenPage, service: Api) -> None:
    page = open_page(SEARCH)

    def late(route: Route) -> None:
        page.wait_for_timeout(600)
        route.continue_()

    page.route(re.compile(r"/search\?q=fi&"), late)
    page.get_by_role("searchbox").fill("fi")
    page.wait_for_timeout(300)  # the query is sent when nobody types any more
    page.get_by_role("searchbox").fill("thread")
    answer = service.get(f"/collections/{COLLECTION}/search", q="thread")
    expect(page.locator(".result h2").first).to_have_text(answer["matches"][0]["title"])
    page.wait_for_timeout(800)
    assert titles(page) == [match["title"] for match in answer["matches"]]


def test_pictures_are_shown_and_found_by_others_like_them(open_page: OpenPage, service: Api) -> None:
    service.put("/collections/pictures", {"kind": "image"})
    documents = [{"id": f"p{n}", "image": _picture(shade)} for n, shade in enumerate((10, 30, 240))]
    service.post("/collections/pictures/documents", {"documents": documents})
    page = open_page("#/pictures/search")
    page.get_by_role("link", name="Like p0").click()
    expect(page.get_by_role("img", name="The picture p")).to_have_count(2)
    page.get_by_role("link", name="p1").click()
    expect(page.get_by_role("img", name="The picture p1")).to_be_visible()
    service.http.delete("/collections/pictures")


def _picture(shade: int) -> str:
    file = io.BytesIO()
    picture = Image.new("L", (8, 8), shade)
    picture.putpixel((shade % 8, 3), 255 - shade)
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
