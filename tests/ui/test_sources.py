"""What no file of the page may contain, and how large they may be together."""

from __future__ import annotations

import re
from pathlib import Path

from service.web.page import FOLDER, MEDIA_TYPES, Page

FORBIDDEN = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySetInnerHTML|\beval\(|new Function"
OWN = [path for path in sorted(FOLDER.rglob("*")) if path.suffix in MEDIA_TYPES and path.parent.name != "vendor"]
MOST_BYTES = 150_000


def test_texts_reach_the_page_as_text_only() -> None:
    found = [f"{path.name}: {match}" for path in OWN for match in re.findall(FORBIDDEN, path.read_text())]
    assert found == []


def test_nothing_names_another_origin() -> None:
    allowed = ("http://www.w3.org/",)  # names of XML
    urls = [(path.name, url) for path in OWN for url in re.findall(r"\bhttps?://[^\s\"'`)]+", path.read_text())]
    assert [one for one in urls if not one[1].startswith(allowed)] == []


def test_each_import_leads_to_a_file() -> None:
    for path in OWN:
        if path.suffix == ".js":
            for target in re.findall(r"""(?:from|import\()\s*"(\.[^"]+)\"""", path.read_text()):
                file = Path(path.parent, target).resolve()
                assert file.is_file() or file.with_suffix(".d.ts").is_file(), f"{path.name} imports {target}"


def test_the_whole_page_is_small() -> None:
    assert sum(len(file.compressed) for file in Page.read().files.values()) < MOST_BYTES
