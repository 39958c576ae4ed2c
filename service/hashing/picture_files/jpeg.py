"""JPEG files, marker by marker.

Source: ITU-T T.81 (1992), "Digital compression and coding of continuous-tone still images", annex B.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from service.errors import InvalidContent
from service.hashing.picture_files.bare import BarePicture, check_size
from service.hashing.picture_files.exif import orientation_of

SIGNATURE = b"\xff\xd8\xff"
MAX_SEGMENTS = 10_000
"""Most segments of a file, up to the end of its first picture."""
MAX_SCANS = 32
"""Most scans of a picture: each goes over all of its pixels, and a file can hold many that are nearly empty."""

# Of a run of fill bytes the last one belongs to the marker; ff 00 and ff d0 to ff d7 belong to the pixels.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_START, _END, _SCAN, _EXIF, _ADOBE = 0xD8, 0xD9, 0xDA, 0xE1, 0xEE
_TABLES = {0xC4, 0xCC, 0xDB, 0xDC, 0xDD}
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, _START, _END}


def read_jpeg(data: bytes) -> BarePicture:
    """What draws the first picture of a JPEG file.

    Raises:
        InvalidContent: the file is damaged, cut short, too large in pixels, or has too many scans.
    """
    pieces, frames = [b"\xff\xd8"], []
    n_scans, orientation, entropy = 0, 1, len(data)
    for marker, start, end in _segments(data):
        pieces.append(data[entropy:start])  # the pixels since the last scan began
        entropy = len(data)
        if marker == _EXIF and data[start + 4 : start + 10] == b"Exif\0\0" and orientation == 1:
            orientation = orientation_of(data[start + 10 : end])
        elif marker in _FRAMES:
            frames.append(data[start + 4 : end])
        elif marker == _SCAN:
            n_scans, entropy = n_scans + 1, end
        if marker in _FRAMES or marker in _TABLES or marker in (_SCAN, _END, _ADOBE):
            pieces.append(data[start:end])
    if n_scans > MAX_SCANS:
        raise InvalidContent(f"image must have at most {MAX_SCANS} JPEG scans, got {n_scans}")
    if len(frames) != 1 or not n_scans:
        raise InvalidContent(
            f"image is damaged: a JPEG file must have one frame and scans, got {len(frames)}, {n_scans}"
        )
    width, height = _size(frames[0])
    return BarePicture(b"".join(pieces), width, height, orientation)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment after the first marker, up to the end of the first picture."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            break
        marker, start = found[1][0], found.start()
        length = 0 if marker in _ALONE else int.from_bytes(data[start + 2 : start + 4], "big")
        at = start + 2 + length
        if at > len(data):
            break
        yield marker, start, at
        if marker == _END:
            return
    else:
        raise InvalidContent(f"image must have at most {MAX_SEGMENTS} JPEG segments, got more")
    raise InvalidContent(f"image is cut short: the JPEG file ends after {len(data)} bytes, before its end marker")


def _size(frame: bytes) -> tuple[int, int]:
    """Width and height in the header of a frame."""
    if len(frame) < 6:
        raise InvalidContent(f"image is damaged: the header of a JPEG frame has 6 bytes or more, got {len(frame)}")
    width, height = int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")
    check_size(width, height)
    return width, height
