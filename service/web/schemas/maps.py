"""Maps: what is asked, and the answers that are JSON."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, Field

from service.web.schemas.documents import StoredId
from service.web.schemas.request_body import RequestBody

MAX_AT_ONCE = 1_000
"""Documents in one call."""
_VERSION = "Of the code space; the active one if not given."
_MAX_KEY = (1 << 63) - 1

SpaceVersion = Annotated[int | None, Query(ge=1, lt=1 << 31, description=_VERSION)]
AfterNumber = Annotated[int, Query(ge=0, le=_MAX_KEY, description="Only documents with greater numbers.")]
CodesLimit = Annotated[
    int | None, Query(ge=1, le=1_000_000, description="At most so many documents. If not given, all.")
]
FieldName = Annotated[str, Path(min_length=1, max_length=1_000, description="A field of the metadata.")]


class ComputeMap(RequestBody):
    """Which map to compute."""

    version: int | None = Field(None, ge=1, lt=1 << 31, description=_VERSION)


class NumbersOrIds(RequestBody):
    """Documents by number, or by id."""

    numbers: list[Annotated[int, Field(ge=0, le=_MAX_KEY)]] | None = Field(None, description="At most 1,000.")
    ids: list[StoredId] | None = Field(None, description="At most 1,000.")


class NumberedDocument(BaseModel):
    """A document with its number."""

    number: int
    id: str
    title: str | None
    text: str | None = Field(description="Null of what is no text.")
    metadata: dict[str, Any]


class NumberedDocuments(BaseModel):
    """Documents in the order that was asked, and what is not there."""

    items: list[NumberedDocument]
    missing: list[int | str]


class MapSpace(BaseModel):
    """A code space."""

    version: int


class MapLabel(BaseModel):
    """The words of a region of a map."""

    x: float
    y: float
    text: str
    words: list[str]
    level: int = Field(description="0 is the broadest.")
    n: int = Field(description="Landmarks in the region.")


class MapLabels(BaseModel):
    """The words of the regions of a map."""

    items: list[MapLabel]
    space: MapSpace
