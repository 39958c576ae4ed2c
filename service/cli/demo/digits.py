"""The pictures of the demonstration: the 1,797 handwritten digits that scikit-learn brings along, 8 x 8 pixels each.

Source: Alpaydin, Kaynak (1998), "Optical recognition of handwritten digits", UCI Machine Learning Repository.
"""

from __future__ import annotations

from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from sklearn.datasets import load_digits


class Digit(NamedTuple):
    """One handwritten digit.

    Attributes:
        id: of its document.
        digit: what was written, 0 to 9; no training sees it.
        shades: `(8, 8)` uint8, the strokes bright.
    """

    id: str
    digit: int
    shades: NDArray[np.uint8]

    @property
    def png(self) -> bytes:
        """The bytes of a PNG file."""
        file = BytesIO()
        PillowImage.fromarray(self.shades).save(file, "PNG")
        return file.getvalue()


def digits() -> list[Digit]:
    """All of them, in the order of the data set."""
    pixels, labels = load_digits(return_X_y=True)  # (1797, 64) from 0 to 16, (1797,)
    shades = np.rint(pixels.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    numbered = enumerate(zip(labels, shades, strict=True))
    return [Digit(f"digit-{number:04}", int(label), picture) for number, (label, picture) in numbered]
