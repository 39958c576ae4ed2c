"""Reconstruction: how much of their documents the codes of a space keep, of those it learned from and of later ones.

The decoder of the training is not kept: with the neighbors that were its targets it could not be asked again anyway.
A linear one is learned anew from codes and features of documents that were there at the training, and judged on others
of them and on later documents: what it leaves over is the loss of both, by the same measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray

from service.errors import NotFound
from service.hashing.codes import unpack
from service.hashing.content import Content, of_model
from service.store import buckets, collections, document_summaries, drift, spaces
from service.store.database import Database
from service.store.spaces import CodeSpace

if TYPE_CHECKING:
    from service.hashing.featurizers import Features

log = structlog.get_logger(__name__)

N_LEARNED, N_JUDGED = 2_000, 1_000
"""Documents that the decoder is learned from, and most of either kind that it is judged on."""
LEAST_LEARNED = 1_000
"""Fewest documents from before that say anything: two thirds of them make the decoder."""
RIDGE = 100.0
"""Of the decoder, whose inputs are -1 and 1."""
_READ_AT_ONCE = 100
_EVERY = timedelta(minutes=10)
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """What a linear decoder leaves of the squared length of features, 0 to about 1.

    Attributes:
        learned_loss: mean over documents that were there at the training, which the decoder has not seen.
        new_loss: mean over documents that came since.
        n_new: number of these.
        last_key: the greatest key of a document of the space when this was measured.
    """

    learned_loss: float
    new_loss: float
    n_new: int
    last_key: int


def losses(features: Features, codes: NDArray[np.uint8], n_learned: int) -> NDArray[np.float64]:
    """What a decoder leaves of the squared length of each row's features, `(n - n_learned,)`; 1 where there are none.

    Args:
        features: `(n, F)`.
        codes: `(n, n_bits // 8)`, of the same documents.
        n_learned: the decoder is learned from so many first rows, and judged on the others.

    Source: Hoerl, Kennard (1970), "Ridge regression". Cost: linear in the nonzero features times n_bits.
    """
    inputs = np.hstack([np.ones((len(codes), 1), np.float32), 2 * unpack(codes).astype(np.float32) - 1])  # (n, 1 + b)
    learned = inputs[:n_learned]
    gram = learned.T @ learned + RIDGE * np.eye(inputs.shape[1], dtype=np.float32)
    weights = np.linalg.solve(gram, np.asarray(features[:n_learned].T @ learned).T)  # (1 + b, F)
    judged, given = features[n_learned:], inputs[n_learned:]
    squares = judged * judged if isinstance(judged, np.ndarray) else judged.multiply(judged)
    lengths = np.asarray(squares.sum(axis=1), dtype=np.float64).ravel()
    common = ((judged @ weights.T) * given).sum(axis=1)
    guessed = ((given @ (weights @ weights.T)) * given).sum(axis=1)
    left: NDArray[np.float64] = np.divide(
        lengths - 2 * common + guessed, lengths, out=np.ones_like(lengths), where=lengths > 0
    )
    return left


def measure(database: Database, space: CodeSpace) -> Reconstruction | None:
    """The reconstruction of documents of a trained space; None if too few are known of either kind. Blocks.

    Cost: a second or two: the hash function is loaded, and at most 4,000 documents are read and featurized.
    """
    with database.read() as connection:
        before = drift.codes_of_learned(connection, space, N_LEARNED + N_JUDGED)
        after = drift.codes_of_new(connection, space, N_JUDGED)
    if len(before) < LEAST_LEARNED or len(after) < drift.LEAST:
        return None
    known, features = _features(database, space, [*before, *after])
    n_before = sum(key in before for key in known)
    n_learned, both = n_before * 2 // 3, before | after
    if n_before < LEAST_LEARNED or len(known) - n_before < drift.LEAST:  # others are gone
        return None
    left = losses(features, buckets.stack([both[key] for key in known], space.n_bits // 8), n_learned)
    learned, new = left[: n_before - n_learned], left[n_before - n_learned :]
    return Reconstruction(float(learned.mean()), float(new.mean()), len(new), max(after))


def _features(database: Database, space: CodeSpace, keys: Sequence[int]) -> tuple[list[int], Features]:
    """The keys of the documents that still exist, in their order, and their features."""
    from scipy.sparse import csr_matrix, vstack

    from service.hashing.function import HashFunction

    with database.read() as connection:
        function = HashFunction.from_bytes(spaces.get_function(connection, str(space.digest)), space.digest)
    known: list[int] = []
    parts: list[Features] = []
    for start in range(0, len(keys), _READ_AT_ONCE):
        part = list(keys[start : start + _READ_AT_ONCE])
        with database.read() as connection:
            stored = document_summaries.contents(connection, part)
        found: dict[int, Content] = {}
        for key in part:
            if key in stored and (content := of_model(stored[key][1], space.model)) is not None:
                found[key] = content
        known += found
        if found:
            parts.append(function.features(list(found.values())))
    dense = [part for part in parts if isinstance(part, np.ndarray)]
    sparse = [part for part in parts if not isinstance(part, np.ndarray)]
    return known, np.vstack(dense) if dense else csr_matrix(vstack(sparse))


class ReconstructionWatch:
    """Measures the reconstruction of collections that have got documents since, for `store.drift`.

    It looks every ten minutes, while its trainer has nothing else to do.

    Args:
        database: of the collections.
        clock: tells the time in UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.database = database
        self.clock = clock
        self._looked_at: datetime | None = None

    def look(self) -> None:
        """Measure what is due; nothing if it looked a moment ago. Blocks."""
        now = self.clock()
        if self._looked_at is not None and now - self._looked_at < _EVERY:
            return
        self._looked_at = now
        after: str | None = None
        while True:
            with self.database.read() as connection:
                found = collections.page(connection, after, _PAGE)
            for collection in found:
                self._measure_if_due(collection.id)
            if len(found) < _PAGE:
                return
            after = found[-1].name

    def _measure_if_due(self, collection_id: int) -> None:
        try:
            with self.database.read() as connection:
                active = spaces.active(connection, collection_id)
                if not drift.is_reconstruction_due(connection, active):
                    return
            measured = measure(self.database, active)
            if measured is None:
                return
            with self.database.write() as connection:
                report = spaces.by_id(connection, active.id).report or {}
                spaces.set_report(connection, active.id, {**report, "reconstruction": asdict(measured)})
        except NotFound:  # dropped meanwhile
            return
        log.info("reconstruction measured", collection=collection_id, version=active.version, **asdict(measured))
