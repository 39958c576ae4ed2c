"""Near duplicates."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from service.store.duplicates import WORD_BITS
from service.web.schemas.pages import NEXT_CURSOR
from service.web.schemas.request_body import RequestBody


class FindDuplicates(RequestBody):
    """What to look for."""

    radius: int = Field(description="Near duplicates are at most so many bits apart: at most an eighth of a code.")
    by: Literal["words", "code"] | None = Field(
        None,
        description=f"`words`: codes of {WORD_BITS} bits made of the words of each text: few bits mean nearly the same "
        "text. `code`: the codes of the active space: once they are learned, few bits mean nearly the same topic. If "
        "not given, `words` for texts and `code` for vectors and pictures.",
    )
    linkage: Literal["single", "complete"] = Field(
        "single",
        description="`single`: a group is what steps of at most `radius` bits join. `complete`: all documents of a "
        "group lie within `radius` bits of one another.",
    )
    keep: Literal["first", "longest", "newest"] = Field(
        "first",
        description="Which document represents its group: the first to arrive, the longest, or the last to be put.",
    )
    filter: dict[str, Any] | None = Field(
        None,
        description="Look among documents whose metadata pass it only; null takes all.",
        examples=[{"lang": "en"}],
    )


class DuplicateDocument(BaseModel):
    """A document of a group."""

    id: str
    title: str = Field("", description="Left out if it has none.")
    distance: int = Field(description="Bits in which its code differed from that of the representative.")


class DuplicateGroup(BaseModel):
    """Documents that are nearly equal."""

    representative: str = Field(description="The id of the document to keep, by the policy `keep`.")
    capped: bool = Field(description="It is a part of a group that was too large.")
    documents: list[DuplicateDocument] = Field(description="All of them, the representative first.")


class DuplicateGroupPage(BaseModel):
    """Groups of the last finished job, the largest first."""

    items: list[DuplicateGroup]
    next_cursor: str | None = Field(description=NEXT_CURSOR)
    job: str = Field(description="The job that found them.")
    params: dict[str, Any] = Field(description="What it was asked.")
    version: int | None = Field(description="The code space that it looked at; null if by words.")
    n_groups: int = Field(
        description="Groups that it found; those of which less than two documents are left count too."
    )
    n_documents: int = Field(description="Documents in these groups.")
    n_capped: int = Field(description="Groups that are parts of larger ones.")
    finished_at: datetime
