"""What the page costs a browser: its size, the first answer, and a million points that are moved and recolored.

    python -m benchmarks.ui [--points 1000000] [--seconds 4] [--json FILE]

Needs chromium. Frames are counted while the map moves on its own: with all points in each frame, and as people get it,
where a slow frame makes the next ones draw fewer points. WebGL is computed on the CPU here, as on a machine without a
GPU, where the page takes the 2D canvas instead; figures of a GPU need a machine that has one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.table import Table

from benchmarks.serve import Http
from benchmarks.start import serving
from service.web.page import Page as ServedPage
from tests.ui.map_pages import SOFTWARE_WEBGL, MapPages
from tests.ui.map_pages import serving as serving_map

N_RECOLORS = 15
console = Console()

PAN = """async ([seconds, whole]) => {
    const { view } = map, times = [];
    const draw = view.renderer.draw.bind(view.renderer);
    if (whole) view.renderer.draw = (frame) => draw({ ...frame, step: 1 });
    let last = performance.now();
    const ends = last + 1000 * seconds;
    while (performance.now() < ends) {
        view.pointer.gestures.pan(6 * Math.sin(performance.now() / 300), 4 * Math.cos(performance.now() / 300));
        await new Promise(requestAnimationFrame);
        times.push(performance.now() - last);
        last = performance.now();
    }
    view.renderer.draw = draw;
    times.sort((a, b) => a - b);
    const whole_ms = times.reduce((a, b) => a + b, 0);
    return { fps: (1000 * times.length) / whole_ms, median_ms: times[times.length >> 1], step: view.detail.step };
}"""

RECOLOR = """async (n) => {
    const { view, codes, bytes, nBits } = map, taken = [];
    for (let i = 0; i < n; i++) {
        const code = bytes.slice((i * nBits) / 8, ((i + 1) * nBits) / 8), began = performance.now();
        const { distances, took_ms } = await codes.distances(code, 25);
        const counted = performance.now();
        view.setLook({ classes: distances, palette: map.distancePalette(nBits, false) });
        await new Promise(requestAnimationFrame);
        taken.push([took_ms, counted - began, performance.now() - began]);
    }
    return [0, 1, 2].map((part) => Math.min(...taken.map((one) => one[part])));
}"""


def sizes() -> dict[str, Any]:
    """Bytes of the page, each file compressed by gzip as it is sent: all of it, and the part that the map is."""
    compressed = {name: len(file.compressed) for name, file in ServedPage.read().files.items()}
    of_map = sum(size for name, size in compressed.items() if name.startswith("map/"))
    return {"page_gzip_bytes": sum(compressed.values()), "map_gzip_bytes": of_map, "n_files": len(compressed)}


def first_answer(browser: Browser) -> dict[str, Any]:
    """Milliseconds from opening a link to a search, with an empty cache, until its results are there."""
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "docstrings.jsonl"
        subprocess.run([sys.executable, "-m", "tests.ui.corpus", str(lines)], check=True, capture_output=True)
        documents = [json.loads(line) for line in lines.read_text().splitlines()]
        with serving(Path(folder)) as (http, _, _):
            fill(http, documents)
            times = [open_search(browser, f"http://127.0.0.1:{http.socket.getpeername()[1]}") for _ in range(5)]
    return {"first_answer_ms": min(times), "documents": len(documents)}


def fill(http: Http, documents: list[dict[str, Any]]) -> None:
    """Make a collection of the documents."""
    http.call("PUT", "/v1/collections/docs", {"kind": "text"})
    for at in range(0, len(documents), 500):
        http.call("POST", "/v1/collections/docs/documents", {"documents": documents[at : at + 500]})


def open_search(browser: Browser, url: str) -> float:
    """Milliseconds until a search that a new window opens shows its first result."""
    context = browser.new_context()
    page = context.new_page()
    began = time.perf_counter()
    page.goto(f"{url}/ui/#/docs/search?q=temporary+directory", wait_until="commit")
    page.wait_for_selector(".result")
    took_ms = (time.perf_counter() - began) * 1000
    context.close()
    return took_ms


def moving(page: Page, seconds: float) -> dict[str, Any]:
    """Frames a second while the map moves, with all points in each frame and as people get it."""
    whole = page.evaluate(PAN, [seconds, True])
    adapted = page.evaluate(PAN, [seconds, False])
    return {"all_points": whole, "adapted": adapted}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, Any] = sizes()
    with sync_playwright() as playwright, serving_map() as url:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", *SOFTWARE_WEBGL]
        )
        figures |= first_answer(browser)
        pages = MapPages(browser, url)
        for renderer in ["canvas", "webgl"]:
            page = pages(arguments.points, renderer, viewport={"width": 1200, "height": 800})
            figures[renderer] = moving(page, arguments.seconds)
            names = ["worker_ms", "answer_ms", "recolor_ms"]
            figures[renderer] |= dict(zip(names, page.evaluate(RECOLOR, N_RECOLORS), strict=True))
            page.context.close()
        browser.close()
    show(figures, arguments.points)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))


def show(figures: dict[str, Any], n: int) -> None:
    """Print the figures as a table."""
    table = Table("figure", "2D canvas", "WebGL on the CPU", title=f"{n:,} points in 1200 x 800 pixels")
    for name, of in [
        ("frames a second while panning, all points", lambda one: f"{one['all_points']['fps']:.1f}"),
        (
            "the same, as people get it",
            lambda one: f"{one['adapted']['fps']:.1f}, 1 point of {one['adapted']['step']:.0f}",
        ),
        ("distances to all codes, in the worker", lambda one: f"{one['worker_ms']:.1f} ms"),
        ("until the page has them", lambda one: f"{one['answer_ms']:.1f} ms"),
        ("until all points have their new color", lambda one: f"{one['recolor_ms']:.1f} ms"),
    ]:
        table.add_row(name, of(figures["canvas"]), of(figures["webgl"]))
    console.print(table)
    console.print(
        f"first answer {figures['first_answer_ms']:.0f} ms with {figures['documents']} documents, empty cache"
    )
    console.print(
        f"page {figures['page_gzip_bytes']:,} bytes in {figures['n_files']} files, map {figures['map_gzip_bytes']:,}"
    )


if __name__ == "__main__":
    main()
