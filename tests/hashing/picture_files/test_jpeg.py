import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from service.errors import InvalidContent
from service.hashing.picture_files.jpeg import read_jpeg


def jpeg(width=24, height=16, **options):
    file = io.BytesIO()
    shades = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    PillowImage.fromarray(shades).save(file, "JPEG", **options)
    return file.getvalue()


def segment(marker, body):
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def with_segment(file, added):
    """The file with a segment after its first marker."""
    return file[:2] + added + file[2:]


def test_only_what_draws_the_picture_is_kept_and_the_size_is_known():
    whole = jpeg(comment=b"of nobody", icc_profile=b"p" * 70_000)
    bare = read_jpeg(whole)
    assert (bare.width, bare.height, bare.orientation) == (24, 16, 1)
    assert len(bare.file) < len(whole) - 70_000
    assert PillowImage.open(io.BytesIO(bare.file)).tobytes() == PillowImage.open(io.BytesIO(whole)).tobytes()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}])
def test_every_kind_of_scan_keeps_its_pixels(options):
    whole = jpeg(**options)
    bare = PillowImage.open(io.BytesIO(read_jpeg(whole).file))
    assert bare.tobytes() == PillowImage.open(io.BytesIO(whole)).tobytes()


def test_the_first_picture_of_several_is_the_picture():
    first, second = jpeg(), jpeg(width=8)
    assert read_jpeg(first + second) == read_jpeg(first)


def test_a_thumbnail_within_the_exif_data_is_not_the_picture():
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    bare = read_jpeg(with_segment(jpeg(exif=exif), segment(0xE1, b"Exif\0\0" + jpeg(width=8))))
    assert (bare.width, bare.orientation) == (24, 6)


def test_fill_bytes_before_a_marker_are_skipped():
    assert read_jpeg(with_segment(jpeg(), b"\xff" * 100_000)).file == read_jpeg(jpeg()).file


def test_a_file_that_is_cut_anywhere_is_refused_as_cut_short():
    whole = jpeg()
    for end in range(3, len(whole)):
        with pytest.raises(InvalidContent, match=rf"cut short: the JPEG file ends after {end} bytes"):
            read_jpeg(whole[:end])


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (0, 8, "at least one pixel wide and high, got 0 x 8"),
        (8, 0, "at least one pixel wide and high, got 8 x 0"),
        (10_000, 5_001, "at most 50000000 pixels, got 10000 x 5001"),
    ],
)
def test_a_size_without_pixels_or_with_too_many_is_refused(width, height, reason):
    whole = bytearray(jpeg())
    at = whole.index(b"\xff\xc0") + 5
    whole[at : at + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    with pytest.raises(InvalidContent, match=reason):
        read_jpeg(bytes(whole))


def test_a_file_without_a_frame_or_with_two_is_refused():
    whole = jpeg()
    at = whole.index(b"\xff\xc0")
    frame = whole[at : at + 2 + int.from_bytes(whole[at + 2 : at + 4], "big")]
    with pytest.raises(InvalidContent, match="one frame and scans, got 0, 1"):
        read_jpeg(whole.replace(frame, b""))
    with pytest.raises(InvalidContent, match="one frame and scans, got 2, 1"):
        read_jpeg(whole.replace(frame, frame * 2))
    with pytest.raises(InvalidContent, match="has 6 bytes or more, got 2"):
        read_jpeg(whole.replace(frame, segment(0xC0, b"ab")))
    with pytest.raises(InvalidContent, match="one frame and scans, got 0, 0"):
        read_jpeg(b"\xff\xd8\xff\xd9")


def test_a_file_of_countless_scans_or_segments_is_refused():
    whole = jpeg(progressive=True)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    with pytest.raises(InvalidContent, match=r"at most 32 JPEG scans, got 10\d"):
        read_jpeg(whole[:-2] + scan * 100 + b"\xff\xd9")
    with pytest.raises(InvalidContent, match="at most 10000 JPEG segments, got more"):
        read_jpeg(with_segment(whole, segment(0xFE, b"") * 10_000))
