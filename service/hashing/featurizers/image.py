"""Pictures to dense features: decode, turn upright, resize, normalise."""

from __future__ import annotations

from io import BytesIO
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from service.errors import InvalidContent
from service.hashing.content import Contents, Image, of_kind

MAX_PIXELS = 50_000_000
"""Largest picture that is decoded: a small file can claim to be a huge one."""


class ImageFeaturizer:
    """Pixels of a picture, squeezed to a small square.

    Args:
        size: width and height of that square in pixels (28 for digits, 16 to 64 for photographs).
        color: three channels in place of one grey one.
        standardize: subtract the mean picture and divide by one common deviation, so that features are real numbers of
            about unit variance; else they are shades from 0 (black) to 1 (white).
    """

    name = "image"

    def __init__(self, size: int = 32, color: bool = False, standardize: bool = False) -> None:
        self.size = size
        self.color = color
        self.standardize = standardize
        self.mean: NDArray[np.float32] = np.zeros(self.n_features, dtype=np.float32)
        self.scale: NDArray[np.float32] = np.ones(1, dtype=np.float32)

    @property
    def n_features(self) -> int:
        """One feature per pixel and channel."""
        return self.size * self.size * (3 if self.color else 1)

    def fit(self, contents: Contents) -> Self:
        """Learn the mean picture and the common deviation, if asked to standardize."""
        if self.standardize:
            shades = self._shades(contents)
            self.mean = shades.mean(axis=0)
            self.scale = np.maximum(np.sqrt(np.mean((shades - self.mean) ** 2, keepdims=True).ravel()), 1e-6)
        return self

    def transform(self, contents: Contents) -> NDArray[np.float32]:
        """Features of pictures: `(n, n_features)` float32, row by row from the top left, channels last.

        Raises:
            InvalidContent: a picture cannot be decoded, or has more than 50 million pixels.
        """
        shades = self._shades(contents)
        if self.standardize:
            shades -= self.mean
            shades /= self.scale
        return shades

    def _shades(self, contents: Contents) -> NDArray[np.float32]:
        images = of_kind(contents, Image)
        shades = np.empty((len(images), self.n_features), dtype=np.float32)
        for position, image in enumerate(images):
            shades[position] = self._decode(image.data, position).ravel()
        shades /= 255
        return shades

    def _decode(self, data: bytes, position: int) -> NDArray[np.uint8]:
        try:
            with PillowImage.open(BytesIO(data), formats=("PNG", "JPEG")) as file:
                if file.width * file.height > MAX_PIXELS:
                    raise InvalidContent(
                        f"an image must have at most {MAX_PIXELS} pixels, got {file.width} x {file.height}", position
                    )
                mode = "RGB" if self.color else "L"
                file.draft(mode, (self.size, self.size))  # a JPEG decodes straight to about that size
                upright = _on_white(ImageOps.exif_transpose(file)).convert(mode)
                return np.asarray(upright.resize((self.size, self.size), PillowImage.Resampling.BILINEAR))
        except (
            PillowImage.DecompressionBombError,
            UnidentifiedImageError,
            OSError,
            SyntaxError,
            ValueError,
            EOFError,
        ) as error:
            raise InvalidContent(f"the image cannot be decoded: {error}", position) from None

    def state(self) -> tuple[dict[str, object], dict[str, NDArray[np.generic]]]:
        """Hyper-parameters, the mean picture and the common deviation."""
        parameters: dict[str, object] = {"size": self.size, "color": self.color, "standardize": self.standardize}
        return parameters, {"mean": self.mean, "scale": self.scale} if self.standardize else {}

    @classmethod
    def restore(cls, parameters: dict[str, object], arrays: dict[str, NDArray[np.generic]]) -> Self:
        """The featurizer whose `state` that was."""
        featurizer = cls(**cast("dict[str, int]", parameters))  # type: ignore[arg-type]
        if featurizer.standardize:
            featurizer.mean = arrays["mean"].astype(np.float32)
            featurizer.scale = arrays["scale"].astype(np.float32)
        return featurizer


def _on_white(image: PillowImage.Image) -> PillowImage.Image:
    """The picture without transparency, on white; 16-bit shades cut to 8."""
    if image.mode.startswith("I"):
        return PillowImage.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        return PillowImage.alpha_composite(PillowImage.new("RGBA", clear.size, "white"), clear)
    return image
