"""Pictures checked and decoded: the bytes of a PNG or JPEG file to a small square of shades."""

from __future__ import annotations

import base64
import binascii
import threading
from contextlib import nullcontext
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import JpegImagePlugin, PngImagePlugin
from PIL.ImageFile import ImageFile

from service.errors import InvalidContent
from service.hashing.picture_files import jpeg, png
from service.hashing.picture_files.bare import BarePicture

_STRIP_PIXELS = 1 << 20
_LARGE_PIXELS = 1 << 22
_ONE_LARGE = threading.Lock()
"""Held while a large picture is decoded: many at a time would take gigabytes of memory."""
_CHECKED_SIDE = 8
_UNDECODABLE = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError)
_TURNS = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}


def picture_from_base64(encoded: str) -> bytes:
    """The bytes that base64 text stands for; `check_picture` says whether they are a picture.

    Raises:
        InvalidContent: it is not base64 of the standard alphabet (RFC 4648, section 4).
    """
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        hint = ", without the part before the comma of a data: URL" if encoded.startswith("data:") else ""
        raise InvalidContent(f"image must be standard base64 with padding (RFC 4648){hint}: {error}") from None


def check_picture(data: bytes) -> int:
    """Refuse what is no picture that can be hashed; what passes can be decoded at any size, today and in a retrain.

    Blocks: a PNG of 28 x 28 pixels takes .05 ms, a photograph of 12 megapixels 20 ms as JPEG and .7 s as PNG; large
    pictures wait for each other.

    Returns:
        The number of its pixels, with which a caller may bound those of a whole request.

    Raises:
        InvalidContent: the data is no PNG or JPEG, or the picture is damaged, cut short, animated, a decompression
            bomb, empty, or has too many pixels; the message names the rule.
    """
    bare = _bare(data)
    _shades(bare, _CHECKED_SIDE, color=False)
    return bare.width * bare.height


def shades_of(data: bytes, side: int, color: bool = False) -> NDArray[np.uint8]:
    """The picture of a PNG or JPEG file, upright, on white, squeezed to a square.

    Blocks, as `check_picture` does. Cost: in time linear in bytes and pixels; in memory about 8 bytes for each pixel.

    Args:
        data: the bytes of the file.
        side: width and height of the square in pixels.
        color: red, green and blue instead of one shade of gray.

    Returns:
        `(side, side)` uint8 from 0 (black) to 255 (white), or `(side, side, 3)`.

    Raises:
        InvalidContent: `check_picture` refuses the data.
    """
    return _shades(_bare(data), side, color)


def _bare(data: bytes) -> BarePicture:
    if data.startswith(png.SIGNATURE):
        return png.read_png(data)
    if data.startswith(jpeg.SIGNATURE):
        return jpeg.read_jpeg(data)
    raise InvalidContent(f"image must be the bytes of a PNG or JPEG file, these begin {data[:8]!r}")


def _shades(bare: BarePicture, side: int, color: bool) -> NDArray[np.uint8]:
    mode = "RGB" if color else "L"
    try:
        with _ONE_LARGE if bare.width * bare.height > _LARGE_PIXELS else nullcontext(), _opened(bare.file) as file:
            file.draft(mode, (side, side))  # a JPEG decodes straight to about that size
            small = _flat(file, mode).resize((side, side), PillowImage.Resampling.BILINEAR)
    except _UNDECODABLE as error:
        raise InvalidContent(f"image is damaged: it cannot be decoded, {error}") from None
    turn = _TURNS.get(bare.orientation)
    return np.asarray(small if turn is None else small.transpose(turn))


def _opened(bare: bytes) -> ImageFile:
    kind = PngImagePlugin.PngImageFile if bare.startswith(png.SIGNATURE) else JpegImagePlugin.JpegImageFile
    return kind(BytesIO(bare))


def _flat(image: PillowImage.Image, mode: str) -> PillowImage.Image:
    """The picture in a mode without transparency; in strips, so that a large one is not held several times."""
    image.load()
    if image.mode == mode and not image.has_transparency_data:
        return image
    flat = PillowImage.new(mode, image.size)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        flat.paste(_on_white(strip).convert(mode), (0, top))
    return flat


def _on_white(image: PillowImage.Image) -> PillowImage.Image:
    """The picture without transparency, on white; 16-bit shades cut to 8."""
    if image.mode.startswith("I"):
        shades = np.asarray(image).astype(np.uint16)
        shades[shades == image.info.get("transparency", 0x10000)] = 0xFFFF
        return PillowImage.fromarray((shades >> 8).astype(np.uint8))
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        return PillowImage.alpha_composite(PillowImage.new("RGBA", clear.size, "white"), clear)
    return image
