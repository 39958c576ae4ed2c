from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from service.cli.demo.neighbor_sheet import Neighbor, Row, characters, write_sheet

DARK, BRIGHT = np.zeros((8, 8), dtype=np.uint8), np.full((8, 8), 255, dtype=np.uint8)


def test_a_sheet_has_a_row_for_each_query_with_every_neighbor_on_it(tmp_path: Path) -> None:
    rows = [Row(DARK, [Neighbor(BRIGHT, 1, True)] * 3), Row(DARK, [Neighbor(BRIGHT, 2, False)] * 4)]
    write_sheet(tmp_path / "sheet.png", "title", rows)
    with PillowImage.open(tmp_path / "sheet.png") as sheet:
        colors = {color: n for n, color in sheet.getcolors(1 << 20)}
    assert colors[(42, 127, 63)] > 3 * 4 * 64
    assert colors[(192, 57, 43)] > 4 * 4 * 64
    assert colors[(0, 0, 0)] >= 2 * 64 * 64


def test_a_terminal_shows_shades_as_characters_and_what_is_wrong() -> None:
    shades = DARK.copy()
    shades[0] = 255
    found = [Neighbor(BRIGHT, 3, True), Neighbor(shades, 12, False)]
    lines = characters(Row(shades, found)).split("\n")
    assert lines[0] == "  ".join(["@" * 16] * 3)
    assert lines[1] == " " * 18 + "@" * 16
    assert lines[8] == "query             3 bits            12 bits, wrong"
    assert len(lines) == 9
