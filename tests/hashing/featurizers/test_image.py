import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from service.errors import InvalidContent
from service.hashing.content import Image
from service.hashing.featurizers.image import ImageFeaturizer
from tests.hashing.picture_files.png_chunks import chunk, header, png


def encoded(pixels, format="PNG", **options):
    file = io.BytesIO()
    PillowImage.fromarray(pixels).save(file, format, **options)
    return Image(file.getvalue())


def test_a_picture_of_the_right_size_keeps_its_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    features = ImageFeaturizer(size=8).transform([encoded(pixels)])
    np.testing.assert_allclose(features[0].reshape(8, 8), pixels / 255, atol=1e-6)


def test_a_picture_in_color_has_three_channels():
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    pixels[..., 1] = 255
    features = ImageFeaturizer(size=4, color=True).transform([encoded(pixels)])
    np.testing.assert_array_equal(features[0].reshape(4, 4, 3)[2, 2], [0, 1, 0])


def test_a_resized_picture_keeps_its_mean_shade():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    features = ImageFeaturizer(size=8).transform([encoded(pixels)])
    assert features.mean() == pytest.approx(pixels.mean() / 255, abs=0.01)


def test_png_and_jpeg_of_a_picture_look_alike():
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    features = ImageFeaturizer(size=16).transform([encoded(ramp), encoded(ramp, "JPEG", quality=95)])
    np.testing.assert_allclose(features[0], features[1], atol=0.03)


def test_a_photograph_is_turned_upright_as_its_exif_says():
    pixels = np.zeros((8, 8), dtype=np.uint8)
    pixels[0] = 255
    turned = PillowImage.Exif()
    turned[0x0112] = 3  # upside down
    features = ImageFeaturizer(size=8).transform([encoded(pixels, exif=turned)])
    assert features[0].reshape(8, 8)[7].min() == 1.0


def test_what_is_transparent_is_white():
    pixels = np.zeros((4, 4, 4), dtype=np.uint8)
    assert ImageFeaturizer(size=4).transform([encoded(pixels)]).min() == 1.0


def test_sixteen_bit_shades_keep_their_upper_half():
    pixels = np.full((4, 4), 0x8000, dtype=np.uint16)
    assert ImageFeaturizer(size=4).transform([encoded(pixels)]).mean() == pytest.approx(128 / 255)


def test_standardized_features_have_mean_zero_and_unit_deviation():
    rng = np.random.default_rng(0)
    pictures = [encoded(rng.integers(0, 256, (6, 6), dtype=np.uint8)) for _ in range(50)]
    features = ImageFeaturizer(size=6, standardize=True).fit(pictures).transform(pictures)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-5)
    assert np.sqrt((features**2).mean()) == pytest.approx(1, abs=1e-5)


def test_a_picture_that_cannot_be_decoded_is_refused_with_its_place():
    good = encoded(np.zeros((4, 4), dtype=np.uint8))
    cut = Image(good.data[:40])
    with pytest.raises(InvalidContent, match=r"documents\[1\]: image is cut short"):
        ImageFeaturizer(size=4).transform([good, cut])


def test_a_small_file_that_claims_to_be_huge_is_not_decoded():
    bomb = Image(png(header(20_000, 20_000), chunk(b"IDAT")))
    with pytest.raises(InvalidContent, match="at most 50000000 pixels, got 20000 x 20000"):
        ImageFeaturizer().transform([bomb])
