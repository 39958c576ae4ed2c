"""Pairs of documents of which people said whether they are alike."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from service.store.pairs import Pair as StoredPair
from service.web.schemas.documents import StoredId
from service.web.schemas.pages import NEXT_CURSOR
from service.web.schemas.request_body import RequestBody


class NewPair(RequestBody):
    """What a person says of two documents."""

    a: StoredId
    b: StoredId
    similar: bool = Field(description="Whether their codes are to be near; if not, far.")

    def pair(self) -> StoredPair:
        """The pair, as it is stored."""
        return StoredPair.of(self.a, self.b, self.similar)


class NewPairs(RequestBody):
    """Pairs to keep; of one that was named before, in either order, what is said now counts."""

    pairs: list[NewPair] = Field(min_length=1, description="The installation sets the greatest number.")


class PairCount(BaseModel):
    """How many pairs a collection has now."""

    n_pairs: int


class Pair(BaseModel):
    """Two documents, and what was said of them last."""

    a: str = Field(description="The id that is first in the order of code points.")
    b: str
    similar: bool
    created_at: datetime


class PairPage(BaseModel):
    """Pairs, in the order in which something was said of them first."""

    items: list[Pair]
    next_cursor: str | None = Field(description=NEXT_CURSOR)
