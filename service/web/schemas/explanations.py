"""What codes mean: the bits of a space in a collection, and two documents side by side."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from service.web.schemas.spaces import SpaceRef


class TypicalDocument(BaseModel):
    """A document that stands for a side of a bit."""

    id: str
    title: str = Field(description="Its title, or how its text begins.")


class BitSide(BaseModel):
    """The documents that have one value of a bit."""

    words: list[str] = Field(description="Words that separate them from the other side, the surest first.")
    documents: list[TypicalDocument] = Field(description="Those whose codes are most like the others of this side.")


class Bit(BaseModel):
    """What one bit means in the collection."""

    bit: int = Field(description="Its number, from 0: the most significant bit of a code is bit 0.")
    share: float | None = Field(description="Share of ones among the documents; null if there are none.")
    ones: BitSide
    zeros: BitSide
    correlated: list[tuple[int, float]] = Field(description="The bits that go with it most, with the correlation.")


class Bits(BaseModel):
    """All bits of the active code space."""

    space: SpaceRef
    seq: int = Field(description="The last change of the collection when this was read.")
    documents: int = Field(description="Documents of the collection then.")
    sampled: int = Field(description="Documents, drawn at random, that this was read from.")
    bits: list[Bit]


class DescribedBit(BaseModel):
    """A bit of one code."""

    bit: int = Field(description="Its number, from 0: the most significant bit of a code is bit 0.")
    value: Literal[0, 1]
    confidence: float = Field(description="How sure it is, from 0 to 1: 1 is the surest bit of the code.")
    words: list[tuple[str, float]] = Field(
        description="Words that do most for its value, and what the logit loses without each."
    )


class DescribedCode(BaseModel):
    """The code of a text or of a document."""

    space: SpaceRef
    id: str | None = Field(description="Of the document; null of a text.")
    title: str | None = Field(description="Null if it has none.")
    code: str = Field(description="In hexadecimal.")
    bits: list[DescribedBit]


class Distances(BaseModel):
    """How far from a code the documents lie."""

    space: SpaceRef
    documents: int = Field(description="Documents with a code.")
    distances: list[int] = Field(description="Documents at each distance in bits, from 0.")
    ones: list[int] = Field(description="Documents that have each bit.")


class ComparedDocument(BaseModel):
    """One of the two documents."""

    id: str
    title: str | None = Field(description="Null if it has none.")


class ComparedBit(BaseModel):
    """A bit of both codes."""

    bit: int
    a: Literal[0, 1] = Field(description="Its value in the first document.")
    b: Literal[0, 1] = Field(description="Its value in the second document.")
    confidence_a: float = Field(description="How sure it is, from 0 to 1: 1 is the document's surest bit.")
    confidence_b: float
    words_a: list[tuple[str, float]] = Field(
        description="Words of the first document that do most for its value, and what the logit loses without each."
    )
    words_b: list[tuple[str, float]]


class SharedWord(BaseModel):
    """A word that both documents have, as each writes it first."""

    a: str
    b: str
    weight: float = Field(description="The geometric mean of its BM25 in both.")


class Comparison(BaseModel):
    """Two documents side by side."""

    a: ComparedDocument
    b: ComparedDocument
    space: SpaceRef
    distance: int = Field(description="Bits in which their codes differ.")
    agreeing: list[ComparedBit] = Field(description="Equal bits, those of which both are sure first.")
    differing: list[ComparedBit] = Field(description="The other bits, in the same order.")
    words: list[SharedWord] = Field(description="Words that both have, the weightiest first; at most 30.")
    partial: list[Literal["words"]] = Field(
        description="What was not at hand: `words` while a process that has just started reads them."
    )


class ScoreParts(BaseModel):
    """What adds up to the score."""

    words: float | None = Field(None, description="Left out where words have no part in it.")
    code: float | None = Field(None, description="Left out where codes have no part in it.")


class WordShare(BaseModel):
    """A word of the query that the document has."""

    typed: str = Field(description="The word of the query.")
    found: str = Field(description="As the document writes it.")
    bm25: float = Field(description="What it adds to the BM25 of the document.")
    score: float = Field(description="What it adds to the score.")


class BitShare(BaseModel):
    """A bit of the document's code."""

    bit: int = Field(description="Its number, from 0.")
    value: Literal[0, 1] = Field(description="Its value in the document.")
    confidence: float = Field(
        description="How sure the search was of the value that it looked for, from 0 to 1: 1 is the surest bit."
    )
    score: float | None = Field(
        description="What it adds to the score, below 0 if it differs; null where codes have a distance only."
    )


class BitWords(BitShare):
    """One of the bits that weigh most in the search, and the words behind it."""

    agrees: bool = Field(description="Whether the document has the value that was looked for.")
    query: list[tuple[str, float]] = Field(
        description="Words of the query that speak for the value that was looked for, and what its logit loses without."
    )
    document: list[tuple[str, float]] = Field(description="Words of the document that speak for its value.")
    ones: list[str] = Field(description="Words of the collection's documents that have a one; empty if not known yet.")
    zeros: list[str] = Field(description="Words of those that have a zero.")


class Explanation(BaseModel):
    """Why a match is where it is."""

    parts: ScoreParts
    words: list[WordShare] = Field(description="The words that matched, by descending share; they add up to the part.")
    agreeing: list[BitShare] = Field(description="Bits that are as the search looked for them, the surest first.")
    differing: list[BitShare] = Field(description="The others; all bits add up to the part of the code.")
    strongest: list[BitWords] = Field(description="The bits that weigh most in the search, with their words.")
