"""WordContributions: which words of a text speak for which bit of its code, as `service.hashing.explain` finds out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.hashing.codes import Codes, pack
from service.hashing.encoded import confidence


@dataclass(frozen=True, slots=True)
class WordContributions:
    """What the words of one content do for bits of its code.

    Attributes:
        words: `(m,)`, in lower case as they are first written in the content, the weightiest first; none of a content
            that is no text.
        logits: `(m, n_asked)` float32, what the logit of each bit that was asked for loses without each word: above 0
            the word speaks for a one, below 0 for a zero.
        margins: `(n_bits,)` float32, how far the logit of every bit lies above its threshold.
    """

    words: tuple[str, ...]
    logits: NDArray[np.float32]
    margins: NDArray[np.float32]

    @property
    def code(self) -> Codes:
        """The code of the content, `(n_bytes,)`."""
        code: Codes = pack(self.margins[None] > 0)[0]
        return code

    @property
    def confidence(self) -> NDArray[np.uint8]:
        """How sure each bit of the code is, `(n_bits,)`, as `Encoded` has it."""
        certain: NDArray[np.uint8] = confidence(self.margins[None])[0]
        return certain

    def speaking_for(self, place: int, value: bool, n: int) -> list[tuple[str, float]]:
        """The `n` words that do most for a bit to be one, or zero; what each does is above 0.

        Args:
            place: of the bit among those that were asked for.
            value: what they speak for.
            n: most words.
        """
        gains = self.logits[:, place] if value else -self.logits[:, place]
        best = np.argsort(-gains, kind="stable")[:n].tolist()
        return [(self.words[i], float(gains[i])) for i in best if gains[i] > 0]
