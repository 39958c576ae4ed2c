"""A small picture, for tests in which pictures are stored and encoded."""

from __future__ import annotations

from io import BytesIO

from PIL import Image


def png(shade: int = 0, size: int = 4) -> bytes:
    """A PNG file of one shade of grey, 0 to 255."""
    file = BytesIO()
    Image.new("L", (size, size), shade).save(file, "PNG")
    return file.getvalue()


PNG = png()
