import struct
import zlib

import pytest

from service.errors import InvalidContent
from service.hashing.picture_files.png import MAX_NOTES_BYTES, read_png
from tests.hashing.picture_files.png_chunks import chunk, gray, header, png

BOMB = zlib.compress(bytes(MAX_NOTES_BYTES + 1), 9)


def test_only_chunks_that_draw_the_picture_are_kept_and_the_size_is_known():
    notes = [chunk(b"tEXt", b"Comment\0of nobody"), chunk(b"zTXt", b"k\0\0" + zlib.compress(b"text")), chunk(b"abCd")]
    bare = read_png(gray(*notes) + b"what follows the end")
    assert (bare.width, bare.height, bare.orientation) == (4, 4, 1)
    assert bare.file == gray()


def test_the_orientation_comes_from_the_exif_chunk():
    exif = b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0"
    assert read_png(gray(chunk(b"eXIf", exif))).orientation == 6


@pytest.mark.parametrize("pixels", [b"", bytes(19)])
def test_pixels_that_are_too_few_are_a_file_cut_short(pixels):
    with pytest.raises(InvalidContent, match=rf"its pixels have {len(pixels)} of 20 bytes"):
        read_png(gray(pixels=pixels))


@pytest.mark.parametrize("n_bytes", [21, 100_000_000])
def test_pixels_that_are_more_than_the_size_says_are_a_bomb(n_bytes):
    with pytest.raises(InvalidContent, match="decompression bomb: its pixels inflate to more than 20 bytes"):
        read_png(gray(pixels=bytes(n_bytes)))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"zTXt", b"keyword\0\0" + BOMB),
        (b"iCCP", b"profile\0\0" + BOMB),
        (b"iTXt", b"keyword\0\1\0en\0keyword\0" + BOMB),
    ],
)
def test_a_text_or_color_profile_that_inflates_to_megabytes_is_a_bomb(kind, body):
    with pytest.raises(InvalidContent, match=rf"decompression bomb: .*'{kind.decode()}', inflate to more than 4194304"):
        read_png(gray(chunk(kind, body)))


def test_many_texts_are_a_bomb_together():
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(MAX_NOTES_BYTES // 4)))
    assert read_png(gray(*[text] * 4))
    with pytest.raises(InvalidContent, match="decompression bomb"):
        read_png(gray(*[text] * 5))


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt"])
@pytest.mark.parametrize("body", [b"", b"k", b"k\0", b"k\0\1", b"k\0\1\0no stream"])
def test_a_text_that_cannot_be_inflated_harms_nobody(kind, body):
    assert read_png(gray(chunk(kind, body))).file == gray()


def test_an_animated_picture_is_refused_and_an_animation_of_one_picture_is_none():
    assert read_png(gray(chunk(b"acTL", struct.pack(">II", 1, 0))))
    for control in (struct.pack(">II", 2, 0), b""):
        with pytest.raises(InvalidContent, match="must be a still picture, got an animated PNG"):
            read_png(gray(chunk(b"acTL", control)))


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (0, 4, "at least one pixel wide and high, got 0 x 4"),
        (4, 0, "at least one pixel wide and high, got 4 x 0"),
        (70_000, 1, "at most 65535 pixels wide and high, got 70000 x 1"),
        (7_072, 7_072, "at most 50000000 pixels, got 7072 x 7072"),
        (2**32 - 1, 2**32 - 1, "at most 65535 pixels wide and high, got 4294967295 x 4294967295"),
    ],
)
def test_a_size_without_pixels_or_with_too_many_is_refused(width, height, reason):
    with pytest.raises(InvalidContent, match=reason):
        read_png(png(header(width, height), chunk(b"IDAT", zlib.compress(b""))))


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (png(chunk(b"IDAT"), header(4, 4)), "first PNG chunk must be IHDR, got 'IDAT'"),
        (png(chunk(b"IHDR", bytes(12))), "IHDR must have 13 bytes, got 12"),
        (png(header(4, 4, depth=3)), r"its PNG header says \(3, 0, 0, 0, 0\)"),
        (png(header(4, 4, depth=4, color_type=2)), r"its PNG header says \(4, 2, 0, 0, 0\)"),
        (png(header(4, 4, color_type=5)), r"its PNG header says \(8, 5, 0, 0, 0\)"),
        (png(header(4, 4, color_type=3)), "must have a palette, got none"),
        (png(header(4, 4), chunk(b"IDAT", b"no stream")), "its pixels cannot be inflated"),
        (png(header(4, 4)), "its pixels have 0 of 20 bytes"),
        (gray().replace(b"IDAT", b"IDAX"), "its pixels have 0 of 20 bytes"),
        (gray()[:29] + b"\0" + gray()[30:], "the checksum of its PNG chunk 'IHDR' does not match"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_damaged(file, reason):
    with pytest.raises(InvalidContent, match=reason):
        read_png(file)


def test_a_file_that_is_cut_anywhere_is_refused_as_cut_short():
    whole = gray(chunk(b"tEXt", b"Comment\0text"))
    for end in range(8, len(whole)):
        with pytest.raises(InvalidContent, match=rf"cut short: the PNG file ends after {end} bytes"):
            read_png(whole[:end])


def test_a_file_of_countless_chunks_is_refused():
    with pytest.raises(InvalidContent, match="at most 10000 PNG chunks, got more"):
        read_png(gray(chunk(b"abCd") * 10_000))
