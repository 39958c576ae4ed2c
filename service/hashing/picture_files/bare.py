"""A picture file without anything that does not draw the picture."""

from __future__ import annotations

from dataclasses import dataclass

from service.errors import InvalidContent

MAX_PIXELS = 50_000_000
"""Most pixels of one picture: a small file can claim to be a huge one."""
MAX_SIDE = 65_535
"""Greatest width and height in pixels; no JPEG can be wider or higher."""


@dataclass(frozen=True, slots=True)
class BarePicture:
    """What a picture file says of the picture.

    Attributes:
        file: a PNG or JPEG file that holds only what draws the picture.
        width, height: of the picture as it is stored, in pixels.
        orientation: how to turn it upright, 1 to 8 as EXIF counts; 1: it is upright.
    """

    file: bytes
    width: int
    height: int
    orientation: int


def check_size(width: int, height: int) -> None:
    """Refuse a picture by the size that its header claims.

    Raises:
        InvalidContent: it has no pixels, or too many.
    """
    if not width or not height:
        raise InvalidContent(f"image must be at least one pixel wide and high, got {width} x {height}")
    if max(width, height) > MAX_SIDE:
        raise InvalidContent(f"image must be at most {MAX_SIDE} pixels wide and high, got {width} x {height}")
    if width * height > MAX_PIXELS:
        raise InvalidContent(f"image must have at most {MAX_PIXELS} pixels, got {width} x {height}")
