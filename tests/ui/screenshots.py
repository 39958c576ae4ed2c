"""Pictures of the page for the docs: `python -m tests.ui.screenshots URL` takes them of a running service.

The service must have the collection `docstrings`, as `make demo` makes it. Pictures have 256 colors, to be small.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.ui.pages import DESKTOP, PHONE

FOLDER = Path(__file__).parents[2] / "docs/ui"


class Shot(NamedTuple):
    """One picture: its name, where it is taken, and what is done before."""

    name: str
    address: str
    scheme: str = "light"
    size: tuple[int, int] = DESKTOP
    first: Callable[[Page], object] = lambda page: None


SHOTS = (
    Shot("search", "#/docstrings/search?q=read+a+file", first=lambda page: page.get_by_text("Why?").first.click()),
    Shot("search-dark", "#/docstrings/search?q=read+a+file", "dark"),
    Shot("search-phone", "#/docstrings/search?q=read+a+file", size=PHONE),
    Shot("map", "#/docstrings/map"),
    Shot("bits", "#/docstrings/bits?q=sort+a+list+of+numbers&flip=11&bit=11"),
    Shot("learning", "#/docstrings/learning"),
    Shot("spaces", "#/docstrings/spaces"),
    Shot("documents", "#/docstrings/documents"),
    Shot("document", "#/docstrings/documents?id=zipfile.PyZipFile"),
    Shot("import", "#/docstrings/documents?view=put"),
    Shot("duplicates", "#/docstrings/documents?view=duplicates"),
    Shot("collections", "#/collections"),
    Shot("jobs", "#/docstrings/jobs"),
    Shot("service", "#/service"),
)


def take(url: str, only: set[str]) -> None:
    """Take the pictures of these names, or all."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for shot in SHOTS:
            if not only or shot.name in only:
                width, height = shot.size
                context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=shot.scheme)  # type: ignore[arg-type]
                page = context.new_page()
                page.goto(f"{url}/ui/{shot.address}")
                page.wait_for_load_state("networkidle")
                shot.first(page)
                page.wait_for_timeout(1_500)
                _write(page.screenshot(), FOLDER / f"{shot.name}.png")
                context.close()
        browser.close()


def _write(png: bytes, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)


if __name__ == "__main__":
    take(sys.argv[1], set(sys.argv[2:]))
