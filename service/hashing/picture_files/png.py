"""PNG files, chunk by chunk.

Source: W3C, "Portable Network Graphics (PNG) Specification (Third Edition)", sections 5, 11.2 and 11.3.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

from service.errors import InvalidContent
from service.hashing.picture_files.bare import BarePicture, check_size
from service.hashing.picture_files.exif import orientation_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 10_000
"""Most chunks of a file; common encoders put 8 KiB of pixels or more into each."""
MAX_NOTES_BYTES = 4 << 20
"""Most bytes that compressed texts and color profiles may inflate to, together."""

_STEP_IN, _STEP_OUT = 16 << 10, 1 << 20
# Color type: number of channels, allowed bits of each.
_COLOR_TYPES = {0: (1, {1, 2, 4, 8, 16}), 2: (3, {8, 16}), 3: (1, {1, 2, 4, 8}), 4: (2, {8, 16}), 6: (4, {8, 16})}
_PALETTE = 3
# First column, first row, column step, row step of each pass of Adam7.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_DRAWING = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


def read_png(data: bytes) -> BarePicture:
    """What draws the picture of a PNG file.

    Cost: its pixels are inflated once, in pieces of a megabyte, never more of them than its size needs.

    Raises:
        InvalidContent: the file is damaged, cut short, animated, too large in pixels, or a decompression bomb.
    """
    single: dict[bytes, bytes] = {}
    pixels: list[bytes] = []
    notes_bytes = 0
    for kind, body in _chunks(data):
        if not single and kind != b"IHDR":
            raise InvalidContent(f"image is damaged: its first PNG chunk must be IHDR, got {_name(kind)}")
        if kind == b"IDAT":
            pixels.append(body)
        elif kind == b"acTL" and body[:4] != b"\0\0\0\1":
            raise InvalidContent("image must be a still picture, got an animated PNG")
        elif kind in (b"zTXt", b"iTXt", b"iCCP"):
            notes_bytes += _inflated_note(kind, body, MAX_NOTES_BYTES - notes_bytes)
        single.setdefault(kind, body)
    width, height, n_bytes = _header(single[b"IHDR"], b"PLTE" in single)
    _check_pixels(pixels, n_bytes)
    drawing = [SIGNATURE]
    for kind in _DRAWING:
        bodies = pixels if kind == b"IDAT" else [single[kind]] if kind in single else []
        drawing += [_chunk(kind, body) for body in bodies]
    return BarePicture(b"".join(drawing), width, height, orientation_of(single.get(b"eXIf", b"")))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and data of each chunk up to IEND."""
    at = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if at + 12 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        body = data[at + 8 : end - 4]
        if kind in _DRAWING and zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(data[end - 4 : end], "big"):
            raise InvalidContent(f"image is damaged: the checksum of its PNG chunk {_name(kind)} does not match")
        yield kind, body
        if kind == b"IEND":
            return
        at = end
    else:
        raise InvalidContent(f"image must have at most {MAX_CHUNKS} PNG chunks, got more")
    raise InvalidContent(f"image is cut short: the PNG file ends after {len(data)} bytes, before its chunk IEND")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return b"".join((struct.pack(">I4s", len(body), kind), body, struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))))


def _header(header: bytes, has_palette: bool) -> tuple[int, int, int]:
    """Width, height, and number of bytes that the pixels inflate to."""
    if len(header) != 13:
        raise InvalidContent(f"image is damaged: its PNG chunk IHDR must have 13 bytes, got {len(header)}")
    width, height, depth, color_type, compression, filtering, interlaced = struct.unpack(">IIBBBBB", header)
    check_size(width, height)
    n_channels, depths = _COLOR_TYPES.get(color_type, (0, set()))
    if depth not in depths or compression or filtering or interlaced > 1:
        raise InvalidContent(f"image is damaged: its PNG header says {tuple(header[8:])}, which no PNG can be")
    if color_type == _PALETTE and not has_palette:
        raise InvalidContent("image is damaged: a PNG file of this color type must have a palette, got none")
    sizes = _pass_sizes(width, height) if interlaced else [(width, height)]
    return width, height, sum(rows * (1 + (columns * n_channels * depth + 7) // 8) for columns, rows in sizes)


def _pass_sizes(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Columns and rows of each pass of an interlaced picture that has any."""
    for left, top, right_by, down_by in _PASSES:
        columns, rows = -(-(width - left) // right_by), -(-(height - top) // down_by)
        if columns > 0 and rows > 0:
            yield columns, rows


def _check_pixels(pixels: Iterable[bytes], n_bytes: int) -> None:
    """Refuse pixels that do not inflate to as many bytes as they should."""
    try:
        inflated = _inflated_bytes(pixels, n_bytes)
    except zlib.error as error:
        raise InvalidContent(f"image is damaged: its pixels cannot be inflated, {error}") from None
    if inflated < n_bytes:
        raise InvalidContent(f"image is cut short: its pixels have {inflated} of {n_bytes} bytes")
    if inflated > n_bytes:
        raise InvalidContent(f"image is a decompression bomb: its pixels inflate to more than {n_bytes} bytes")


def _inflated_note(kind: bytes, body: bytes, allowed: int) -> int:
    """Number of bytes that a compressed text or color profile inflates to; 0 if it cannot be inflated.

    Raises:
        InvalidContent: more than `allowed`.
    """
    rest = body.partition(b"\0")[2]  # after the keyword
    if kind != b"iTXt":
        compressed = rest[1:]
    elif rest.startswith(b"\1"):
        compressed = rest[2:].split(b"\0", 2)[-1]  # after language and translated keyword
    else:
        return 0
    try:
        inflated = _inflated_bytes([compressed], allowed)
    except zlib.error:  # nobody reads it
        return 0
    if inflated > allowed:
        raise InvalidContent(
            f"image is a decompression bomb: its texts and color profile, here {_name(kind)}, inflate to more than "
            f"{MAX_NOTES_BYTES} bytes"
        )
    return inflated


def _inflated_bytes(parts: Iterable[bytes], most: int) -> int:
    """Number of bytes that a compressed stream inflates to; counting ends beyond `most`."""
    inflater = zlib.decompressobj()
    n_bytes = 0
    for part in parts:
        for start in range(0, len(part), _STEP_IN):
            piece = part[start : start + _STEP_IN]
            while True:
                n_new = len(inflater.decompress(piece, _STEP_OUT))
                n_bytes += n_new
                if n_bytes > most or inflater.eof:
                    return n_bytes
                piece = inflater.unconsumed_tail
                if not piece and n_new < _STEP_OUT:
                    break
    return n_bytes


def _name(kind: bytes) -> str:
    return repr(kind.decode("latin-1"))
