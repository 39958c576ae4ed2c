"""The queries that a collection keeps."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from service.web.schemas.pages import NEXT_CURSOR


class KeptQuery(BaseModel):
    """A text that the collection was asked with."""

    number: int = Field(description="Names it; grows from one query to the next.")
    text: str
    created_at: datetime = Field(description="When it was written down, within a minute of being asked.")


class KeptQueryPage(BaseModel):
    """Queries, the latest first."""

    items: list[KeptQuery]
    next_cursor: str | None = Field(description=NEXT_CURSOR)
