"""The one thing that is read of EXIF data: how to turn a photograph upright."""

from __future__ import annotations

import struct

_ORIENTATION = 0x0112


def orientation_of(tiff: bytes) -> int:
    """The orientation in EXIF data, 1 to 8; 1 (upright) if the data says nothing about it or cannot be read.

    Args:
        tiff: the data, which begins with its byte order, `II` or `MM`.
    """
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (n_entries,) = struct.unpack_from(order + "H", tiff, directory)
        for entry in range(directory + 2, directory + 2 + 12 * n_entries, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
            if tag == _ORIENTATION:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:  # an offset leads out of the data: a photograph whose notes are damaged is still a photograph
        return 1
    return 1
