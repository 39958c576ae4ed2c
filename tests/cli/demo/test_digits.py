from __future__ import annotations

import numpy as np

from service.cli.demo.digits import digits
from service.hashing.pictures import shades_of


def test_every_digit_is_a_png_file_of_eight_by_eight_pixels_with_a_name_of_its_own() -> None:
    everything = digits()
    assert len({digit.id for digit in everything}) == 1_797
    assert {digit.digit for digit in everything} == set(range(10))
    assert {int(shade) for digit in everything[:100] for shade in digit.shades.flat} >= {0, 255}
    for digit in everything[::300]:
        np.testing.assert_array_equal(shades_of(digit.png, 8), digit.shades)
