"""View: what readers see of the index at one moment: parts, the newest documents, and totals.

A view never changes. A write makes the next one, which shares with the last whatever the write did not touch, so a
reader that took a view keeps a consistent state to its end without a lock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from service.index.words.delta import Delta
from service.index.words.layout import Ints
from service.index.words.part import Part, Totals


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Everything at one moment: parts, the largest first, the newest documents, and the totals of the live."""

    parts: tuple[Part, ...] = ()
    delta: Delta = field(default_factory=Delta)
    totals: Totals = field(default_factory=Totals)

    @property
    def memory_bytes(self) -> int:
        """Bytes of segments, marks and the newest documents."""
        of_parts = (part.segment.words.nbytes + part.alive.nbytes + part.dead.nbytes for part in self.parts)
        return sum(of_parts) + self.delta.memory_bytes

    def without(self, keys: Ints) -> Self:
        """The same without the documents of `(n,)` distinct keys."""
        totals, parts = self.totals, []
        for part in self.parts:
            docs = part.find(keys)
            if len(docs):
                segment = part.segment
                totals = totals.plus(segment.body_lengths[docs], segment.title_lengths[docs], -1)
                part = part.without(docs)
            parts.append(part)
        delta = self.delta
        docs = delta.find(keys)
        if len(docs):
            totals = totals.plus(delta.arrays.body_lengths[docs], delta.arrays.title_lengths[docs], -1)
            delta = delta.without(docs)
        return replace(self, parts=tuple(parts), delta=delta, totals=totals)
