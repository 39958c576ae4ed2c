"""The split of documents into training, validation and held-out parts: the id alone decides the part of a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidInput

HELD_OUT_SHARE = 0.1
VALIDATION_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of documents in each part, ascending.

    A document's part follows from its id alone: it stays when the collection grows, is shuffled or is sampled.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    held_out: NDArray[np.int64]


def split(ids: Sequence[str]) -> Split:
    """Cut documents into 85 % training, 5 % validation and 10 % held-out by the hash of their ids.

    A part that chance left empty gets the document nearest to it, so that no part of two or more is ever empty.

    Raises:
        InvalidInput: fewer than three documents.
    """
    if len(ids) < 3:
        raise InvalidInput(f"a split needs at least 3 documents, got {len(ids)}")
    places = id_places(ids)
    order = np.argsort(places, kind="stable")
    held_out = max(1, int(np.sum(places < HELD_OUT_SHARE)))
    validation = max(1, int(np.sum(places < HELD_OUT_SHARE + VALIDATION_SHARE)) - held_out)
    held_out = min(held_out, len(ids) - 2)
    validation = min(validation, len(ids) - 1 - held_out)
    ends = held_out, held_out + validation
    return Split(np.sort(order[ends[1] :]), np.sort(order[ends[0] : ends[1]]), np.sort(order[: ends[0]]))


def id_places(ids: Sequence[str]) -> NDArray[np.float64]:
    """The place of each id on the line from 0 to 1, uniform and the same everywhere: `(n,)` float64."""
    digests = b"".join(blake2b(i.encode(), digest_size=8, person=b"nearbit-split").digest() for i in ids)
    return np.frombuffer(digests, dtype="<u8") / 2.0**64


def first_by_id(rows: NDArray[np.int64], ids: Sequence[str], n: int) -> NDArray[np.int64]:
    """At most `n` rows, those whose ids come first by hash, ascending."""
    if len(rows) <= n:
        return rows
    return np.sort(rows[np.argsort(id_places([ids[i] for i in rows]), kind="stable")[:n]])
