"""Neighbors shown as pictures: a sheet as a PNG file, and lines of characters for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

_SIDE, _GAP, _CAPTION = 64, 10, 14
_PAPER, _INK, _RIGHT, _WRONG = "white", "black", "#2a7f3f", "#c0392b"
_SHADES = " .:-=+*#%@"


class Neighbor(NamedTuple):
    """A picture that was found, `(height, width)` uint8, and whether it shows what the query shows."""

    shades: NDArray[np.uint8]
    distance: int
    is_right: bool


class Row(NamedTuple):
    """A query, which is a picture of `(height, width)` uint8, and what was found for it, nearest first."""

    query: NDArray[np.uint8]
    found: Sequence[Neighbor]


def write_sheet(path: Path, title: str, rows: Sequence[Row]) -> None:
    """Write one row for each query as a PNG file; what was found is framed by whether it is right."""
    n_columns = 1 + max(len(row.found) for row in rows)
    width = n_columns * (_SIDE + _GAP) + 3 * _GAP
    height = 2 * _GAP + _CAPTION + len(rows) * (_SIDE + _CAPTION + _GAP)
    sheet = PillowImage.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, _GAP), title, fill=_INK)
    for number, row in enumerate(rows):
        top = 2 * _GAP + _CAPTION + number * (_SIDE + _CAPTION + _GAP)
        sheet.paste(_enlarged(row.query), (_GAP, top))
        pen.text((_GAP, top + _SIDE + 1), "query", fill=_INK)
        for place, neighbor in enumerate(row.found, start=1):
            left = 3 * _GAP + place * (_SIDE + _GAP)
            color = _RIGHT if neighbor.is_right else _WRONG
            pen.rectangle((left - 2, top - 2, left + _SIDE + 1, top + _SIDE + 1), fill=color)
            sheet.paste(_enlarged(neighbor.shades), (left, top))
            pen.text((left, top + _SIDE + 1), f"{neighbor.distance} bits", fill=color)
    sheet.save(path)


def characters(row: Row) -> str:
    """The query and what was found side by side, two characters for a pixel; a line below has the distances."""
    pictures = [row.query, *(neighbor.shades for neighbor in row.found)]
    columns = [[_line(shades) for shades in picture] for picture in pictures]
    captions = ["query", *(f"{n.distance} bits{'' if n.is_right else ', wrong'}" for n in row.found)]
    columns = [[*lines, caption.ljust(len(lines[0]))] for lines, caption in zip(columns, captions, strict=True)]
    return "\n".join("  ".join(lines).rstrip() for lines in zip(*columns, strict=True))


def _enlarged(shades: NDArray[np.uint8]) -> PillowImage.Image:
    return PillowImage.fromarray(shades).resize((_SIDE, _SIDE), PillowImage.Resampling.NEAREST)


def _line(shades: NDArray[np.uint8]) -> str:
    return "".join(2 * _SHADES[int(shade) * len(_SHADES) // 256] for shade in shades)
