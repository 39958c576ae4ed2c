"""The Map screen, with a real service: real documents, learned codes, and the answers of the service as the oracle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.flows.processes import Api
from tests.ui.conftest import COLLECTION, OpenPage
from tests.ui.map_pages import until
from tests.ui.pages import PHONE, overflows, violations

pytestmark = pytest.mark.long

MAP = f"#/{COLLECTION}/map"
DOCUMENT = "curses.wrapper"
C = f"/collections/{COLLECTION}"


@pytest.fixture
def picked(open_page: OpenPage) -> Page:
    """The map with one document chosen."""
    page = open_page(f"{MAP}?id={DOCUMENT}")
    expect(page.get_by_role("heading", name=DOCUMENT)).to_be_visible()
    return page


def similar(service: Api, id: str, k: int) -> list[dict[str, Any]]:
    """What the service finds nearest to a document."""
    return list(service.get(f"{C}/documents/{id}/similar", k=k, fields="id")["matches"])


def notes(page: Page) -> Locator:
    """What stands beside the nearest documents."""
    return page.get_by_role("list", name="Nearest documents").locator(".map-list-note")


def bits(page: Page) -> list[int]:
    """The distances that the list of the nearest documents shows."""
    expect(notes(page).first).to_be_visible()
    return [int(note.split()[0]) for note in notes(page).all_inner_texts()]


def counted_by_numpy(service: Api, flipped_bit: int) -> list[int]:
    """How far all documents lie from the code of `DOCUMENT` with one bit flipped, the nearest first."""
    number = service.post(f"{C}/documents/numbers", {"ids": [DOCUMENT]})["items"][0]["number"]
    answer = service.http.get(f"{C}/codes")
    n = int(answer.headers["Nearbit-Count"])
    numbers = np.frombuffer(answer.content, "<u4", n)
    codes = np.frombuffer(answer.content, np.uint8, offset=4 * n).reshape(n, -1)
    code = np.unpackbits(codes[numbers == number][0])
    code[flipped_bit] ^= 1
    distances = np.unpackbits(codes ^ np.packbits(code), axis=1).sum(axis=1)
    return [int(distance) for distance in np.sort(distances)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_shows_every_document_and_axe_finds_no_fault(open_page: OpenPage, service: Api, scheme: str) -> None:
    page = open_page(MAP, color_scheme=scheme)
    n = service.get(C)["n_documents"]
    expect(page.get_by_role("application", name="Map of the documents")).to_be_visible()
    expect(page.locator("#map-summary")).to_contain_text(f"{n} documents as points, of which {n} are in view")
    expect(page.get_by_role("list", name="Colors: kind")).to_be_visible()  # the field that colors most documents
    assert violations(page) == []


def test_the_nearest_that_the_page_counts_are_those_of_the_service(picked: Page, service: Api) -> None:
    wanted = [match["distance"] for match in similar(service, DOCUMENT, 24)]
    assert bits(picked) == wanted
    assert violations(picked) == []


def test_a_flipped_bit_moves_the_colors_and_the_nearest(picked: Page, service: Api) -> None:
    before = bits(picked)
    picked.get_by_role("button", name="Bit 5:").click()
    expect(picked.get_by_label("Color by")).to_have_value("~distance")
    expect(picked.get_by_role("heading", name="Nearest to the code with 1 bit flipped")).to_be_visible()
    expect(notes(picked).first).to_have_text("1 bit")  # of the document itself
    after = bits(picked)
    assert after == counted_by_numpy(service, flipped_bit=5)[:24] != before
    picked.get_by_role("button", name="Flip it back").click()
    expect(picked.get_by_role("heading", name="Nearest documents")).to_be_visible()
    expect(notes(picked).first).to_have_text(f"{before[0]} bits")
    assert bits(picked) == before


def test_search_results_light_up(open_page: OpenPage, service: Api) -> None:
    page = open_page(f"#/{COLLECTION}/search?q=read+a+file")
    page.get_by_role("link", name="Show on the map").click()
    expect(page.get_by_text("The 50 best documents light up")).to_be_visible()
    best = service.get(f"{C}/search", q="read a file", k=12, fields="id")["matches"]
    shown = page.get_by_role("list", name="Found").locator(".map-list-title")
    expect(shown).to_have_text([match["id"] for match in best])
    page.get_by_role("button", name="Clear").click()
    expect(shown).to_have_count(0)


def test_a_lasso_gives_ids_as_a_file_and_a_filter(open_page: OpenPage, service: Api) -> None:
    page = open_page(MAP)
    expect(page.get_by_role("list", name="Colors: kind")).to_be_visible()
    page.get_by_role("button", name="Box").click()
    box = page.locator(".map-host").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 2, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 2, steps=4)
    page.mouse.up()
    heading = page.get_by_role("heading", name=re.compile("documents chosen"))
    n = int(heading.inner_text().split()[0])
    with page.expect_download() as download:
        page.get_by_role("button", name="Save ids").click()
    ids = Path(download.value.path()).read_text().splitlines()
    assert len(set(ids)) == n > 0
    assert service.post(f"{C}/documents/get", {"ids": ids[:1000]})["missing"] == []
    passing = page.get_by_text(re.compile("documents? pass")).inner_text()
    command = page.get_by_role("region", name="The same as a command").first.inner_text()
    [condition] = re.findall(r"filter=(\{.*\})'", command)
    total = service.http.get(f"{C}/documents", params={"filter": condition, "limit": 1}).json()["total"]
    assert f"{total} documents pass" in passing


def test_a_category_is_shown_alone_by_a_click_and_in_the_table(open_page: OpenPage) -> None:
    page = open_page(f"{MAP}?color=kind")
    button = page.get_by_role("list", name="Colors: kind").get_by_role("button").nth(1)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert "only=" in page.url
    page.get_by_text("The map as a table", exact=True).click()
    expect(page.get_by_role("columnheader", name="kind")).to_be_visible()
    expect(page.get_by_role("rowheader")).to_have_count(50)
    page.get_by_role("rowheader").first.get_by_role("button").click()
    expect(page.get_by_role("region", name="The chosen document")).to_be_visible()


def test_hovering_shows_text_and_clicking_chooses(open_page: OpenPage, picked: Page) -> None:
    place = picked.locator(".map-spot")
    picked.get_by_role("list", name="Nearest documents").get_by_role("button").first.hover()
    expect(picked.locator(".map-tip")).to_be_visible()
    x, y = float(place.get_attribute("cx") or 0), float(place.get_attribute("cy") or 0)
    name = picked.locator(".map-tip strong").inner_text()
    page = open_page(f"{MAP}?color=~distance")
    expect(page.locator("#map-summary")).to_contain_text("are in view")
    box = page.locator(".map-host").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + x, box["y"] + y)
    expect(page.locator(".map-tip strong")).to_be_visible()
    page.mouse.click(box["x"] + x, box["y"] + y)
    expect(page.get_by_role("region", name="The chosen document")).to_contain_text(name)
    assert "id=" in page.url


def test_the_keyboard_chooses_what_lies_in_the_middle(open_page: OpenPage) -> None:
    page = open_page(MAP)
    expect(page.locator("#map-summary")).to_contain_text("are in view")
    page.locator(".map-host").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    expect(page.get_by_role("status").first).to_contain_text(re.compile("in view|In the middle"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="The chosen document")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="The chosen document")).to_have_count(0)


@pytest.fixture
def strange(service: Api) -> Iterator[str]:
    """A document whose title, text and metadata are markup."""
    text = "<img src=x onerror=\"document.title='hurt'\"><script>document.title='hurt'</script>"
    document = {"id": "<b>strange</b>", "title": text, "text": text, "metadata": {"kind": text}}
    service.post(f"{C}/documents", {"documents": [document]})
    yield document["id"]
    service.post(f"{C}/documents/delete", {"ids": [document["id"]]})


def test_markup_stays_text(open_page: OpenPage, strange: str) -> None:
    page = open_page(f"{MAP}?id=%3Cb%3Estrange%3C%2Fb%3E&color=kind")
    expect(page.get_by_role("region", name="The chosen document")).to_contain_text("<img src=x")
    page.get_by_text("The map as a table", exact=True).click()
    assert page.title() != "hurt"
    assert page.locator("main img, main script").count() == 0


def test_a_phone_shows_it_all(open_page: OpenPage) -> None:
    page = open_page(f"{MAP}?id={DOCUMENT}", size=PHONE)
    expect(page.get_by_role("heading", name=DOCUMENT)).to_be_visible()
    expect(page.get_by_role("list", name="Nearest documents")).to_be_visible()
    assert overflows(page) <= 0
    assert violations(page) == []


def test_an_empty_collection_says_what_to_do(open_page: OpenPage, service: Api) -> None:
    service.put("/collections/void", {"n_bits": 64})
    page = open_page("#/void/map")
    expect(page.get_by_role("heading", name="Nothing to show yet")).to_be_visible()
    assert violations(page) == []
    service.http.delete("/collections/void")


def test_the_map_is_made_anew_and_its_points_move_there(open_page: OpenPage) -> None:
    page = open_page(MAP)
    page.get_by_role("button", name="Make the map anew").click()
    expect(page.get_by_text("Making it:")).to_be_visible()
    expect(page.get_by_text("Making it:")).to_have_count(0, timeout=60_000)
    until(page, "document.querySelector('.map-note').textContent.includes('trustworthiness')")


def test_the_map_of_an_earlier_code_space_can_be_seen(open_page: OpenPage, service: Api) -> None:
    active = service.get("/collections/docstrings")["space"]["version"]  # other tests may have learned codes
    page = open_page(MAP)
    page.get_by_label("Code space").select_option("1")
    expect(page.locator(".map-note")).to_contain_text("of code space 1")
    assert "space=1" in page.url
    page.go_back()
    expect(page.locator(".map-note")).to_contain_text(f"of code space {active}")
