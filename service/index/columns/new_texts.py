"""NewTexts: the different texts of the newest rows, in the order of arrival."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from service.index.columns.dates import instant_of
from service.index.columns.growing import Growing
from service.index.columns.selected import Selected, of_codes

_OF_A_TEXT = 150
"""Bytes that a dictionary takes for a text beside the text itself, about."""


class NewTexts:
    """A dictionary that one thread adds to while others search what was there when they looked."""

    __slots__ = ("_codes", "_instants", "_n_bytes", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._codes: dict[str, int] = {}
        self._instants = Growing(np.int64)
        self._n_bytes = 0

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, code: int) -> str:
        return self.texts[code]

    @property
    def memory_bytes(self) -> int:
        """Bytes that it takes, about."""
        return self._n_bytes + self._instants.memory_bytes

    def added(self, texts: Sequence[str]) -> list[int]:
        """The codes of some texts, which are new ones where they are not known yet."""
        known, n = self._codes, len(self.texts)
        if any(text not in known for text in texts):
            for text in texts:
                if text not in known:
                    known[text] = len(self.texts)
                    self.texts.append(text)
                    self._n_bytes += sys.getsizeof(text) + _OF_A_TEXT
            self._instants.append([instant_of(text) for text in self.texts[n:]])
        return [known[text] for text in texts]

    def instants(self) -> NDArray[np.int64]:
        """Of each text its instant as a date, or `NO_DATE`."""
        return self._instants.now()

    def equal_to(self, texts: Sequence[str]) -> Selected:
        """The codes of some texts."""
        n = len(self.texts)
        codes = [code for text in texts if (code := self._codes.get(text, n)) < n]
        return of_codes(n, np.array(codes, np.int64))

    def between(self, gt: str | None, gte: str | None, lt: str | None, lte: str | None) -> Selected:
        """The codes of the texts between these, in the order of code points; None leaves a side open."""
        return self._table(
            lambda text: (
                (gt is None or text > gt)
                and (gte is None or text >= gte)
                and (lt is None or text < lt)
                and (lte is None or text <= lte)
            )
        )

    def dated(self, first: int, last: int) -> Selected:
        """The codes of the texts that are dates from one instant to another, both included."""
        instants = self.instants()
        return (instants >= first) & (instants <= last)

    def beginning_with(self, prefix: str) -> Selected:
        """The codes of the texts that begin so."""
        return self._table(lambda text: text.startswith(prefix))

    def containing(self, text: str) -> Selected:
        """The codes of the texts that have that one in them."""
        return self._table(lambda one: text in one)

    def _table(self, is_one: Callable[[str], bool]) -> Selected:
        texts = self.texts[:]
        return np.fromiter(map(is_one, texts), bool, len(texts))
