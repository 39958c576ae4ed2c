"""PNG files put together chunk by chunk, as no encoder would."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, body=b""):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width, height, depth=8, color_type=0, interlaced=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlaced))


def png(*chunks):
    return SIGNATURE + b"".join(chunks) + chunk(b"IEND")


def gray(*notes, side=4, pixels=None):
    """A gray picture of `side` x `side` black pixels, with other chunks before its pixels."""
    raw = bytes(side * (side + 1)) if pixels is None else pixels
    return png(header(side, side), *notes, chunk(b"IDAT", zlib.compress(raw)))
