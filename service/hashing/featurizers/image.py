"""Pictures to dense features: shades of a small square, normalized if asked to."""

from __future__ import annotations

from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidContent
from service.hashing.content import Contents, Image, of_kind
from service.hashing.pictures import shades_of


class ImageFeaturizer:
    """Pixels of a picture, squeezed to a small square.

    Args:
        size: width and height of that square in pixels (28 for digits, 16 to 64 for photographs).
        color: three channels in place of one grey one.
        standardize: subtract the mean picture and divide by one common deviation, so that features are real numbers of
            about unit variance; else they are shades from 0 (black) to 1 (white).
        centered: subtract from each picture its own mean shade, so that pictures are not alike for being dark.
    """

    name = "image"

    def __init__(self, size: int = 32, color: bool = False, standardize: bool = False, centered: bool = False) -> None:
        self.size = size
        self.color = color
        self.standardize = standardize
        self.centered = centered
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
            InvalidContent: `check_picture` refuses one of them; the message has its position.
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
            try:
                shades[position] = shades_of(image.data, self.size, self.color).ravel()
            except InvalidContent as error:
                raise InvalidContent(error.reason, position) from None
        shades /= 255
        if self.centered:
            shades -= shades.mean(axis=1, keepdims=True)
        return shades

    def state(self) -> tuple[dict[str, object], dict[str, NDArray[np.generic]]]:
        """Hyper-parameters, the mean picture and the common deviation."""
        parameters: dict[str, object] = {
            "size": self.size,
            "color": self.color,
            "standardize": self.standardize,
            "centered": self.centered,
        }
        return parameters, {"mean": self.mean, "scale": self.scale} if self.standardize else {}

    @classmethod
    def restore(cls, parameters: dict[str, object], arrays: dict[str, NDArray[np.generic]]) -> Self:
        """The featurizer whose `state` that was."""
        featurizer = cls(**cast("dict[str, int]", parameters))  # type: ignore[arg-type]
        if featurizer.standardize:
            featurizer.mean = arrays["mean"].astype(np.float32)
            featurizer.scale = arrays["scale"].astype(np.float32)
        return featurizer
