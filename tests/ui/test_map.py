"""The map without a service: both renderers, picking, lasso, keyboard, motion, and the distances of the worker."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.ui.map_pages import SOFTWARE_WEBGL, MapPages, serving, until

_AT_REST = (
    "() => new Promise((done) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 160))"
)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", *SOFTWARE_WEBGL])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(browser: Browser) -> Iterator[MapPages]:
    with serving() as url:
        yield MapPages(browser, url)


@pytest.fixture
def open_map(pages: MapPages) -> Iterator[MapPages]:
    yield pages
    assert pages.errors == []


def picture(page: Page) -> np.ndarray[Any, Any]:
    """The map as it is seen, (height, width, 3) uint8, once it rests."""
    page.evaluate(_AT_REST)
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))


@pytest.mark.parametrize("renderer", ["webgl", "canvas"])
def test_marked_points_are_where_the_camera_says_in_their_color(open_map: MapPages, renderer: str) -> None:
    page = open_map(renderer=renderer)
    assert page.evaluate("map.view.renderer.kind") == renderer
    page.evaluate("map.view.setLook({ marked: new Uint32Array([3]) })")
    x, y = page.evaluate("map.view.camera.toScreen(map.positions[6], map.positions[7])")
    wanted = page.evaluate("[...map.view.look.palette.slice(4 * map.classes[3], 4 * map.classes[3] + 3)]")
    assert np.abs(picture(page)[round(y), round(x)].astype(int) - wanted).max() <= 3


def test_both_renderers_draw_the_same_picture(open_map: MapPages) -> None:
    pictures = []
    for renderer in ["webgl", "canvas"]:
        page = open_map(n=3000, renderer=renderer)
        pictures.append(picture(page).astype(int))
    covered = [np.abs(drawn - 255).sum(axis=2) > 60 for drawn in pictures]
    assert covered[0].mean() > 0.02
    assert (covered[0] != covered[1]).mean() < 0.25 * covered[0].mean()  # edges, which are rounded differently


def test_dimmed_points_are_still_there_and_fainter(open_map: MapPages) -> None:
    for renderer in ["webgl", "canvas"]:
        page = open_map(renderer=renderer)
        full = (255 - picture(page).astype(int)).sum()
        page.evaluate("map.view.setLook({ lit: new Uint8Array(map.view.n) })")
        assert 0 < (255 - picture(page).astype(int)).sum() < 0.5 * full


def test_a_browser_that_computes_webgl_itself_gets_the_2d_canvas(open_map: MapPages) -> None:
    page = open_map(renderer="auto")
    assert page.evaluate("map.view.renderer.kind") == "canvas"


def test_a_lost_context_comes_back_with_the_same_picture(open_map: MapPages) -> None:
    page = open_map(renderer="webgl")
    before = picture(page)
    page.evaluate(
        """() => new Promise((done) => {
            const { gl, canvas } = map.view.renderer;
            const losing = gl.getExtension("WEBGL_lose_context");
            canvas.addEventListener("webglcontextrestored", () => done(null));
            canvas.addEventListener("webglcontextlost", () => setTimeout(() => losing.restoreContext()));
            losing.loseContext();
        })"""
    )
    assert np.abs(picture(page).astype(int) - before).max() <= 2


def test_the_point_that_is_picked_is_the_nearest(open_map: MapPages) -> None:
    page = open_map(n=20_000)
    different = page.evaluate(
        """() => {
            const { view, positions } = map, different = [];
            for (let trial = 0; trial < 300; trial++) {
                const x = 600 * Math.random(), y = 400 * Math.random();
                const [mx, my] = view.camera.toMap(x, y);
                let best = -1, limit = (12 / view.camera.view.scale) ** 2;
                for (let i = 0; i < view.n; i++) {
                    const distance = (positions[2 * i] - mx) ** 2 + (positions[2 * i + 1] - my) ** 2;
                    if (distance < limit) [best, limit] = [i, distance];
                }
                if (view.at(x, y) !== best) different.push([x, y, view.at(x, y), best]);
            }
            return different;
        }"""
    )
    assert different == []


def test_what_is_not_dimmed_is_picked_before_what_is(open_map: MapPages) -> None:
    page = open_map(n=2000)
    picked = page.evaluate(
        """() => {
            const { view, positions } = map, lit = new Uint8Array(view.n);
            lit[7] = 1;
            view.setLook({ lit });
            const [x, y] = view.camera.toScreen(positions[14], positions[15]);
            return view.at(x + 8, y);
        }"""
    )
    assert picked == 7


def test_a_lasso_holds_the_points_inside_it(open_map: MapPages) -> None:
    page = open_map(n=20_000)
    different = page.evaluate(
        """() => {
            const { view } = map, different = [];
            const crosses = (line, x, y) => {
                let odd = false;
                line.forEach(([x0, y0], i) => {
                    const [x1, y1] = line[(i + 1) % line.length];
                    if (y0 > y !== y1 > y && x < x0 + ((y - y0) * (x1 - x0)) / (y1 - y0)) odd = !odd;
                });
                return odd;
            };
            for (let trial = 0; trial < 20; trial++) {
                const corners = Array.from({ length: 3 + trial },
                    () => [800 * Math.random() - 100, 600 * Math.random() - 100]);
                const line = corners.map(([x, y]) => view.camera.toMap(x, y));
                const wanted = [];
                for (let i = 0; i < view.n; i++) {
                    if (crosses(line, view.positions[2 * i], view.positions[2 * i + 1])) wanted.push(i);
                }
                const found = view.inside(corners);
                if (String(found) !== String(wanted)) different.push(corners);
            }
            return different;
        }"""
    )
    assert different == []


def test_what_is_in_view_is_counted_exactly_and_evenly_shown(open_map: MapPages) -> None:
    page = open_map(n=20_000)
    different = page.evaluate(
        """() => {
            const { view } = map, different = [];
            for (let trial = 0; trial < 15; trial++) {
                view.camera.zoomAbout(600 * Math.random(), 400 * Math.random(), trial < 8 ? 1.7 : 0.6);
                const wanted = [...Array(view.n).keys()].filter((i) => {
                    const [x, y] = view.placeOf(i);
                    return x >= 0 && x <= 600 && y >= 0 && y <= 400;
                });
                const { seen, n } = view.inView(50), all = view.inView(view.n).seen;
                const some = new Set(seen).size === Math.min(50, n), whole = String(all.sort((a, b) => a - b));
                if (n !== wanted.length || !some || whole !== String(wanted)) different.push([trial, n]);
            }
            return different;
        }"""
    )
    assert different == []


def test_dragging_moves_the_map_and_with_shift_draws_a_lasso(open_map: MapPages) -> None:
    page = open_map()
    under = page.evaluate("map.view.camera.toMap(300, 300)")
    page.mouse.move(300, 300)
    page.mouse.down()
    page.mouse.move(380, 260, steps=4)
    page.mouse.up()
    assert page.evaluate("map.view.camera.toMap(380, 260)") == pytest.approx(under)
    assert page.evaluate("map.seen.picked") == -1  # what was dragged was not clicked
    page.evaluate("map.view.fit()")
    page.wait_for_timeout(300)
    page.keyboard.down("Shift")
    page.mouse.move(5, 5)
    page.mouse.down()
    for x, y in [(595, 5), (595, 395), (5, 395)]:
        page.mouse.move(x, y, steps=3)
    page.mouse.up()
    assert page.evaluate("map.seen.selected.length") == 2000


def test_a_box_holds_what_lies_between_its_corners(open_map: MapPages) -> None:
    page = open_map()
    page.evaluate("map.view.pointer.tool = 'box'")
    page.mouse.move(200, 100)
    page.mouse.down()
    page.mouse.move(500, 300, steps=5)
    page.mouse.up()
    wanted = page.evaluate(
        """[...Array(map.view.n).keys()].filter((i) => {
            const [x, y] = map.view.camera.toScreen(map.positions[2 * i], map.positions[2 * i + 1]);
            return x > 200 && x < 500 && y > 100 && y < 300;
        })"""
    )
    assert page.evaluate("[...map.seen.selected]") == wanted != []


def test_the_wheel_zooms_about_the_pointer(open_map: MapPages) -> None:
    page = open_map()
    page.mouse.move(250, 320)
    under, zoom = page.evaluate("[map.view.camera.toMap(250, 320), map.view.camera.zoom]")
    page.mouse.wheel(0, -300)
    until(page, f"map.view.camera.zoom > {1.5 * zoom}")
    assert page.evaluate("map.view.camera.toMap(250, 320)") == pytest.approx(under)


def test_everything_can_be_done_with_the_keyboard(open_map: MapPages) -> None:
    page = open_map(n=500)  # a page of its own, in which nothing has had the focus
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "map"
    start = page.evaluate("({ ...map.view.camera.view })")
    page.keyboard.press("+")
    until(page, f"!map.view.glide && map.view.camera.view.scale > {1.3 * start['scale']}")
    page.keyboard.press("ArrowRight")
    until(page, f"!map.view.glide && map.view.camera.view.x > {start['x']}")
    page.keyboard.press("Enter")
    middle = page.evaluate("map.view.at(300, 200, 240)")
    assert page.evaluate("map.seen.picked") == middle >= 0
    page.keyboard.press("Escape")
    assert page.evaluate("map.seen.picked") == -1
    page.keyboard.press("0")
    until(page, f"Math.abs(map.view.camera.view.scale - {start['scale']}) < 1e-6")


def test_a_new_map_starts_from_the_old_places_and_ends_at_the_new(open_map: MapPages) -> None:
    page = open_map()
    before = picture(page)
    page.evaluate("map.view.setPoints(map.positions.map((value) => -value), { from: map.positions, keepView: true })")
    until(page, "map.view.morph === null")
    after = picture(page)
    assert (before != after).any()
    page.evaluate("map.view.setPoints(map.positions, { keepView: true })")
    assert (picture(page) == before).all()


def test_a_map_in_other_units_takes_the_place_of_the_old_one(open_map: MapPages) -> None:
    page = open_map()
    before = picture(page)
    page.evaluate("map.view.setPoints(map.positions.map((value) => 40 * value + 7), { keepView: true })")
    assert np.abs(picture(page).astype(int) - before).mean() < 0.5


def test_documents_come_from_where_they_were_and_new_ones_from_their_own_place(open_map: MapPages) -> None:
    places = open_map().evaluate(
        """async () => {
            const { placesBefore } = await import("/ui/map/align.js");
            const before = { numbers: [2, 5, 9], positions: Float32Array.of(1, 1, 2, 2, 3, 3) };
            const after = { numbers: [5, 7, 9], positions: Float32Array.of(10, 10, 20, 20, 30, 30) };
            return [...placesBefore(before, after, { scale: 2, x: 1, y: 0 })];
        }"""
    )
    assert places == [5, 4, 20, 20, 7, 6]


def test_whoever_wants_no_motion_gets_none(open_map: MapPages) -> None:
    page = open_map(reduced_motion="reduce")
    moved = page.evaluate(
        """() => {
            const before = map.view.camera.zoom;
            map.view.zoomBy(2);
            map.view.setPoints(map.positions, { from: map.positions.map((value) => -value), keepView: true });
            return [map.view.camera.zoom / before, map.view.glide, map.view.morph];
        }"""
    )
    assert moved == [pytest.approx(2), None, None]


@pytest.mark.parametrize("n_bits", [16, 24, 64, 128, 512])
def test_distances_and_the_nearest_are_those_of_counting_bits_one_by_one(open_map: MapPages, n_bits: int) -> None:
    page = open_map(n=10)
    rng = np.random.default_rng(n_bits)
    codes = rng.integers(0, 256, (500, n_bits // 8), dtype=np.uint8)
    codes[100] = ~codes[0]
    answer = page.evaluate(
        """async ([bytes, nBits]) => {
            const code = Uint8Array.from(bytes.slice(0, nBits / 8));
            await map.codes.load(Uint8Array.from(bytes), nBits);
            const { distances, histogram, nearest } = await map.codes.distances(code, 20);
            const [counts, own] = [await map.codes.bitCounts(), await map.codes.code(3)];
            return [distances, histogram, nearest, counts, own].map((array) => [...array]);
        }""",
        [codes.ravel().tolist(), n_bits],
    )
    wanted = np.unpackbits(codes ^ codes[0], axis=1).sum(axis=1)
    distances, histogram, nearest, counts, own = map(np.array, answer)
    assert (distances == np.minimum(wanted, 255)).all()
    assert (histogram == np.bincount(wanted, minlength=n_bits + 1)).all()
    assert (nearest == np.argsort(wanted, kind="stable")[:20]).all()
    assert (counts == np.unpackbits(codes, axis=1).sum(axis=0)).all()
    assert (own == codes[3]).all()


def test_a_million_points_are_drawn_moved_and_recolored(open_map: MapPages) -> None:
    page = open_map(n=1_000_000)
    assert page.evaluate("map.view.n") == 1_000_000
    first = picture(page)
    assert (first != 255).any(axis=2).mean() > 0.05
    wrong = page.evaluate(
        """async () => {
            const { distances } = await map.codes.distances(map.first, 10);
            map.view.setLook({ classes: distances, palette: map.distancePalette(64, false) });
            let wrong = 0;
            for (let i = 0; i < map.view.n; i += 997) {
                let bits = 0;
                for (let byte = 0; byte < 8; byte++) {
                    for (let rest = map.bytes[8 * i + byte] ^ map.first[byte]; rest; rest &= rest - 1) bits++;
                }
                if (bits !== distances[i]) wrong++;
            }
            return wrong;
        }"""
    )
    assert wrong == 0
    assert (picture(page) != first).any()
    page.mouse.move(400, 300)
    page.mouse.down()
    page.mouse.move(550, 350, steps=8)
    page.mouse.up()
    until(page, "!map.view.moving")


@pytest.mark.parametrize("width", [360, 900])
def test_the_canvas_follows_its_host(open_map: MapPages, width: int) -> None:
    page = open_map(viewport={"width": width, "height": 500}, device_scale_factor=2)
    picture(page)
    assert page.evaluate("[map.view.renderer.canvas.width, map.view.renderer.canvas.height]") == [2 * width, 1000]
    page.set_viewport_size({"width": width - 60, "height": 400})
    until(page, f"map.view.renderer.canvas.width === {2 * (width - 60)}")


def test_axe_finds_nothing_to_complain_of(open_map: MapPages) -> None:
    page = open_map()
    assert Axe().run(page).response["violations"] == []
