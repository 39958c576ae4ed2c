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
