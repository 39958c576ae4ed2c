"""Selected: some codes of a dictionary, as a range of codes or as a table that says of each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Selected = range | NDArray[np.bool_]
"""Codes from one to another, or whether each code is among them: `(n_texts,)`."""


def of_codes(n: int, codes: NDArray[np.integer]) -> Selected:
    """Some of `n` codes."""
    if not len(codes):
        return range(0)
    first, last = int(codes.min()), int(codes.max())
    if last - first < len(codes) and len(np.unique(codes)) == last - first + 1:
        return range(first, last + 1)
    table = np.zeros(n, bool)
    table[codes] = True
    return table


def hits(codes: NDArray[Any], selected: Selected) -> NDArray[np.bool_]:
    """Which of `(m,)` codes are selected."""
    if not isinstance(selected, range):
        chosen: NDArray[np.bool_] = selected[codes]
        return chosen
    if len(selected) <= 1:
        return codes == selected.start if selected else np.zeros(len(codes), bool)
    found: NDArray[np.bool_] = codes >= selected.start
    found &= codes < selected.stop
    return found
