import base64
import io
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL import ImageOps

from service.errors import InvalidContent
from service.hashing.pictures import check_picture, picture_from_base64, shades_of
from tests.hashing.picture_files.png_chunks import chunk, gray, header, png

RANDOM = np.random.default_rng(0)
COLORS = PillowImage.fromarray(RANDOM.integers(0, 256, (24, 40, 4), dtype=np.uint8))
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def encoded(picture, format="PNG", **options):
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def in_mode(mode):
    if mode == "I;16":
        return PillowImage.fromarray(RANDOM.integers(0, 1 << 16, (24, 40), dtype=np.uint16))
    return COLORS.convert(mode)


def turned(orientation):
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    return exif


PHOTOGRAPH = (Path(sklearn.datasets.__file__).parent / "images" / "flower.jpg").read_bytes()
FILES = {
    **{f"png {mode}": encoded(in_mode(mode)) for mode in MODES},
    "png with a transparent shade": encoded(COLORS.convert("L"), transparency=7),
    "png with a transparent color": encoded(COLORS.convert("RGB"), transparency=(1, 2, 3)),
    "png with a transparent palette": encoded(COLORS.convert("RGB").quantize(16), transparency=bytes(range(16))),
    "png with a transparent 16-bit shade": encoded(in_mode("I;16"), transparency=700),
    "png turned": encoded(COLORS, exif=turned(5)),
    **{f"jpeg {mode}": encoded(COLORS.convert(mode), "JPEG") for mode in ("L", "RGB", "CMYK")},
    "jpeg progressive": encoded(COLORS.convert("RGB"), "JPEG", progressive=True),
    "jpeg restarted": encoded(COLORS.convert("RGB"), "JPEG", restart_marker_blocks=1),
    "jpeg turned": encoded(COLORS.convert("RGB"), "JPEG", exif=turned(6)),
    "jpeg of red, green and blue": encoded(COLORS.convert("RGB"), "JPEG", keep_rgb=True),
}


def on_white(picture):
    """What the picture should look like, from whole pictures and by the slow way."""
    upright = ImageOps.exif_transpose(picture)
    if upright.mode == "I;16":
        shades = np.asarray(upright).copy()
        if (clear := picture.info.get("transparency")) is not None:
            shades[shades == clear] = 0xFFFF
        return PillowImage.fromarray((shades >> 8).astype(np.uint8))
    white = PillowImage.new("RGBA", upright.size, "white")
    return PillowImage.alpha_composite(white, upright.convert("RGBA")).convert("RGB")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("color", [False, True])
def test_every_kind_of_picture_looks_as_it_should(name, color):
    data = FILES[name]
    assert check_picture(data) == 24 * 40
    expected = on_white(PillowImage.open(io.BytesIO(data))).convert("RGB" if color else "L")
    expected = np.asarray(expected.resize((20, 20), PillowImage.Resampling.BILINEAR)).astype(int)
    assert np.abs(shades_of(data, 20, color) - expected).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_upright_as_its_exif_says(orientation):
    data = encoded(COLORS, exif=turned(orientation))
    expected = ImageOps.exif_transpose(PillowImage.open(io.BytesIO(data)))
    upright = encoded(PillowImage.fromarray(np.asarray(expected)))
    assert np.abs(shades_of(data, 20).astype(int) - shades_of(upright, 20)).max() <= 1


def test_a_picture_larger_than_a_strip_is_put_together_without_a_seam():
    ramp = np.repeat(np.arange(256, dtype=np.uint8), 8)
    large = PillowImage.fromarray(np.tile(ramp[:, None], (1, 1200))).convert("RGBA")
    small = PillowImage.fromarray(np.tile(ramp[::8, None], (1, 150)))
    np.testing.assert_allclose(shades_of(encoded(large), 64), shades_of(encoded(small), 64), atol=1)


def mutations(data):
    """The file with some of its bytes changed, cut out, put in again, or cut off."""
    place = st.integers(0, len(data) - 1)
    change = st.tuples(st.just("change"), place, st.binary(min_size=1, max_size=4))
    cut = st.tuples(st.just("cut"), place, st.binary(min_size=1, max_size=20))
    insert = st.tuples(st.just("insert"), place, st.binary(min_size=1, max_size=20))
    end = st.tuples(st.just("end"), place, st.just(b""))

    def changed(edits):
        out = bytearray(data)
        for what, at, value in edits:
            match what:
                case "change":
                    out[at : at + len(value)] = value
                case "cut":
                    del out[at : at + len(value)]
                case "insert":
                    out[at:at] = value
                case "end":
                    del out[at:]
        return bytes(out)

    return st.lists(change | cut | insert | end, min_size=1, max_size=3).map(changed)


def is_refused_or_decoded_at_every_size(data):
    try:
        check_picture(data)
    except InvalidContent:
        return
    for side, color in ((1, True), (16, False), (100, True)):
        assert shades_of(data, side, color).shape[:2] == (side, side)


@pytest.mark.parametrize("name", FILES)
@given(st.data())
def test_a_damaged_file_is_refused_or_decoded_at_every_size(name, data):
    is_refused_or_decoded_at_every_size(data.draw(mutations(FILES[name])))


@given(mutations(PHOTOGRAPH))
def test_a_damaged_photograph_is_refused_or_decoded_at_every_size(data):
    is_refused_or_decoded_at_every_size(data)


@st.composite
def odd_pngs(draw):
    """Files whose chunks and checksums are right and whose content is anything."""
    n_channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    color_type, depth = draw(st.sampled_from(sorted(n_channels))), draw(st.sampled_from([1, 2, 4, 8, 16]))
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    row = 1 + (width * n_channels[color_type] * depth + 7) // 8
    filters = draw(st.sampled_from([range(5), range(256)]))
    rows = [bytes([draw(st.sampled_from(filters))]) + draw(st.binary(min_size=row - 1, max_size=row - 1))] * height
    chunks = [header(width, height, depth, color_type)]
    for kind in (b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"pHYs", b"eXIf", b"iCCP", b"acTL", b"fcTL", b"fdAT"):
        if draw(st.booleans()):
            chunks.append(chunk(kind, draw(st.binary(max_size=20))))
    return png(*chunks, chunk(b"IDAT", zlib.compress(b"".join(rows))))


@given(odd_pngs())
def test_a_file_of_odd_content_is_refused_or_decoded_at_every_size(data):
    is_refused_or_decoded_at_every_size(data)


def test_every_size_that_is_interlaced_has_as_many_bytes_as_it_should():
    for side in range(1, 18):
        columns_rows = [
            (-(-(side - x) // dx), -(-(side - y) // dy))
            for x, y, dx, dy in (
                (0, 0, 8, 8),
                (4, 0, 8, 8),
                (0, 4, 4, 8),
                (2, 0, 4, 4),
                (0, 2, 2, 4),
                (1, 0, 2, 2),
                (0, 1, 1, 2),
            )
        ]
        raw = b"".join((b"\0" + bytes(columns)) * rows for columns, rows in columns_rows if columns > 0)
        data = png(header(side, side, interlaced=1), chunk(b"IDAT", zlib.compress(raw)))
        assert check_picture(data) == side * side


@pytest.mark.parametrize("start", [b"", b"GIF89a", b"RIFF....WEBP", b"\x89PNG", b"<svg", b"BM"])
def test_other_bytes_are_no_picture(start):
    with pytest.raises(InvalidContent, match="must be the bytes of a PNG or JPEG file, these begin"):
        check_picture(start)


def test_an_animated_png_of_an_encoder_is_refused():
    frames = [PillowImage.new("L", (8, 8), shade) for shade in (0, 255)]
    with pytest.raises(InvalidContent, match="still picture"):
        check_picture(encoded(frames[0], save_all=True, append_images=frames[1:]))


def test_a_picture_of_several_jpegs_is_its_first():
    frames = [PillowImage.new("L", (8, 8), shade) for shade in (0, 255)]
    several = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert shades_of(several, 4).max() == 0


def test_pixels_that_no_decoder_takes_are_refused():
    with pytest.raises(InvalidContent, match="damaged: it cannot be decoded"):
        check_picture(gray(pixels=b"\7\0\0\0\0" * 4))


def test_large_pictures_wait_for_each_other_and_all_are_decoded():
    large = encoded(PillowImage.new("L", (2100, 2100), 90))
    found = []
    threads = [threading.Thread(target=lambda: found.append(int(shades_of(large, 2).max()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [90] * 4


def test_base64_stands_for_bytes_and_anything_else_is_refused_with_the_reason():
    data = FILES["png L"]
    text = base64.b64encode(data).decode()
    assert picture_from_base64(text) == data
    for wrong in ("a", "a?==", "é", text + "\n", "-_-_"):
        with pytest.raises(InvalidContent, match="must be standard base64 with padding"):
            picture_from_base64(wrong)
    with pytest.raises(InvalidContent, match="without the part before the comma of a data: URL"):
        picture_from_base64("data:image/png;base64," + text)
