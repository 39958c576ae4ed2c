"""Advice: what a report shows that its reader should know, in words, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.hashing.codes import MAX_BITS
from training.fit.run import SATURATED_SHARE, SATURATED_WITHIN

FEW_CODES = 0.5
"""Codes per document below which documents at distance 0 are a list rather than duplicates."""
UNCLEAR = 0.06
"""Agreement of the neighbors that two halves of the vocabulary find below which they say little; chance is .01."""
UNKNOWN = 0.05
"""Share of held-out documents without a known word above which it is said."""
DEAD = 0.1
"""Share of the bits that are the same for nearly all documents, above which it is said."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One finding.

    Attributes:
        kind: not_saturated, few_codes, unclear_neighbors, unknown_words, dead_bits, not_better_than_untrained.
        finding: what was seen, with its figures.
        remedy: what to do.
    """

    kind: str
    finding: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Findings:
    """The figures that advice follows from.

    Attributes:
        n_bits: width of the codes.
        n_documents: documents whose codes were counted.
        n_distinct_codes: codes that they have.
        saturated: share of the code units that are sure of their bit; None if the training does not drive them there.
        agreement: share of the neighbors that two halves of the vocabulary both find; None if unknown.
        without_features: share of held-out documents without a known word.
        n_dead_bits: bits that are the same for nearly all documents.
        is_better: whether the codes find more than untrained ones; None if nothing is known of these.
    """

    n_bits: int
    n_documents: int
    n_distinct_codes: int
    saturated: float | None
    agreement: float | None
    without_features: float
    n_dead_bits: int
    is_better: bool | None

    def advice(self) -> list[Advice]:
        """What to know of the codes, the most important first; nothing if all is well."""
        return [*self._of_the_corpus(), *self._of_the_codes()]

    def _of_the_corpus(self) -> Iterator[Advice]:
        if self.agreement is not None and self.agreement < UNCLEAR:
            yield Advice(
                "unclear_neighbors",
                f"two halves of the vocabulary find only {self.agreement:.1%} of the same neighbors: the texts share "
                "too few words for their likeness to be seen",
                "search by words (rank=words or hybrid), store longer texts, or vectors of a model of your own",
            )
        if self.without_features > UNKNOWN:
            yield Advice(
                "unknown_words",
                f"{self.without_features:.0%} of the held-out documents have no word that the codes know",
                "retrain on more documents, with min_df=1 or word_parts=on, or check that language is theirs",
            )
        if self.is_better is False:
            yield Advice(
                "not_better_than_untrained",
                "the codes find no more than untrained ones",
                "retrain on more documents, or with aim=nearest",
            )

    def _of_the_codes(self) -> Iterator[Advice]:
        if self.saturated is not None and self.saturated < SATURATED_SHARE:
            yield Advice(
                "not_saturated",
                f"{self.saturated:.1%} of the code units lie within {SATURATED_WITHIN} of 0 or 1, "
                f"{SATURATED_SHARE:.0%} are wanted: the other bits say little, and change with a few words",
                "retrain with twice the epochs, or with fewer bits",
            )
        if self.n_distinct_codes < FEW_CODES * self.n_documents:
            wider = f"n_bits={min(2 * self.n_bits, MAX_BITS)}, " if self.n_bits < MAX_BITS else ""
            yield Advice(
                "few_codes",
                f"{self.n_documents:,} documents have {self.n_distinct_codes:,} codes: at distance 0 lie "
                f"{self.n_documents / max(self.n_distinct_codes, 1):.0f} documents on average, in no order",
                f"retrain with {wider}aim=both, or order matches by words (rank=hybrid, rerank=features)",
            )
        if self.n_dead_bits > DEAD * self.n_bits:
            yield Advice(
                "dead_bits",
                f"{self.n_dead_bits} of {self.n_bits} bits are the same for nearly all documents",
                "retrain with a larger balance, or with fewer bits",
            )
