"""Collections."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, Field

from service.hashing.codes import BITS_STEP, MAX_BITS, MIN_BITS
from service.web.schemas.pages import NEXT_CURSOR
from service.web.schemas.request_body import RequestBody
from service.web.schemas.spaces import SpaceRef

COLLECTION_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
COLLECTION_RULE = "Up to 64 letters, digits, dots, hyphens and underscores; the first is a letter or a digit."

CollectionName = Annotated[str, Path(pattern=COLLECTION_PATTERN, description=COLLECTION_RULE)]


class NewCollection(RequestBody):
    """Settings of a collection; they never change."""

    kind: Literal["text"] = Field("text", description="What its documents are.")
    n_bits: int = Field(
        64, ge=MIN_BITS, le=MAX_BITS, multiple_of=BITS_STEP, description="Width of its codes, in steps of 8."
    )


class Collection(BaseModel):
    """A named set of documents."""

    name: str
    kind: Literal["text"]
    n_bits: int
    seq: int = Field(description="Number of the latest change of its codes.")
    created_at: datetime


class Replica(BaseModel):
    """How the process that answered serves a collection: from memory, or else from SQL with the same matches."""

    state: Literal["following", "loading", "failed", "unloaded"] = Field(
        description="`following`: memory answers. Otherwise SQL does: `loading`, `unloaded` (nobody queried it for a "
        "while), `failed` (`error` says why; it is tried again)."
    )
    seq: int | None = Field(description="Memory has every change up to this one; null if it has none.")
    error: str | None = Field(description="What is wrong with a code space of the collection; null if nothing is.")


class CollectionDetail(Collection):
    """A named set of documents with their number and the active code space."""

    n_documents: int
    space: SpaceRef
    replica: Replica


class CollectionPage(BaseModel):
    """Collections by name."""

    items: list[Collection]
    next_cursor: str | None = Field(description=NEXT_CURSOR)
