"""Many vectors at once: read, rounded, and written to rows, in a half (base64) to a fifth of the time of each alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.errors import InvalidContent
from service.hashing.vectors import (
    MARK_OF,
    Keep,
    Vectors,
    check_direction,
    entries_of,
    has_direction,
    rounded,
    row_parts,
)


def read_vectors(given: Sequence[object], dims: int, keep: Keep) -> Vectors:
    """Vectors of a request, `(n, dims)`, rounded to what is kept of them.

    Args:
        given: each as `entries_of` takes it.
        dims: entries of each.
        keep: how they are stored.

    Raises:
        InvalidContent: one cannot be hashed; with its place.
    """
    vectors = np.empty((len(given), dims), dtype=np.float32)
    for position, one in enumerate(given):
        try:
            vectors[position] = entries_of(one, dims)
        except InvalidContent as error:
            raise InvalidContent(error.reason, position) from None
    good = has_direction(vectors)
    if not good.all():
        position = int(np.argmin(good))
        try:
            check_direction(vectors[position])
        except InvalidContent as error:
            raise InvalidContent(error.reason, position) from None
    return rounded(vectors, keep)


def to_rows(vectors: Vectors, keep: Keep) -> list[bytes]:
    """The column `content` of each of the rounded vectors `(n, dims)`."""
    parts = [part.view(np.uint8) for part in row_parts(vectors, keep)]
    rows = np.concatenate([np.full((len(vectors), 1), ord(MARK_OF[keep]), np.uint8), *parts], axis=1)
    data, width = rows.tobytes(), rows.shape[1]
    return [data[start : start + width] for start in range(0, len(data), width)]
