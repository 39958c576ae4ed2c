"""Phrase check: which candidates hold the phrases of a query, read in their texts, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.errors import TooMuchToRead
from service.hashing.analysis import Analyzer
from service.hashing.content import size_of
from service.search.hybrid import PHRASE_CANDIDATES
from service.search.phrases import holds
from service.search.word_query import WordQuery
from service.store import document_summaries

_READ_TOGETHER = 64


@dataclass(slots=True)
class PhraseCheck:
    """Reads texts of documents that have all the words of phrases, as many as it may.

    Attributes:
        query: has the phrases.
        analyzer: of the collection.
        max_chars: most characters that may be read.
        has_ended: it was asked about more documents than it may read.
    """

    query: WordQuery
    analyzer: Analyzer
    max_chars: int
    has_ended: bool = False
    _holds: dict[int, bool] = field(default_factory=dict)

    def first(self, connection: Connection, keys: Sequence[int], n: int) -> NDArray[np.int64]:
        """Places of the first `n` or more documents that hold the phrases; fewer if there are no more. Blocks."""
        places: list[int] = []
        for start in range(0, len(keys), _READ_TOGETHER):
            part = keys[start : start + _READ_TOGETHER]
            self._read(connection, [key for key in part if key not in self._holds])
            places += [start + i for i, key in enumerate(part) if self._holds.get(key)]
            if len(places) >= n or self.has_ended:
                break
        return np.array(places, dtype=np.int64)

    def _read(self, connection: Connection, keys: Sequence[int]) -> None:
        if not keys or self.has_ended:
            return
        if len(self._holds) >= PHRASE_CANDIDATES:
            self.has_ended = True
            return
        try:
            contents = document_summaries.contents(connection, keys, self.max_chars)
        except TooMuchToRead:
            self.has_ended = True
            return
        self.max_chars -= sum(size_of(content) for _, content in contents.values())
        for key in keys:
            found = contents.get(key)
            self._holds[key] = found is not None and holds(
                self.analyzer, found[1], self.query.phrases, self.query.excluded_phrases
            )
