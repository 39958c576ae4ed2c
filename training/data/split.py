"""The split of documents into training, validation and held-out parts: the id alone decides the part of a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidInput

HELD_OUT_SHARE = 0.1
"""Share of the documents that quality is reported on."""
VALIDATION_SHARE = 0.05
"""Share of the documents that decide the early stop."""


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of the documents of each part, `(n_part,)` int64, ascending.

    The id alone decides the part of a document, so it stays the same when the collection grows, is shuffled or sampled.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    held_out: NDArray[np.int64]


def split(ids: Sequence[str]) -> Split:
    """85 % training, 5 % validation and 10 % held-out documents, chosen by the hash of their ids.

    If the hash leaves a part empty, the part gets the one document whose hash is nearest to its range.

    Args:
        ids: ids of the documents, unique.

    Raises:
        InvalidInput: fewer than three documents.
    """
    if len(ids) < 3:
        raise InvalidInput(f"a split needs at least 3 documents, got {len(ids)}")
    hashes = id_positions(ids)  # (n,)
    order = np.argsort(hashes, kind="stable")  # (n,)
    held_out = max(1, int(np.sum(hashes < HELD_OUT_SHARE)))
    validation = max(1, int(np.sum(hashes < HELD_OUT_SHARE + VALIDATION_SHARE)) - held_out)
    held_out = min(held_out, len(ids) - 2)
    validation = min(validation, len(ids) - 1 - held_out)
    ends = held_out, held_out + validation
    return Split(np.sort(order[ends[1] :]), np.sort(order[ends[0] : ends[1]]), np.sort(order[: ends[0]]))


def id_positions(ids: Sequence[str]) -> NDArray[np.float64]:
    """Each id hashed to a number between 0 and 1, uniform and equal on every machine: `(n,)` float64."""
    digests = b"".join(blake2b(i.encode(), digest_size=8, person=b"nearbit-split").digest() for i in ids)
    return np.frombuffer(digests, dtype="<u8") / 2.0**64


def first_by_id(rows: NDArray[np.int64], ids: Sequence[str], n: int) -> NDArray[np.int64]:
    """At most `n` of `rows`, ascending: those whose ids have the smallest hashes."""
    if len(rows) <= n:
        return rows
    return np.sort(rows[np.argsort(id_positions([ids[i] for i in rows]), kind="stable")[:n]])
